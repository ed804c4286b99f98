// Maintenance: durable first, then in force for polls and deliveries, through a restart.

#include "engine/maintenance_calls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "use_case_world.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using observe::log_event_id;

class MaintenanceCalls : public testing::Test {
  protected:
    using mark = std::optional<track::maintenance_mark>;

    mark put(bool is_on, const std::string& note = "") {
        std::optional<api::outcome<mark>> done;
        world_.maintenance->set_maintenance(
            is_on, note, {1000, 7}, [&](api::outcome<mark> given) { done = std::move(given); });
        EXPECT_EQ(world_.polls.core().is_held(), was_held_) << "not before it is durable";
        world_.memory.pump();
        was_held_ = is_on;
        return std::get<mark>(done.value());
    }
    wall_time now() const { return world_.clock.now().wall; }

    use_case_world world_;
    bool was_held_ = false;
};

TEST_F(MaintenanceCalls, HoldsPollsAndIsLogged) {
    world_.polls.step(track::started_event{});
    world_.track("t1");
    const wall_time begun = now();
    EXPECT_EQ(put(true, "night shift"), (track::maintenance_mark{begun, "night shift"}));
    EXPECT_EQ(world_.disk.maintenance, (track::maintenance_mark{begun, "night shift"}));
    EXPECT_TRUE(world_.polls.core().is_held());
    world_.clock.run_for(90s);
    EXPECT_FALSE(world_.polls.has_poll());
    EXPECT_EQ(put(true, "longer"), (track::maintenance_mark{begun, "longer"})) << "it began when it began";
    EXPECT_EQ(put(true, "longer"), (track::maintenance_mark{begun, "longer"}));
    EXPECT_EQ(put(false, "done"), std::nullopt);
    EXPECT_EQ(put(false), std::nullopt);
    EXPECT_TRUE(world_.polls.has_poll());
    const auto lines = world_.log.of(log_event_id::daemon_maintenance);
    ASSERT_EQ(lines.size(), 3U) << "what changes nothing is not said again";
    EXPECT_EQ(lines[0].at("state"), "on");
    EXPECT_EQ(lines[0].at("note"), "night shift");
    EXPECT_EQ(lines[1].at("note"), "longer");
    EXPECT_EQ(lines[2].at("state"), "off");
    EXPECT_EQ(lines[2].at("since"), format_wall_time(begun));
    EXPECT_EQ(lines[2].at("lasted_seconds"), "90");
    EXPECT_EQ(lines[2].at("note"), "done");
    const auto audited = world_.log.of(log_event_id::api_change);
    ASSERT_EQ(audited.size(), 6U);
    EXPECT_EQ(audited[0].at("action"), "track");
    EXPECT_EQ(audited[1].at("action"), "maintenance");
    EXPECT_EQ(audited[1].at("state"), "on");
    EXPECT_EQ(audited[1].at("uid"), "1000");
    EXPECT_EQ(audited[5].at("state"), "off");
}

TEST_F(MaintenanceCalls, OneThatCouldNotBeStoredIsNotInForce) {
    world_.memory.set_full(true);
    call_result result;
    world_.maintenance->set_maintenance(true, "", {}, use_case_world::tell<mark>(result));
    world_.memory.pump();
    EXPECT_EQ(result.word, "store_unavailable");
    EXPECT_FALSE(world_.polls.core().is_held());
    EXPECT_EQ(world_.log.count(log_event_id::daemon_maintenance), 0U);
    EXPECT_EQ(world_.log.of(log_event_id::api_change).at(0).at("result"), "store_unavailable");
}

TEST_F(MaintenanceCalls, OfTwoAtOnceTheLastIsInForceAndTheFirstBeginningHolds) {
    std::vector<mark> seen;
    const auto keep = [&](const api::outcome<mark>& done) { seen.push_back(std::get<mark>(done)); };
    world_.maintenance->set_maintenance(true, "a", {}, keep);
    const wall_time first = now();
    world_.clock.run_for(5s);
    world_.maintenance->set_maintenance(true, "b", {}, keep);
    world_.maintenance->set_maintenance(false, "", {}, keep);
    world_.memory.pump();
    ASSERT_EQ(seen.size(), 3U);
    EXPECT_EQ(seen[0], (track::maintenance_mark{first, "a"}));
    EXPECT_EQ(seen[1], (track::maintenance_mark{first, "b"}));
    EXPECT_EQ(seen[2], std::nullopt);
    EXPECT_FALSE(world_.polls.core().is_held());
}

TEST_F(MaintenanceCalls, IsShownInStatusMetricsAndSummary) {
    const auto text = [this](void (status_calls::*call)(api::backend_handler<std::string>)) {
        std::string given;
        (world_.status.get()->*call)([&](api::outcome<std::string> done) { given = std::get<std::string>(done); });
        world_.memory.pump();
        return given;
    };
    EXPECT_THAT(text(&status_calls::status_json), testing::HasSubstr(R"("maintenance":null)"));
    put(true, "x");
    EXPECT_THAT(text(&status_calls::status_json), testing::HasSubstr(R"("maintenance":{"on":true,"since":")"));
    EXPECT_THAT(text(&status_calls::metrics_text), testing::HasSubstr("prooftrackd_maintenance 1\n"));
    EXPECT_EQ(world_.status->summary(), "0 pending, 0 polls/s, Proof not asked yet, MAINTENANCE");
    EXPECT_TRUE(world_.status->ready().ok) << "ids are taken as ever";
    put(false);
    EXPECT_THAT(text(&status_calls::metrics_text), testing::HasSubstr("prooftrackd_maintenance 0\n"));
}

TEST(MaintenanceStart, ADaemonThatStartsWithinItHoldsAndSaysSo) {
    use_case_world world(false);
    world.add_settled("t1");
    world.disk.transactions.at("t1").facts.state = track::tracking_state::tracking;
    world.disk.transactions.at("t1").facts.watched = true;
    world.disk.maintenance = track::maintenance_mark{world.clock.now().wall, "night shift"};
    bool is_up = false;
    start(world.life->begin(), [&](const op_result<std::monostate>& begun) { is_up = begun.has_value(); });
    world.memory.pump();
    ASSERT_TRUE(is_up);
    world.clock.run_for(1h);
    EXPECT_FALSE(world.polls.has_poll());
    const auto lines = world.log.of(log_event_id::daemon_maintenance);
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].at("note"), "night shift");
    std::optional<api::outcome<std::optional<track::maintenance_mark>>> done;
    world.maintenance->set_maintenance(false, "", {}, [&](auto given) { done = std::move(given); });
    world.memory.pump();
    EXPECT_TRUE(world.polls.has_poll());
}

/// What is loaded later would keep a grace that began before the maintenance.
TEST(MaintenanceStart, ItIsTurnedOffOnlyWhenEverybodyIsLoaded) {
    use_case_world world(false);
    world.add_settled("t1");
    const wall_time begun = world.clock.now().wall;
    track::tracking_facts& facts = world.disk.transactions.at("t1").facts;
    facts.state = track::tracking_state::tracking;
    facts.watched = true;
    facts.not_found_since = facts.last_polled_at = begun;
    world.disk.maintenance = track::maintenance_mark{begun, "night shift"};
    world.clock.run_for(1h);
    start(world.life->begin(), [](const op_result<std::monostate>&) {});
    const auto turn_off = [&] {
        call_result result;
        world.maintenance->set_maintenance(
            false, "", {}, use_case_world::tell<std::optional<track::maintenance_mark>>(result));
        world.memory.pump();
        return result.word;
    };
    EXPECT_EQ(turn_off(), "unavailable");
    EXPECT_TRUE(world.disk.maintenance) << "nothing was changed";
    EXPECT_TRUE(world.polls.core().is_held());
    EXPECT_EQ(world.log.of(log_event_id::api_change).at(0).at("result"), "unavailable");
    EXPECT_EQ(turn_off(), "ok");
    const track::tracker& core = world.polls.core();
    EXPECT_EQ(core.live(core.find("t1").value(), world.clock.now()).facts.not_found_since, begun + 1h);
}

} // namespace
} // namespace prooftrack::engine
