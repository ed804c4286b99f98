#include "engine/delivery/callback_reports.hpp"

#include <gtest/gtest.h>

#include "engine/delivery/delivery_annotation.hpp"
#include "support/delivery_parts.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using condition = callback_view::condition;

const std::string shop = "https://a.shop.example:443";
const std::string other_shop = "https://b.shop.example:443";

struct reports_bench : delivery_parts {
    callback_reports reports{context};
    store::store_status status;

    store::lane_summary& owed(const std::string& lane, std::uint64_t pending, std::uint64_t dead = 0) {
        const std::string shown = is_own_url_lane(lane) ? "callback_url" : lane;
        return status.lanes[lane] = {lane, shown, pending, dead, std::nullopt, std::nullopt};
    }
    callback_view view(const std::string& name) {
        for (const callback_view& one : reports.views(status, now().wall)) {
            if (one.name == name) return one;
        }
        return {};
    }
};

TEST(CallbackReports, EachConfiguredCallbackAndCallbackUrlHaveARow) {
    reports_bench bench;
    const auto views = bench.reports.views(bench.status, bench.now().wall);
    ASSERT_EQ(views.size(), 2U);
    EXPECT_EQ(views[0].name, "backend");
    EXPECT_EQ(views[1].name, "callback_url");
    EXPECT_EQ(views[0].state, condition::ok);
    EXPECT_EQ(to_string(views[0].state), "ok");
}

TEST(CallbackReports, TheLanesOfCallbackUrlsAreOneRow) {
    reports_bench bench;
    bench.owed(shop, 2, 1).oldest_pending = bench.now().wall - 90s;
    bench.owed(other_shop, 3).oldest_pending = bench.now().wall - 10s;
    const callback_view shown = bench.view("callback_url");
    EXPECT_EQ(shown.backlog, 5U);
    EXPECT_EQ(shown.dead, 1U);
    EXPECT_EQ(shown.oldest_undelivered_seconds, 90U);
}

TEST(CallbackReports, AnUnconfiguredCallbackIsShownWhileItHasDeliveries) {
    reports_bench bench;
    bench.owed("gone", 1);
    EXPECT_EQ(bench.view("gone").state, condition::unconfigured);
    EXPECT_EQ(bench.view("gone").backlog, 1U);
    bench.owed("gone", 0);
    EXPECT_EQ(bench.view("gone").name, "");
}

TEST(CallbackReports, OfSeveralFailingHostsWhatFailedFirstAndTheFirstTryOfAll) {
    reports_bench bench;
    delivery_slot& early = bench.open(shop);
    early.last_error = "500";
    bench.break_lane(early);
    const wall_time since = bench.now().wall;
    bench.run(10s);
    delivery_slot& late = bench.open(other_shop);
    bench.owe(late, "t1");
    bench.break_lane(late);
    const callback_view shown = bench.view("callback_url");
    EXPECT_EQ(shown.state, condition::failing);
    EXPECT_EQ(shown.failing_since, since);
    EXPECT_EQ(shown.last_error, shop + ": 500");
    EXPECT_EQ(shown.next_try_at, bench.now().wall + 30s) << "the early one owes nothing";
}

TEST(CallbackReports, ACallbackThatVanishedIsReportedOnceMoreWithZeros) {
    reports_bench bench;
    bench.owed("gone", 1);
    bench.reports.report(bench.status, bench.now().wall);
    EXPECT_EQ(bench.metrics.gauges.at("gone").backlog, 1U);
    bench.status.lanes.clear();
    bench.reports.report(bench.status, bench.now().wall);
    EXPECT_EQ(bench.metrics.gauges.at("gone").backlog, 0U);
    bench.metrics.gauges.clear();
    bench.reports.report(bench.status, bench.now().wall);
    EXPECT_FALSE(bench.metrics.gauges.contains("gone"));
}

TEST(DeliveryAnnotation, OnlyAPendingOneIsAnnotated) {
    reports_bench bench;
    delivery_slot& slot = bench.open();
    track::delivery_view view = bench.row(bench.owe(slot, "t1"));
    view.callback = "gone";
    view.state = track::delivery_state::dead;
    const track::delivery_view dead = view;
    annotate_delivery(bench.context, view);
    EXPECT_EQ(view, dead);
    view.state = track::delivery_state::pending;
    annotate_delivery(bench.context, view);
    EXPECT_EQ(view.last_error, "callback not configured");
    EXPECT_EQ(view.next_attempt_at, std::nullopt);
}

TEST(DeliveryAnnotation, WhatIsDueWaitsForAFailingCallbackUnlessItIsBeingTried) {
    reports_bench bench;
    delivery_slot& slot = bench.open();
    const delivery_id id = bench.owe(slot, "t1");
    track::delivery_view view = bench.row(id);
    annotate_delivery(bench.context, view);
    EXPECT_EQ(view.next_attempt_at, bench.now().wall);
    bench.break_lane(slot);
    annotate_delivery(bench.context, view);
    EXPECT_EQ(view.next_attempt_at, std::nullopt);
    view = bench.row(id);
    bench.run(track::failing_probe_interval);
    ASSERT_TRUE(slot.lane.take(bench.now()));
    annotate_delivery(bench.context, view);
    EXPECT_TRUE(view.next_attempt_at.has_value());
}

TEST(DeliveryAnnotation, ATimeOfAWrongClockIsNotShown) {
    reports_bench bench;
    delivery_slot& slot = bench.open();
    track::delivery_view view = bench.row(bench.owe(slot, "t1"));
    bench.clock.jump_wall(-8760h);
    annotate_delivery(bench.context, view);
    EXPECT_EQ(view.next_attempt_at, bench.now().wall) << "it was never attempted, so it is due";
}

} // namespace
} // namespace prooftrack::engine
