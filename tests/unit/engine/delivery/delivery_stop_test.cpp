#include "engine/delivery/delivery_stop.hpp"

#include <stdexcept>

#include <gtest/gtest.h>

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;

constexpr steady_time noon{12h};

struct stop_bench {
    delivery_stop stop;
    int stopped = 0;
    void begin() {
        stop.begin(noon, [this] { ++stopped; });
    }
};

TEST(DeliveryStop, ItHasStoppedWhenTheNotifierHasAndNothingIsBeingRecorded) {
    stop_bench bench;
    EXPECT_TRUE(bench.stop.is_running());
    bench.begin();
    EXPECT_FALSE(bench.stop.is_running());
    bench.stop.finish_unless(false);
    EXPECT_EQ(bench.stopped, 0) << "attempts may still end";
    bench.stop.on_notifier_stopped();
    bench.stop.finish_unless(true);
    EXPECT_EQ(bench.stopped, 0) << "an outcome is on its way to the store";
    bench.stop.finish_unless(false);
    EXPECT_EQ(bench.stopped, 1);
    bench.stop.finish_unless(false);
    EXPECT_EQ(bench.stopped, 1) << "once";
}

TEST(DeliveryStop, OnlyAFailureAfterTheLimitWasCutOff) {
    stop_bench bench;
    EXPECT_FALSE(bench.stop.cuts_off(noon + 1h)) << "it is running";
    bench.begin();
    EXPECT_FALSE(bench.stop.cuts_off(noon - 1ms));
    EXPECT_TRUE(bench.stop.cuts_off(noon));
}

TEST(DeliveryStop, AReportOfTheNotifierBeforeTheStopMeansNothing) {
    stop_bench bench;
    bench.stop.on_notifier_stopped();
    bench.stop.finish_unless(false);
    EXPECT_TRUE(bench.stop.is_running());
    EXPECT_EQ(bench.stopped, 0);
}

TEST(DeliveryStop, ASecondStopIsABrokenInvariant) {
    stop_bench bench;
    bench.begin();
    EXPECT_THROW(bench.begin(), std::logic_error);
}

} // namespace
} // namespace prooftrack::engine
