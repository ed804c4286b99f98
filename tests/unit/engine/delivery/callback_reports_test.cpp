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

TEST(CallbackReports, WhatFailedFirstIsShownWhateverTheOrderOfTheNames) {
    reports_bench bench;
    delivery_slot& early = bench.open(other_shop);
    early.last_error = "500";
    bench.break_lane(early);
    const wall_time since = bench.now().wall;
    bench.run(10s);
    delivery_slot& late = bench.open(shop);
    late.last_error = "404";
    bench.break_lane(late);
    EXPECT_EQ(bench.view("callback_url").failing_since, since);
    EXPECT_EQ(bench.view("callback_url").last_error, other_shop + ": 500");
}

TEST(CallbackReports, AnErrorIsShownWithItsHostWhereThereAreSeveral) {
    reports_bench bench;
    delivery_slot& slot = bench.open();
    slot.last_error = "500";
    bench.owe(slot, "t1");
    bench.break_lane(slot);
    bench.break_lane(bench.open(shop));
    EXPECT_EQ(bench.view("backend").state, condition::failing);
    EXPECT_EQ(to_string(bench.view("backend").state), "failing");
    EXPECT_EQ(bench.view("backend").last_error, "500");
    EXPECT_EQ(bench.view("callback_url").last_error, "") << "none since the start";
}

TEST(CallbackReports, WhatIsOwedToAnUnconfiguredCallbackIsSummedAndShownWithoutHealth) {
    reports_bench bench;
    const std::string elsewhere = "https://elsewhere.example:443";
    bench.owed(elsewhere, 1).oldest_pending = bench.now().wall + 90s; // by a clock that was ahead
    bench.owed("https://nowhere.example:443", 0, 2).oldest_pending = bench.now().wall - 90s;
    bench.break_lane(bench.open(elsewhere));
    const callback_view shown = bench.view("callback_url");
    EXPECT_EQ(shown.state, condition::unconfigured);
    EXPECT_EQ(to_string(shown.state), "unconfigured");
    EXPECT_EQ(shown.backlog, 1U);
    EXPECT_EQ(shown.dead, 2U);
    EXPECT_EQ(shown.oldest_undelivered_seconds, 0U) << "what is pending comes from the future";
    EXPECT_EQ(shown.failing_since, std::nullopt);
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

TEST(DeliveryAnnotation, OneThatWaitsBehindAnotherHasNoTimeToShow) {
    reports_bench bench;
    track::delivery_view view = bench.row(bench.owe(bench.open(), "t1"));
    view.next_attempt_at.reset();
    const track::delivery_view waits = view;
    annotate_delivery(bench.context, view);
    EXPECT_EQ(view, waits);
}

TEST(DeliveryAnnotation, OfALaneThatIsNotInMemoryTheStoredTimeIsShown) {
    reports_bench bench;
    track::delivery_view view = bench.row(bench.record("t1").heads.at(0).id);
    const auto stored = view.next_attempt_at;
    ASSERT_TRUE(stored);
    annotate_delivery(bench.context, view);
    EXPECT_EQ(view.next_attempt_at, stored);
}

TEST(DeliveryAnnotation, OfCallbackUrlsTheLaneThatHasTheDeliveryDecides) {
    reports_bench bench;
    bench.break_lane(bench.open());
    bench.break_lane(bench.open("https://elsewhere.example:443")); // which is not allowed, so it is not tried
    delivery_slot& other = bench.open(other_shop);
    bench.break_lane(other);
    delivery_slot& slot = bench.open(shop);
    const delivery_id id = bench.owe(slot, "t1");
    track::delivery_view view = bench.row(id);
    ASSERT_EQ(view.callback, "callback_url");
    annotate_delivery(bench.context, view);
    EXPECT_EQ(view.next_attempt_at, bench.now().wall) << "its own host does not fail";
    bench.break_lane(slot);
    annotate_delivery(bench.context, view);
    EXPECT_EQ(view.next_attempt_at, std::nullopt);
}

TEST(DeliveryAnnotation, OfSeveralLanesTheOneThatHasItSaysWhenItIsDue) {
    reports_bench bench;
    bench.open(); // of another callback
    bench.open(other_shop);
    delivery_slot& slot = bench.open(shop);
    track::delivery_view view = bench.row(bench.owe(slot, "t1"));
    bench.clock.jump_wall(-8760h);
    annotate_delivery(bench.context, view);
    EXPECT_EQ(view.next_attempt_at, bench.now().wall);
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
