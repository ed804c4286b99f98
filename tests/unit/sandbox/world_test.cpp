#include "sandbox/world.hpp"

#include <gtest/gtest.h>

namespace prooftrack::sandbox {
namespace {

instant at(milliseconds since_start) {
    return {steady_time(std::chrono::hours(1)) + since_start, wall_time(std::chrono::hours(1)) + since_start};
}

std::string status_at(sandbox_world& world, milliseconds when) {
    const auto* found = world.find("a", at(when));
    return found == nullptr ? "404" : found->status;
}

TEST(SandboxWorld, UnknownIdsAreAbsentUnlessAnyIsAccepted) {
    sandbox_world strict(api_generation::first, false);
    EXPECT_EQ(strict.find("a", at(milliseconds(0))), nullptr);
    sandbox_world lenient(api_generation::first, true);
    ASSERT_NE(lenient.find("a", at(milliseconds(0))), nullptr);
    EXPECT_EQ(lenient.find("a", at(milliseconds(0)))->status, "pending");
    EXPECT_EQ(lenient.size(), 1U);
}

TEST(SandboxWorld, StepsOfAScriptComeAtTheirTimes) {
    sandbox_world world(api_generation::first, false);
    ASSERT_TRUE(world.change("a", {{}, {{seconds(2), "processing"}, {seconds(4), "completed"}}, {}}, at(seconds(1))));
    EXPECT_EQ(status_at(world, milliseconds(2999)), "pending");
    EXPECT_EQ(status_at(world, milliseconds(3000)), "processing");
    EXPECT_EQ(world.find("a", at(seconds(4)))->updated_at, at(seconds(3)).wall);
    EXPECT_EQ(status_at(world, milliseconds(4999)), "processing");
    EXPECT_EQ(status_at(world, milliseconds(5000)), "completed");
}

TEST(SandboxWorld, StepsThatNobodySawAreNotLost) {
    sandbox_world world(api_generation::first, false);
    ASSERT_TRUE(world.change("a", {{}, {{seconds(1), "processing"}, {seconds(2), "failed"}}, {}}, at(seconds(0))));
    EXPECT_EQ(status_at(world, seconds(60)), "failed");
    EXPECT_EQ(world.find("a", at(seconds(60)))->updated_at, at(seconds(2)).wall);
}

TEST(SandboxWorld, ANewStatusEndsTheScriptBefore) {
    sandbox_world world(api_generation::first, false);
    ASSERT_TRUE(world.change("a", {{}, {{seconds(2), "completed"}}, {}}, at(seconds(0))));
    ASSERT_TRUE(world.change("a", {"cancelled", {}, {}}, at(seconds(1))));
    EXPECT_EQ(status_at(world, seconds(9)), "cancelled");
}

TEST(SandboxWorld, GenerationsShowTheirFields) {
    sandbox_world first(api_generation::first, true);
    const auto old_body = format_transaction("a", *first.find("a", at(seconds(0))));
    EXPECT_EQ(old_body.find("partner_user_id"), std::string::npos);
    EXPECT_EQ(old_body.find("network"), std::string::npos);
    EXPECT_NE(old_body.find(R"("crypto_amount":"")"), std::string::npos);
    sandbox_world current(api_generation::current, true);
    const auto new_body = format_transaction("a", *current.find("a", at(seconds(0))));
    EXPECT_NE(new_body.find("partner_user_id"), std::string::npos);
    EXPECT_NE(new_body.find(R"("network":"TRC20")"), std::string::npos);
}

TEST(SandboxWorld, AGivenBodyIsSentByteForByte) {
    sandbox_world world(api_generation::first, false);
    ASSERT_TRUE(world.change("a", {{}, {}, "{ \"status\" :\t\"pending\" }"}, at(seconds(0))));
    EXPECT_EQ(format_transaction("a", *world.find("a", at(seconds(0)))), "{ \"status\" :\t\"pending\" }");
}

} // namespace
} // namespace prooftrack::sandbox
