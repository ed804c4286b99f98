#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/store_world.hpp"

namespace prooftrack::store {
namespace {

TEST(PruningMuch, NeverBlocksACommitForLong) {
    store_world world;
    for (int i = 0; i < 8; ++i) {
        std::vector<track::new_transaction> many;
        for (int j = 0; j < 1000; ++j) {
            const auto mixed = static_cast<std::uint32_t>(i * 1000 + j) * 2654435761U;
            many.push_back(make_new(fmt::format("{:08x}-0000-4000-8000-{:012x}", mixed, j)));
        }
        const auto ids = many;
        world.add(many).value();
        for (const track::new_transaction& each : ids)
            world.subject().record(make_settlement(each.id.str(), i, {}), [](auto) {});
        world.run();
    }
    world.facts().longest_commit = {};
    prune_result result;
    std::uint64_t gone = 0;
    int calls = 0;
    do {
        result = world.prune({at_ms(100), at_ms(-1), 500});
        gone += result.transactions;
        ASSERT_LT(++calls, 2000);
    } while (result.more);
    EXPECT_EQ(gone, 8000U);
    EXPECT_EQ(world.status().first_seq, event_seq{8001});
    RecordProperty(
        "longest_ms", static_cast<int>(std::chrono::duration_cast<milliseconds>(world.facts().longest_commit).count()));
}

} // namespace
} // namespace prooftrack::store
