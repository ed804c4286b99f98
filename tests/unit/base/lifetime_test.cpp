#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "base/lifetime.hpp"
#include "base/unique_function.hpp"

namespace prooftrack {
namespace {

TEST(Lifetime, AGuardedCallRunsWhileTheOwnerLivesAndNotAfterwards) {
    auto owner = std::make_unique<lifetime>();
    std::string heard;
    unique_function<void(std::string)> call =
        owner->guarded([&heard, held = std::make_unique<int>(1)](const std::string& what) { heard += what; });
    const lifetime::watch seen = owner->observe();
    call("a");
    EXPECT_TRUE(seen);
    owner.reset();
    call("b");
    EXPECT_FALSE(seen);
    EXPECT_EQ(heard, "a");
}

TEST(Lifetime, MayEndBeforeItsOwnerDoes) {
    lifetime owner;
    int calls = 0;
    auto call = owner.guarded([&calls] { ++calls; });
    owner.end();
    call();
    EXPECT_EQ(calls, 0);
}

TEST(Lifetime, AnOwnerMayGoInTheMiddleOfItsOwnCall) {
    auto owner = std::make_unique<lifetime>();
    auto call = owner->guarded([&owner, kept = std::string(100, 'k')]() mutable {
        owner.reset();
        kept += 'x';
        EXPECT_EQ(kept.size(), 101U);
    });
    call();
    call();
}

} // namespace
} // namespace prooftrack
