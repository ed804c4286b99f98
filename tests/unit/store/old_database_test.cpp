// Databases that earlier daemons wrote (tests/support/make_database.py), one for each schema that landed: they stay
// here for ever and must open.

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/connection.hpp"
#include "store/schema.hpp"
#include "support/store_world.hpp"

namespace prooftrack::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string uuid = "550e8400-e29b-41d4-a716-446655440000";

/// The store on a copy of a database of that version.
struct OldDatabase : testing::TestWithParam<int> {
    OldDatabase() {
        std::filesystem::create_directory(world.path().parent_path());
        std::filesystem::copy_file(
            std::string(PROOFTRACK_SOURCE_DIR "/tests/unit/store/databases/version_") + std::to_string(GetParam()) +
                ".db",
            world.path());
    }
    track::tracking_facts facts_of(const std::string& id) { return world.find(make_id(id)).facts; }

    store_world world;
};

TEST_P(OldDatabase, OpensAsOfTodayAndIsWhole) {
    world.open();
    world.close();
    db_connection db(world.path(), "");
    db.execute(R"sql(PRAGMA locking_mode = EXCLUSIVE)sql");
    EXPECT_EQ(db.ask_text(R"sql(PRAGMA integrity_check)sql"), "ok");
    EXPECT_EQ(db.ask_integer(R"sql(PRAGMA user_version)sql"), schema_version);
    EXPECT_EQ(schema_names(db), expected_schema_names());
}

TEST_P(OldDatabase, ForgetsNoTransaction) {
    EXPECT_EQ(facts_of(uuid).state, track::tracking_state::settled);
    EXPECT_EQ(facts_of(uuid).status, "completed");
    EXPECT_EQ(world.find(make_id(uuid)).metadata, R"({"order": "A-17", "amount": 1.10})");
    EXPECT_EQ(facts_of("broke").status, "failed");
    EXPECT_EQ(facts_of("gone").status, "cancelled");
    EXPECT_EQ(facts_of("Done.2").state, track::tracking_state::tracking);
    EXPECT_EQ(facts_of("late").state, track::tracking_state::overdue);
    EXPECT_EQ(facts_of("left").state, track::tracking_state::untracked);
    EXPECT_EQ(facts_of("open").state, track::tracking_state::tracking);
    EXPECT_EQ(world.list({}).transactions.size(), 9U); // one came by a session
    EXPECT_EQ(world.add({make_new(uuid)}).value()[0].what, add_result::existing);

    std::vector<std::string> watched;
    const auto loaded = world.ask<std::uint64_t>([&](store& subject, auto handler) {
        subject.load_active(
            [&](const std::vector<track::active_transaction>& chunk) {
                for (const track::active_transaction& each : chunk) watched.push_back(each.id.str());
            },
            std::move(handler));
    });
    EXPECT_EQ(loaded.value(), 4U);
    std::sort(watched.begin(), watched.end());
    EXPECT_THAT(watched, ElementsAre("08d9bd3e-4f23-4557-9153-46ad513db9a6", "Done.2", "late", "open"));
}

TEST_P(OldDatabase, KeepsEachEventUnderItsIdWithItsBytes) {
    const std::vector<track::stored_event> events = world.events().events;
    std::vector<std::string> heads;
    for (const track::stored_event& each : events) heads.push_back(each.body.substr(0, 45));
    EXPECT_THAT(
        heads,
        ElementsAre(
            R"({"id":"evt_01a2117e92147e288fb1a538c7903459",)", R"({"id":"evt_01a2117e92387346a6a27c848106fb95",)",
            R"({"id":"evt_01a2117e933c79329d0ffb7c6e37f005",)", R"({"id":"evt_01a2117e941c75dd936fd14863626662",)",
            R"({"id":"evt_01a2117e94b07fdca2df0076f6812113",)"));
    EXPECT_THAT(events[0].body, HasSubstr(R"("metadata":{"order": "A-17", "amount": 1.10},"proof":{)"));
    EXPECT_EQ(world.status().log_id, "547e15edf1efac1e"); // cursors stay good
}

TEST_P(OldDatabase, KeepsItsPendingDeliveriesAndGoesOn) {
    const store_status before = world.status();
    EXPECT_EQ(before.lanes.at("broken").dead, 2U);
    EXPECT_EQ(before.lanes.at("backend").pending, 0U);
    const std::vector<delivery_head> owed = world.heads("slow");
    ASSERT_EQ(owed.size(), 1U);
    EXPECT_EQ(owed[0].attempts, 1U);
    world.attempt({owed[0].id, at_ms(0), 2, track::delivery_state::delivered, 200, "", std::nullopt});
    EXPECT_EQ(world.status().lanes.at("slow").pending, 0U);
    const auto consumers = world
                               .ask<std::vector<track::consumer_view>>(
                                   [](store& subject, auto handler) { subject.consumers(std::move(handler)); })
                               .value();
    ASSERT_EQ(consumers.size(), 2U);
    EXPECT_EQ(consumers[0].lag, 5U);
    EXPECT_EQ(consumers[1].lag, 3U);

    const delivery_record old = world.load_delivery(value_of(owed[0].id)).value();
    EXPECT_EQ(old.traceparent, "");
    EXPECT_THAT(*old.body, HasSubstr("\"timestamp\":\"" + format_wall_time(old.recorded_at) + "\""));

    const recorded_transition next = world.record(make_settlement("open", 1, {"backend"})).value();
    EXPECT_EQ(next.seq, event_seq{6});
    EXPECT_EQ(next.traceparent, GetParam() < 3 ? "" : "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    EXPECT_EQ(world.add({make_new("new")}).value()[0].what, add_result::created);
    world.reopen();
    EXPECT_EQ(facts_of("open").state, track::tracking_state::settled);
    EXPECT_TRUE(world.knows(make_id("new")));
    EXPECT_EQ(world.heads("backend").size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Versions, OldDatabase, testing::Range(1, static_cast<int>(schema_version) + 1));

} // namespace
} // namespace prooftrack::store
