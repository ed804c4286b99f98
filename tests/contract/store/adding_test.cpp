// add: new ids, known ones, and ids that are tracked anew.

#include <gmock/gmock.h>

#include "contract/store/store_under_test.hpp"

namespace prooftrack::store {
namespace {

using testing::ElementsAre;

constexpr const char* uuid = "550e8400-e29b-41d4-a716-446655440000";

std::vector<add_result> results_of(const op_result<std::vector<add_outcome>>& outcomes) {
    std::vector<add_result> results;
    for (const add_outcome& each : outcomes.value()) results.push_back(each.what);
    return results;
}

using Adding = store_contract;
INSTANTIATE_TEST_SUITE_P(Store, Adding, every_store(), store_name);

TEST_P(Adding, ANewIdIsCreatedWithItsDeadlineAndItsBeginningInTheHistory) {
    track::new_transaction wanted = make_new(uuid, 5);
    wanted.metadata = "{\"order\": \"A-17\", \"n\": 1.10,\n\"name\": \"J\xC3\xB6rg\"}";
    wanted.callback_url = "https://shop.example/x?y=1";
    wanted.callback_lane = "https://shop.example:443";
    const add_outcome added = world.add({wanted}).value().at(0);
    EXPECT_EQ(added.what, add_result::created);
    EXPECT_EQ(added.revision, row_revision{1});
    track::tracking_facts fresh;
    fresh.tracked_at = at_ms(5);
    fresh.overdue_at = at_ms(86'400'005);
    EXPECT_EQ(added.facts, fresh);
    const track::transaction_view view = world.find(make_id(uuid));
    EXPECT_EQ(view.id.str(), uuid);
    EXPECT_EQ(view.facts, fresh);
    EXPECT_EQ(view.metadata, wanted.metadata) << "the bytes as they came";
    EXPECT_EQ(view.callback_url, wanted.callback_url);
    EXPECT_EQ(view.proof, "");
    const auto history = world.history(make_id(uuid));
    ASSERT_EQ(history->changes.size(), 1U);
    EXPECT_EQ(history->changes[0].from_state, std::nullopt);
    EXPECT_EQ(history->changes[0].to_state, track::tracking_state::tracking);
    EXPECT_EQ(history->changes[0].at, at_ms(5));
    EXPECT_EQ(history->changes[0].reply_sha256, "");
    EXPECT_TRUE(world.events().events.empty());
}

/// Nothing that those before have still to write is taken for what became of the id.
TEST_P(Adding, CallsOfOneIdThatShareACommitAreAnsweredAsIfOneCameAfterTheOther) {
    std::vector<track::new_transaction> known;
    for (int i = 0; i < 9; ++i) known.push_back(make_new("t" + std::to_string(i)));
    world.add(std::move(known)).value();
    world.add({make_new("a")}).value();
    std::vector<add_result> results;
    const auto add = [&](const char* id) {
        world.subject().add(
            {make_new(id)}, std::nullopt, [&results](const op_result<std::vector<add_outcome>>& outcomes) {
                results.push_back(outcomes.value().at(0).what);
            });
    };
    for (const char* const id : {"b", "c", "c", "a"}) add(id);
    for (int i = 0; i < 9; ++i) {
        transition change = make_settlement("t" + std::to_string(i), i, {"backend"});
        change.revision = row_revision{1};
        world.subject().record(std::move(change), [](const auto& /*outcome*/) {});
    }
    for (const char* const id : {"d", "d"}) add(id);
    world.run();
    constexpr auto created = add_result::created;
    constexpr auto existing = add_result::existing;
    EXPECT_THAT(results, ElementsAre(created, created, existing, existing, created, existing));
    EXPECT_EQ(world.status().transactions.at({track::tracking_state::tracking, track::status_kind::none}), 4U);
    EXPECT_EQ(world.history(make_id("c"))->changes.size(), 1U);
}

TEST_P(Adding, TheSameOptionsAreExistingOthersAreAConflictThatChangesNothing) {
    const track::new_transaction first = make_new("a");
    track::new_transaction other = make_new("a", 9);
    other.options_digest = make_digest(1);
    other.metadata = R"({"other":true})";
    EXPECT_THAT(
        results_of(world.add({first, first, other})),
        ElementsAre(add_result::created, add_result::existing, add_result::conflict));
    const track::transaction_view kept = world.find(make_id("a"));
    EXPECT_EQ(kept.facts.tracked_at, at_ms(0));
    EXPECT_EQ(kept.metadata, "{}");
    EXPECT_EQ(kept.revision, row_revision{1});
    EXPECT_EQ(world.history(make_id("a"))->changes.size(), 1U);
}

TEST_P(Adding, AKnownIdIsAnsweredWithItsFactsAndRevision) {
    world.add({make_new("a")}).value();
    const transition change = make_change("a", track::tracking_state::overdue, "processing", 100);
    const row_revision revision = world.record(change).value().revision;
    track::new_transaction other = make_new("a", 9);
    for (const bool is_same : {true, false}) {
        other.options_digest = make_digest(is_same ? 0 : 1);
        const add_outcome known = world.add({other}).value().at(0);
        EXPECT_EQ(known.what, is_same ? add_result::existing : add_result::conflict);
        EXPECT_EQ(known.facts, change.facts);
        EXPECT_EQ(known.revision, revision);
    }
}

TEST_P(Adding, ASettledIdIsExistingWhateverTheOptions) {
    world.add({make_new("a")}).value();
    world.record(make_settlement("a", 100, {})).value();
    track::new_transaction other = make_new("a", 200);
    other.options_digest = make_digest(1);
    const auto outcomes = world.add({other});
    EXPECT_THAT(results_of(outcomes), ElementsAre(add_result::existing));
    EXPECT_EQ(outcomes.value()[0].facts.status, "completed");
}

TEST_P(Adding, AnUntrackedOrAbandonedIdIsTrackedAnewAndKeepsItsHistoryAndDeliveries) {
    for (const track::tracking_state end : {track::tracking_state::untracked, track::tracking_state::abandoned}) {
        const std::string id = end == track::tracking_state::untracked ? "untracked" : "abandoned";
        world.add({make_new(id)}).value();
        transition change = make_settlement(id, 100, {"backend"});
        change.facts = make_change(id, end, "processing", 100).facts;
        world.record(change).value();
        track::new_transaction again = make_new(id, 500);
        again.options_digest = make_digest(7);
        again.metadata = R"({"second":true})";
        again.callback_url = "http://other.example/";
        again.callback_lane = "http://other.example:80";
        const add_outcome renewed = world.add({again}).value().at(0);
        EXPECT_EQ(renewed.what, add_result::created);
        EXPECT_EQ(renewed.revision, row_revision{3}) << "a change that was judged before is refused";
        const track::transaction_view view = world.find(make_id(id));
        track::tracking_facts fresh;
        fresh.tracked_at = at_ms(500);
        fresh.overdue_at = at_ms(86'400'500);
        EXPECT_EQ(view.facts, fresh);
        EXPECT_EQ(renewed.facts, fresh);
        EXPECT_EQ(view.metadata, again.metadata);
        EXPECT_EQ(view.callback_url, again.callback_url);
        EXPECT_EQ(view.proof, "");
        const auto history = world.history(make_id(id));
        ASSERT_EQ(history->changes.size(), 3U);
        EXPECT_EQ(history->changes[2].from_state, std::nullopt);
        EXPECT_EQ(history->deliveries.size(), 1U);
        EXPECT_THAT(results_of(world.add({again})), ElementsAre(add_result::existing));
    }
}

TEST_P(Adding, OneThatIsTrackedAnewKeepsItsPlaceInTheList) {
    world.add({make_new("a"), make_new("b")}).value();
    world.record(make_change("a", track::tracking_state::untracked, "", 1)).value();
    world.add({make_new("a", 5)}).value();
    EXPECT_EQ(world.list({}).transactions.at(0).id.str(), "b");
}

TEST_P(Adding, IdsAreComparedByteByByte) {
    const std::vector<std::string> ids{uuid, "550E8400-E29B-41D4-A716-446655440000", "03b22d25d523a5285", "a", "A"};
    std::vector<track::new_transaction> all;
    for (const std::string& id : ids) all.push_back(make_new(id));
    EXPECT_THAT(results_of(world.add(all)), testing::Each(add_result::created));
    world.reopen();
    for (const std::string& id : ids) EXPECT_EQ(world.find(make_id(id)).id.str(), id);
    EXPECT_EQ(world.list({}).transactions.size(), ids.size());
    EXPECT_FALSE(world.knows(make_id("550e8400e29b41d4a716446655440000")));
}

TEST_P(Adding, AThousandInACallAreAnsweredInOrderAndAreThereAfterARestart) {
    std::vector<track::new_transaction> many;
    for (int i = 0; i < 1000; ++i) many.push_back(make_new("tx-" + std::to_string(i), i));
    const auto outcomes = world.add(many).value();
    ASSERT_EQ(outcomes.size(), 1000U);
    for (std::size_t i = 0; i < 1000; ++i) EXPECT_EQ(outcomes[i].facts.tracked_at, many[i].now);
    world.reopen();
    for (int i = 0; i < 1000; i += 111) EXPECT_TRUE(world.knows(make_id("tx-" + std::to_string(i))));
    EXPECT_EQ(world.status().transactions.at({track::tracking_state::tracking, track::status_kind::none}), 1000U);
}

TEST_P(Adding, NoneIsNoOutcome) { EXPECT_TRUE(world.add({}).value().empty()); }

} // namespace
} // namespace prooftrack::store
