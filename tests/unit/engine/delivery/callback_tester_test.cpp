#include "engine/delivery/callback_tester.hpp"

#include <optional>
#include <stdexcept>

#include <gtest/gtest.h>

#include "support/delivery_parts.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;

struct tester_bench : delivery_parts {
    callback_tester tester{context};
    std::optional<callback::delivery_outcome> outcome;

    void test() {
        tester.test("backend", now(), [this](callback::delivery_outcome got) { outcome = std::move(got); });
    }
};

TEST(CallbackTester, HandsBackWhatTheReceiverSaid) {
    tester_bench bench;
    bench.test();
    EXPECT_FALSE(bench.outcome.has_value());
    bench.run(5ms);
    ASSERT_TRUE(bench.outcome.has_value());
    EXPECT_EQ(bench.outcome->status, 200);
    const callback::delivery_job& job = bench.sender.attempts().at(0).job;
    EXPECT_EQ(job.id, delivery_id{0}) << "of no delivery";
    EXPECT_EQ(job.transaction, "callback-test");
    EXPECT_TRUE(job.wants_reply);
    EXPECT_EQ(bench.memory.waiting(), 0U) << "recorded nowhere";
}

TEST(CallbackTester, OneThatEndsMakesRoomForAnother) {
    tester_bench bench;
    for (std::size_t i = 0; i < most_callback_tests; ++i) bench.test();
    bench.test();
    ASSERT_TRUE(bench.outcome.has_value());
    EXPECT_EQ(bench.outcome->error, "too many tests are under way");
    EXPECT_EQ(bench.sender.open(), most_callback_tests);
    bench.run(5ms);
    bench.test();
    EXPECT_EQ(bench.sender.open(), 1U);
}

TEST(CallbackTester, AStoppingDaemonSendsNone) {
    tester_bench bench;
    bench.context.stop.begin(bench.now().steady, [] {});
    bench.test();
    ASSERT_TRUE(bench.outcome.has_value());
    EXPECT_EQ(bench.outcome->error, "the daemon is stopping");
    EXPECT_EQ(bench.sender.open(), 0U);
}

TEST(CallbackTester, AnUnknownCallbackIsABrokenInvariant) {
    tester_bench bench;
    EXPECT_THROW(bench.tester.test("nobody", bench.now(), [](callback::delivery_outcome) {}), std::logic_error);
}

} // namespace
} // namespace prooftrack::engine
