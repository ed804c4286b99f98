#include <gtest/gtest.h>

#include "support/store_world.hpp"

namespace prooftrack::store {
namespace {

TEST(Loading, AStoreThatIsDroppedWhileItLoadsDoesNotWait) {
    store_world world;
    std::vector<track::new_transaction> many;
    for (int i = 0; i < 80'000; ++i) {
        many.push_back(make_new("tx-" + std::to_string(i), i));
        if (many.size() == 1000) world.add(std::exchange(many, {})).value();
    }
    world.subject().load_active([](std::vector<track::active_transaction>) {}, [](op_result<std::uint64_t>) {});
    world.drop(); // more chunks than may wait in the loop, which does not run meanwhile
}

} // namespace
} // namespace prooftrack::store
