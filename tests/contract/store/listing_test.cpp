// find, list and history.

#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "contract/store/store_under_test.hpp"

namespace prooftrack::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> ids_of(const track::transaction_page& page) {
    std::vector<std::string> ids;
    for (const track::transaction_view& each : page.transactions) ids.push_back(each.id.str());
    return ids;
}

class Listing : public store_contract {
  protected:
    void SetUp() override {
        world.add({make_new("a"), make_new("b"), make_new("c"), make_new("d"), make_new("e"), make_new("f")}).value();
        world.record(make_settlement("a", 100, {})).value();
        world.record(make_settlement("c", 300, {}, "failed")).value();
        world.record(make_settlement("d", 200, {})).value();
        world.record(make_change("e", track::tracking_state::overdue, "on_hold", 5)).value();
        world.record(make_change("f", track::tracking_state::tracking, "on_hold", 5)).value();
    }
    std::vector<std::string> list(
        std::optional<track::tracking_state> state, std::optional<std::string> status = {},
        std::optional<std::int64_t> after = {}, std::optional<std::int64_t> before = {}) {
        track::transaction_query query;
        query.state = state;
        query.status = std::move(status);
        if (after) query.settled_after = at_ms(*after);
        if (before) query.settled_before = at_ms(*before);
        return ids_of(world.list(query));
    }
    /// Every page of it, however short one is.
    std::vector<std::string> all_pages(track::transaction_query query) {
        std::vector<std::string> all;
        do {
            const track::transaction_page page = world.list(query);
            EXPECT_LE(page.transactions.size(), query.limit);
            for (const std::string& id : ids_of(page)) all.push_back(id);
            query.cursor = page.next_cursor;
        } while (!query.cursor.empty());
        return all;
    }
};
INSTANTIATE_TEST_SUITE_P(Store, Listing, every_store(), store_name);

TEST_P(Listing, IsNewestFirst) { EXPECT_THAT(list({}), ElementsAre("f", "e", "d", "c", "b", "a")); }

TEST_P(Listing, AListedOneIsAsFoundAlone) {
    for (const track::transaction_view& listed : world.list({}).transactions) {
        const track::transaction_view found = world.find(listed.id);
        EXPECT_EQ(listed.facts, found.facts);
        EXPECT_EQ(listed.metadata, found.metadata);
        EXPECT_EQ(listed.callback_url, found.callback_url);
        EXPECT_EQ(listed.proof, found.proof);
        EXPECT_EQ(listed.revision, found.revision);
    }
}

TEST_P(Listing, FiltersByStateAndStatus) {
    EXPECT_THAT(list(track::tracking_state::settled), ElementsAre("d", "c", "a"));
    EXPECT_THAT(list(track::tracking_state::settled, "completed"), ElementsAre("d", "a"));
    EXPECT_THAT(list({}, "failed"), ElementsAre("c"));
    EXPECT_THAT(list({}, "on_hold"), ElementsAre("f", "e"));
    EXPECT_THAT(list(track::tracking_state::overdue, "on_hold"), ElementsAre("e"));
    EXPECT_THAT(list({}, "On_Hold"), IsEmpty()) << "Proof's words, case included";
    EXPECT_THAT(list({}, "Completed"), IsEmpty());
    EXPECT_THAT(list(track::tracking_state::abandoned), IsEmpty());
}

TEST_P(Listing, FiltersByTheTimeOfSettlementWithoutItsEnds) {
    EXPECT_THAT(list({}, {}, 100), ElementsAre("d", "c"));
    EXPECT_THAT(list({}, {}, {}, 300), ElementsAre("d", "a"));
    EXPECT_THAT(list({}, {}, 100, 300), ElementsAre("d"));
    EXPECT_THAT(list(track::tracking_state::settled, "failed", 0), ElementsAre("c"));
    EXPECT_THAT(list(track::tracking_state::tracking, {}, 0), IsEmpty()) << "never settled";
}

TEST_P(Listing, PagesFollowTheCursorAndAreStableUnderAdds) {
    track::transaction_query query;
    query.limit = 4;
    track::transaction_page page = world.list(query);
    EXPECT_THAT(ids_of(page), ElementsAre("f", "e", "d", "c"));
    world.add({make_new("newer")}).value();
    world.reopen();
    query.cursor = page.next_cursor;
    page = world.list(query);
    EXPECT_THAT(ids_of(page), ElementsAre("b", "a"));
    EXPECT_EQ(page.next_cursor, "");
}

TEST_P(Listing, PagesOfAFilterGiveEachMatchOnce) {
    for (std::size_t limit = 1; limit <= 6; ++limit) {
        track::transaction_query query;
        query.limit = limit;
        EXPECT_THAT(all_pages(query), ElementsAre("f", "e", "d", "c", "b", "a"));
        query.state = track::tracking_state::settled;
        EXPECT_THAT(all_pages(query), ElementsAre("d", "c", "a"));
        query.settled_after = at_ms(100);
        EXPECT_THAT(all_pages(query), ElementsAre("d", "c"));
    }
}

TEST_P(Listing, APageThatJustFitsHasNoNext) {
    track::transaction_query query;
    query.limit = 6;
    EXPECT_EQ(world.list(query).next_cursor, "");
}

TEST_P(Listing, ACursorThatThisListNeverGaveOutIsRefused) {
    world.record(make_settlement("a", 400, {"x", "y", "z"})).value();
    track::delivery_query one_delivery;
    one_delivery.limit = 1;
    track::transaction_query one_transaction;
    one_transaction.limit = 1;
    const std::string of_deliveries = world.deliveries(one_delivery).next_cursor;
    const std::string of_transactions = world.list(one_transaction).next_cursor;
    ASSERT_NE(of_deliveries, "");
    ASSERT_NE(of_transactions, "");
    for (const std::string& cursor :
         {of_deliveries, std::string("x"), of_transactions + "x", std::string("-1"),
          of_transactions + "99999999999999999999", std::string(" ")}) {
        one_transaction.cursor = cursor;
        const auto refused = world.ask<track::transaction_page>(
            [&](store& subject, auto handler) { subject.list(one_transaction, std::move(handler)); });
        ASSERT_FALSE(refused.has_value()) << cursor;
        EXPECT_EQ(refused.error().code, boost::system::errc::invalid_argument) << cursor;
    }
    one_delivery.cursor = of_transactions;
    const auto refused = world.ask<track::delivery_page>(
        [&](store& subject, auto handler) { subject.deliveries(one_delivery, std::move(handler)); });
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, boost::system::errc::invalid_argument);
}

TEST_P(Listing, APageOfBigBodiesEndsEarly) {
    std::vector<track::new_transaction> many;
    for (int i = 0; i < 200; ++i) many.push_back(make_new("tx-" + std::to_string(i)));
    world.add(many).value();
    for (int i = 0; i < 200; ++i) {
        transition change = make_settlement("tx-" + std::to_string(i), 1, {});
        change.reply = "{\"pad\":\"" + std::string(65'000, 'x') + "\"}";
        world.subject().record(change, [](const op_result<recorded_transition>&) {});
    }
    world.run();
    track::transaction_query query;
    query.limit = 1000;
    std::set<std::string> seen;
    do {
        const track::transaction_page page = world.list(query);
        EXPECT_LE(page.transactions.size(), 130U) << "8 MiB";
        for (const std::string& id : ids_of(page)) EXPECT_TRUE(seen.insert(id).second);
        query.cursor = page.next_cursor;
    } while (!query.cursor.empty());
    EXPECT_EQ(seen.size(), 206U);
    const event_page events = world.events(0, 1000);
    EXPECT_LE(events.events.size(), 133U);
    EXPECT_GE(events.events.size(), 4U) << "it goes on";
}

TEST_P(Listing, AnUnknownIdIsNothing) {
    EXPECT_FALSE(world.knows(make_id("nobody")));
    EXPECT_FALSE(world.history(make_id("nobody")).has_value());
}

TEST_P(Listing, AHistoryHoldsTheLatestThousandChangesOldestFirst) {
    transition change = make_change("b", track::tracking_state::overdue, "pending", 0);
    for (int i = 1; i <= 1010; ++i) {
        change.at = at_ms(i);
        change.revision = row_revision{static_cast<std::uint32_t>(i)};
        world.subject().record(
            change, [](const op_result<recorded_transition>& done) { EXPECT_TRUE(done.has_value()); });
    }
    world.run();
    const auto history = world.history(make_id("b")).value();
    ASSERT_EQ(history.changes.size(), 1000U);
    EXPECT_EQ(history.changes.front().at, at_ms(11));
    EXPECT_EQ(history.changes.back().at, at_ms(1010));
}

TEST_P(Listing, AHistoryHoldsItsOwnDeliveriesOldestFirst) {
    world.record(make_settlement("a", 500, {"x", "y"})).value(); // 1 and 2
    world.record(make_settlement("c", 501, {"x"})).value();
    world.record(make_settlement("a", 502, {"x"})).value(); // 4
    std::vector<std::uint64_t> ids;
    const track::transaction_history history = world.history(make_id("a")).value();
    for (const track::delivery_view& each : history.deliveries) {
        ids.push_back(value_of(each.id));
        EXPECT_EQ(each, world.load_delivery(value_of(each.id))->view);
    }
    EXPECT_THAT(ids, ElementsAre(1U, 2U, 4U));
}

} // namespace
} // namespace prooftrack::store
