// load_active and save_facts: what the tracker begins with, and what it leaves at a clean stop.

#include <gmock/gmock.h>

#include "contract/store/store_under_test.hpp"

namespace prooftrack::store {
namespace {

using testing::ElementsAre;

using Loading = store_contract;
INSTANTIATE_TEST_SUITE_P(Store, Loading, every_store(), store_name);

TEST_P(Loading, AnEmptyStoreGivesNoChunk) {
    std::vector<std::size_t> sizes;
    EXPECT_TRUE(world.load_active(&sizes).empty());
    EXPECT_TRUE(sizes.empty());
}

TEST_P(Loading, GivesWhatIsWatchedWhateverItsState) {
    world.add({make_new("fresh"), make_new("overdue"), make_new("settled"), make_new("verified"), make_new("gone")})
        .value();
    world.record(make_change("overdue", track::tracking_state::overdue, "pending", 1)).value();
    world.record(make_settlement("settled", 2, {})).value();
    transition verified = make_settlement("verified", 3, {});
    verified.facts.watched = true; // it will be asked for again
    world.record(verified).value();
    world.record(make_change("gone", track::tracking_state::untracked, "", 4)).value();
    world.reopen();
    std::vector<std::string> ids;
    for (const track::active_transaction& each : world.load_active()) {
        ids.push_back(each.id.str());
        EXPECT_EQ(each.facts, world.find(each.id).facts);
        EXPECT_EQ(each.revision, world.find(each.id).revision);
    }
    EXPECT_THAT(ids, ElementsAre("fresh", "overdue", "verified"));
}

TEST_P(Loading, ComesInChunksTheLongestUnseenFirstAndTheUnseenBeforeThem) {
    constexpr int number = 12'000;
    std::vector<track::new_transaction> many;
    std::vector<track::active_transaction> seen;
    for (int i = 0; i < number; ++i) {
        const std::string id = "tx-" + std::to_string(i);
        many.push_back(make_new(id, i));
        if (i < number - 1000) {
            const transition change = make_change(id, track::tracking_state::tracking, "pending", 100'000 - i);
            seen.push_back({change.id, change.facts, change.revision});
        }
        if (many.size() == 1000) world.add(std::exchange(many, {})).value();
    }
    world.save_facts(seen);
    std::vector<std::size_t> sizes;
    const std::vector<track::active_transaction> all = world.load_active(&sizes);
    EXPECT_THAT(sizes, ElementsAre(10'000U, 2'000U));
    ASSERT_EQ(all.size(), 12'000U);
    for (std::size_t i = 0; i < 1000; ++i) ASSERT_FALSE(all[i].facts.last_polled_at.has_value());
    for (std::size_t i = 1001; i < all.size(); ++i)
        ASSERT_LT(*all[i - 1].facts.last_polled_at, *all[i].facts.last_polled_at);
    EXPECT_EQ(all.back().id, seen[0].id);
    EXPECT_EQ(all.back().facts, seen[0].facts);
}

TEST_P(Loading, FactsAreSavedWithoutHistory) {
    std::vector<track::new_transaction> many;
    std::vector<track::active_transaction> rows;
    for (int i = 0; i < 2500; ++i) {
        many.push_back(make_new("tx-" + std::to_string(i)));
        const transition change =
            make_change("tx-" + std::to_string(i), track::tracking_state::tracking, "pending", 1000 + i);
        rows.push_back({change.id, change.facts, change.revision});
    }
    world.add(many).value();
    world.save_facts(rows);
    world.reopen();
    for (const std::size_t i : {0U, 999U, 1000U, 2499U}) {
        const track::transaction_view view = world.find(rows[i].id);
        EXPECT_EQ(view.facts, rows[i].facts);
        EXPECT_EQ(view.revision, row_revision{2});
        EXPECT_EQ(world.history(view.id)->changes.size(), 1U);
    }
    EXPECT_EQ(world.status().transactions.at({track::tracking_state::tracking, track::status_kind::pending}), 2500U);
}

TEST_P(Loading, ARowWithAnotherRevisionIsNotSavedAndNeitherIsOneThatIsGone) {
    world.add({make_new("a"), make_new("b")}).value();
    std::vector<track::active_transaction> rows = world.load_active();
    world.record(make_settlement("a", 3, {})).value();
    for (track::active_transaction& each : rows) each.facts.polls = 99;
    rows.push_back({make_id("nobody"), rows[0].facts, row_revision{1}});
    world.save_facts(rows);
    EXPECT_EQ(world.find(make_id("a")).facts.state, track::tracking_state::settled);
    EXPECT_EQ(world.find(make_id("a")).facts.polls, 3U);
    EXPECT_EQ(world.find(make_id("b")).facts.polls, 99U);
    EXPECT_FALSE(world.knows(make_id("nobody")));
}

TEST_P(Loading, NobodyComesBetweenTheRowsOfALongSave) {
    std::vector<track::new_transaction> many;
    std::vector<track::active_transaction> rows;
    for (int i = 0; i < 3000; ++i) {
        many.push_back(make_new("tx-" + std::to_string(i)));
        rows.push_back(
            {make_id("tx-" + std::to_string(i)), make_change("x", track::tracking_state::tracking, "pending", 1).facts,
             row_revision{1}});
    }
    world.add(many).value();
    transition settlement = make_settlement("tx-2999", 50, {});
    world.subject().save_facts(rows, [](const op_result<std::monostate>&) {});
    EXPECT_EQ(world.record_as_is(settlement).error().code, store_error::stale) << "it was called behind the save";
    settlement.revision = row_revision{2};
    world.record_as_is(settlement).value();
    EXPECT_EQ(world.find(make_id("tx-2999")).facts.state, track::tracking_state::settled);
}

} // namespace
} // namespace prooftrack::store
