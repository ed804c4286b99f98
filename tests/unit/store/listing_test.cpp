// The work of a page is bounded.

#include <stdexcept>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/paging.hpp"
#include "support/store_world.hpp"

namespace prooftrack::store {
namespace {

using testing::ElementsAre;

TEST(LongListing, ARareMatchGivesShortPagesAndAnEnd) {
    store_world world;
    for (int i = 0; i < 12; ++i) {
        std::vector<track::new_transaction> many;
        for (int j = 0; j < 1000; ++j) many.push_back(make_new(fmt::format("tx-{}-{}", i, j)));
        world.add(many).value();
    }
    world.record(make_settlement("tx-0-0", 10, {"rare", "often"})).value();
    for (int j = 0; j < 6000; ++j)
        world.subject().record(
            make_settlement(fmt::format("tx-{}-{}", 1 + j / 1000, j % 1000), 10, {"often"}), [](auto) {});
    world.run();
    track::delivery_query query;
    query.callback = "rare";
    int pages = 0;
    std::vector<track::delivery_view> found;
    do {
        track::delivery_page page = world.deliveries(query);
        for (track::delivery_view& each : page.deliveries) found.push_back(std::move(each));
        query.cursor = page.next_cursor;
        ++pages;
    } while (!query.cursor.empty());
    EXPECT_EQ(found.size(), 1U);
    EXPECT_GT(pages, 1); // no page looks at more rows than it may
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

TEST(KeyMerge, GoesDownAlone) {
    key_merge merge;
    merge.next(5);
    merge.next(5);
    EXPECT_THROW(merge.next(6), std::logic_error);
}

} // namespace
} // namespace prooftrack::store
