#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/paging.hpp"
#include "support/store_world.hpp"

namespace prooftrack {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> ids_of(const transaction_page& page) {
    std::vector<std::string> ids;
    for (const transaction_view& each : page.transactions) ids.push_back(each.id.str());
    return ids;
}

struct Listing : testing::Test {
    Listing() {
        world.add({make_new("a"), make_new("b"), make_new("c"), make_new("d"), make_new("e"), make_new("f")}).value();
        world.record(make_settlement("a", 100, {})).value();
        world.record(make_settlement("c", 300, {}, "failed")).value();
        world.record(make_settlement("d", 200, {})).value();
        world.record(make_change("e", tracking_state::overdue, "on_hold", 5)).value();
        world.record(make_change("f", tracking_state::tracking, "on_hold", 5)).value();
    }
    std::vector<std::string> list(std::optional<tracking_state> state, std::optional<std::string> status = {},
                                  std::optional<std::int64_t> after = {}, std::optional<std::int64_t> before = {}) {
        transaction_query query;
        query.state = state;
        query.status = std::move(status);
        if (after) query.settled_after = at_ms(*after);
        if (before) query.settled_before = at_ms(*before);
        return ids_of(world.list(query));
    }
    store_world world;
};

TEST_F(Listing, IsNewestFirst) { EXPECT_THAT(list({}), ElementsAre("f", "e", "d", "c", "b", "a")); }

TEST_F(Listing, FiltersByStateAndStatus) {
    EXPECT_THAT(list(tracking_state::settled), ElementsAre("d", "c", "a"));
    EXPECT_THAT(list(tracking_state::settled, "completed"), ElementsAre("d", "a"));
    EXPECT_THAT(list({}, "failed"), ElementsAre("c"));
    EXPECT_THAT(list({}, "on_hold"), ElementsAre("f", "e"));
    EXPECT_THAT(list(tracking_state::overdue, "on_hold"), ElementsAre("e"));
    EXPECT_THAT(list({}, "On_Hold"), IsEmpty());
    EXPECT_THAT(list(tracking_state::abandoned), IsEmpty());
}

TEST_F(Listing, FiltersByTheTimeOfSettlement) {
    EXPECT_THAT(list({}, {}, 100), ElementsAre("d", "c")); // after, not at
    EXPECT_THAT(list({}, {}, {}, 300), ElementsAre("d", "a"));
    EXPECT_THAT(list({}, {}, 100, 300), ElementsAre("d"));
    EXPECT_THAT(list(tracking_state::settled, "failed", 0), ElementsAre("c"));
}

TEST_F(Listing, PagesFollowTheCursorAndAreStableUnderAdds) {
    transaction_query query;
    query.limit = 4;
    transaction_page page = world.list(query);
    EXPECT_THAT(ids_of(page), ElementsAre("f", "e", "d", "c"));
    world.add({make_new("newer")}).value();
    query.cursor = page.next_cursor;
    page = world.list(query);
    EXPECT_THAT(ids_of(page), ElementsAre("b", "a"));
    EXPECT_EQ(page.next_cursor, "");
}

TEST_F(Listing, APageThatJustFitsHasNoNext) {
    transaction_query query;
    query.limit = 6;
    EXPECT_EQ(world.list(query).next_cursor, "");
}

TEST_F(Listing, ACursorThatThisListNeverGaveOutIsRefused) {
    for (const char* const cursor : {"x", "t", "12", "d12", "t-1", "t12x", "t99999999999999999999"}) {
        transaction_query query;
        query.cursor = cursor;
        const auto refused =
            world.ask<transaction_page>([&](store& door, auto handler) { door.list(query, std::move(handler)); });
        ASSERT_FALSE(refused.has_value());
        EXPECT_EQ(refused.error().code, boost::system::errc::invalid_argument) << cursor;
    }
}

TEST(LongListing, ARareMatchGivesShortPagesAndAnEnd) {
    store_world world;
    for (int i = 0; i < 12; ++i) {
        std::vector<new_transaction> many;
        for (int j = 0; j < 1000; ++j) many.push_back(make_new(fmt::format("tx-{}-{}", i, j)));
        world.add(many).value();
    }
    world.record(make_settlement("tx-0-0", 10, {"rare", "often"})).value();
    for (int j = 0; j < 6000; ++j)
        world.door().record(make_settlement(fmt::format("tx-{}-{}", 1 + j / 1000, j % 1000), 10, {"often"}),
                            [](auto) {});
    world.run();
    delivery_query query;
    query.callback = "rare";
    int pages = 0;
    std::vector<delivery_view> found;
    do {
        delivery_page page = world.deliveries(query);
        for (delivery_view& each : page.deliveries) found.push_back(std::move(each));
        query.cursor = page.next_cursor;
        ++pages;
    } while (!query.cursor.empty());
    EXPECT_EQ(found.size(), 1U);
    EXPECT_GT(pages, 1); // no page looks at more rows than it may
}

TEST(LongListing, APageOfBigBodiesEndsEarly) {
    store_world world;
    std::vector<new_transaction> many;
    for (int i = 0; i < 200; ++i) many.push_back(make_new("tx-" + std::to_string(i)));
    world.add(many).value();
    for (int i = 0; i < 200; ++i) {
        transition change = make_settlement("tx-" + std::to_string(i), 1, {});
        change.reply = "{\"pad\":\"" + std::string(65'000, 'x') + "\"}";
        world.record(change).value();
    }
    transaction_query query;
    query.limit = 1000;
    std::set<std::string> seen;
    int pages = 0;
    do {
        const transaction_page page = world.list(query);
        EXPECT_LE(page.transactions.size(), 130U);
        for (const transaction_view& each : page.transactions) EXPECT_TRUE(seen.insert(each.id.str()).second);
        query.cursor = page.next_cursor;
        ++pages;
    } while (!query.cursor.empty());
    EXPECT_EQ(seen.size(), 200U);
    EXPECT_EQ(pages, 2);
    EXPECT_LE(world.events(0, 1000).events.size(), 130U);
}

TEST(KeyMerge, GivesKeysOfAllSourcesOnce) {
    const auto source = [](std::vector<std::int64_t> keys) {
        return [keys](std::int64_t below) -> std::optional<std::int64_t> {
            for (const std::int64_t each : keys) {
                if (each < below) return each;
            }
            return std::nullopt;
        };
    };
    key_merge merge;
    merge.add(source({9, 5, 1}));
    merge.add(source({8, 2}));
    merge.add(source({}));
    std::vector<std::int64_t> all;
    std::int64_t below = 100;
    while (const auto key = merge.next(below)) {
        all.push_back(*key);
        below = *key;
    }
    EXPECT_THAT(all, ElementsAre(9, 8, 5, 2, 1));
}

TEST(History, OfAnUnknownIdIsNothing) {
    store_world world;
    EXPECT_FALSE(world.history(make_id("a")).has_value());
}

} // namespace
} // namespace prooftrack
