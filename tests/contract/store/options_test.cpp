// set_options: they hold for what is recorded later, for the revision that they were made for.

#include <gmock/gmock.h>

#include "contract/store/store_under_test.hpp"

namespace prooftrack::store {
namespace {

using testing::HasSubstr;

const char* const old_url = "https://old.example/hook";
const char* const new_url = "https://new.example:8443/hook";

options_change make_options(const std::string& metadata, std::optional<std::string> url, std::uint32_t revision = 1) {
    return {
        .id = make_id("a"),
        .revision = row_revision{revision},
        .metadata = metadata,
        .callback_url = url,
        .callback_lane = url == new_url ? "https://new.example:8443" : "",
        .options_digest = make_digest(2)};
}

class SettingOptions : public store_contract {
  protected:
    void add() {
        track::new_transaction wanted = make_new("a");
        wanted.metadata = R"({"order":"A-17"})";
        wanted.callback_url = old_url;
        wanted.callback_lane = "https://old.example:443";
        wanted.options_digest = make_digest(1);
        world.add({wanted}).value();
    }
    add_result post(std::uint8_t digest) {
        track::new_transaction wanted = make_new("a");
        wanted.options_digest = make_digest(digest);
        return world.add({wanted}).value().front().what;
    }
    std::size_t found(const std::string& order) {
        track::transaction_query query;
        query.metadata = {{"order", order}};
        return world.list(query).transactions.size();
    }
};
INSTANTIATE_TEST_SUITE_P(Store, SettingOptions, every_store(), store_name);

TEST_P(SettingOptions, AreReplacedAndTheRestStays) {
    add();
    const track::transaction_view before = world.find(make_id("a"));
    EXPECT_EQ(world.set_options(make_options(R"({ "n": 1.10 })", new_url)).value(), row_revision{2});
    for (int start = 0; start < 2; ++start) {
        const track::transaction_view after = world.find(make_id("a"));
        EXPECT_EQ(after.metadata, R"({ "n": 1.10 })");
        EXPECT_EQ(after.callback_url, new_url);
        EXPECT_EQ(after.revision, row_revision{2});
        EXPECT_EQ(after.facts, before.facts);
        EXPECT_EQ(world.history(make_id("a"))->changes.size(), 1U);
        world.reopen();
    }
    world.set_options(make_options("{}", std::nullopt, 2)).value();
    EXPECT_EQ(world.find(make_id("a")).callback_url, std::nullopt);
}

TEST_P(SettingOptions, AreComparedWithThoseOfALaterPost) {
    add();
    EXPECT_EQ(post(1), add_result::existing);
    world.set_options(make_options("{}", std::nullopt)).value();
    EXPECT_EQ(post(2), add_result::existing);
    EXPECT_EQ(post(1), add_result::conflict);
}

TEST_P(SettingOptions, HoldForTheEventsThatFollow) {
    add();
    transition reversal = make_settlement("a", 20, {"backend"}, "failed");
    const recorded_transition first = world.record(make_settlement("a", 10, {"backend"})).value();
    world.set_options(make_options(R"({"order":"B"})", new_url, 2)).value();
    const recorded_transition second = world.record(std::move(reversal)).value();
    EXPECT_THAT(*first.body, HasSubstr(R"("metadata":{"order":"A-17"})"));
    EXPECT_THAT(*second.body, HasSubstr(R"("metadata":{"order":"B"})"));
    const event_page events = world.events();
    ASSERT_EQ(events.events.size(), 2U);
    EXPECT_EQ(events.events[0].body, *first.body) << "what is recorded keeps its bytes";
    ASSERT_EQ(first.heads.size(), 2U);
    EXPECT_EQ(first.heads[1].lane, "https://old.example:443");
    const auto pending = world.load_delivery(value_of(first.heads[1].id));
    ASSERT_TRUE(pending.has_value());
    EXPECT_EQ(pending->url, old_url) << "and is owed to the URL that it was recorded for";
    const track::delivery_page owed = world.deliveries();
    const auto later = world.load_delivery(value_of(owed.deliveries.front().id));
    ASSERT_TRUE(later.has_value());
    EXPECT_EQ(later->url, new_url);
    EXPECT_EQ(later->lane, "https://new.example:8443");
}

TEST_P(SettingOptions, AreFoundByTheNewMetadataAlone) {
    add();
    EXPECT_EQ(found("A-17"), 1U);
    world.set_options(make_options(R"({"order":"B-1"})", std::nullopt)).value();
    for (int start = 0; start < 2; ++start) {
        EXPECT_EQ(found("A-17"), 0U);
        EXPECT_EQ(found("B-1"), 1U);
        world.reopen();
    }
}

TEST_P(SettingOptions, ForAnotherRevisionOrAnUnknownOneChangeNothing) {
    EXPECT_EQ(world.set_options(make_options("{}", std::nullopt)).error().code, store_error::not_found);
    add();
    EXPECT_EQ(world.set_options(make_options("{}", std::nullopt, 2)).error().code, store_error::stale);
    EXPECT_EQ(world.find(make_id("a")).metadata, R"({"order":"A-17"})");
    world.set_options(make_options("{}", std::nullopt)).value();
    const auto late = world.record_as_is(make_settlement("a", 10, {"backend"}));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, store_error::stale) << "it was judged for the row before";
}

TEST_P(SettingOptions, AreThereWholeAfterACrashOrNotAtAll) {
    add();
    const auto set = [](store& subject) {
        subject.set_options(make_options("{}", new_url), [](const op_result<row_revision>&) {});
    };
    world.crash(crash_point::before_commit, 1, set);
    EXPECT_EQ(world.find(make_id("a")).revision, row_revision{1});
    EXPECT_EQ(world.find(make_id("a")).callback_url, old_url);
    world.crash(crash_point::after_commit, 1, set);
    EXPECT_EQ(world.find(make_id("a")).revision, row_revision{2});
    EXPECT_EQ(world.find(make_id("a")).callback_url, new_url);
}

TEST_P(SettingOptions, NeedRoom) {
    add();
    world.set_full(true);
    EXPECT_EQ(world.set_options(make_options("{}", std::nullopt)).error().code, store_error::full);
    world.set_full(false);
    EXPECT_EQ(world.set_options(make_options("{}", std::nullopt)).value(), row_revision{2});
}

TEST_P(SettingOptions, ASearchForOpenOnesLeavesOutWhatHasEnded) {
    world.add({make_new("a"), make_new("b"), make_new("c"), make_new("d")}).value();
    world.record(make_settlement("a", 10, {})).value();
    world.record(make_change("b", track::tracking_state::abandoned, "pending", 10)).value();
    world.record(make_change("c", track::tracking_state::not_found, "", 10)).value();
    track::transaction_query query;
    query.only_open = true;
    const track::transaction_page open = world.list(query);
    ASSERT_EQ(open.transactions.size(), 2U);
    EXPECT_EQ(open.transactions[0].id.str(), "d");
    EXPECT_EQ(open.transactions[1].id.str(), "c");
    query.status = "completed";
    EXPECT_TRUE(world.list(query).transactions.empty());
    query.status = std::nullopt;
    query.state = track::tracking_state::tracking;
    EXPECT_EQ(world.list(query).transactions.size(), 1U);
}

} // namespace
} // namespace prooftrack::store
