#include "engine/delivery/lane_table.hpp"

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

constexpr steady_time noon{12h};

std::string host(std::size_t number) { return "https://h" + std::to_string(number) + ".example:443"; }

TEST(LaneTable, FindsALaneByItsNameAndByItsNumber) {
    lane_table lanes;
    delivery_slot& made = lanes.make("backend", track::stored_heads::none, track::lane_settings{});
    EXPECT_EQ(lanes.find("backend"), &made);
    EXPECT_EQ(lanes.find(made.number), &made);
    EXPECT_EQ(&lanes.at(made.number), &made);
    EXPECT_EQ(lanes.find("ledger"), nullptr);
    EXPECT_FALSE(made.is_url);
    EXPECT_EQ(made.shown_name(), "backend");
    EXPECT_EQ(lanes.make(host(1), track::stored_heads::none, track::lane_settings{}).shown_name(), "callback_url");
}

TEST(LaneTable, ALaneThatIsMadeAnewHasAnotherNumber) {
    lane_table lanes;
    const delivery_slot& first = lanes.make(host(1), track::stored_heads::none, track::lane_settings{});
    const track::lane_number old = first.number;
    lanes.erase(first);
    const delivery_slot& second = lanes.make(host(1), track::stored_heads::none, track::lane_settings{});
    EXPECT_NE(second.number, old);
    EXPECT_EQ(lanes.find(old), nullptr);
    EXPECT_THROW(lanes.at(old), std::logic_error) << "who keeps its lane must find it";
}

TEST(LaneTable, ASecondLaneOfANameIsABrokenInvariant) {
    lane_table lanes;
    lanes.make("backend", track::stored_heads::none, track::lane_settings{});
    EXPECT_THROW(lanes.make("backend", track::stored_heads::none, track::lane_settings{}), std::logic_error);
    EXPECT_EQ(lanes.size(), 1U);
    lane_table others;
    const delivery_slot& foreign = others.make("backend", track::stored_heads::none, track::lane_settings{});
    EXPECT_THROW(lanes.erase(foreign), std::logic_error);
}

TEST(LaneTable, LanesOfCallbackUrlsAreBoundedOthersAreNot) {
    lane_table lanes;
    for (std::size_t i = 0; i < most_url_lanes; ++i)
        lanes.make(host(i), track::stored_heads::none, track::lane_settings{});
    EXPECT_FALSE(lanes.has_url_room());
    EXPECT_THROW(lanes.make(host(most_url_lanes), track::stored_heads::none, track::lane_settings{}), std::logic_error);
    lanes.make("backend", track::stored_heads::none, track::lane_settings{});
    lanes.erase(*lanes.find(host(7)));
    EXPECT_TRUE(lanes.has_url_room());
    EXPECT_EQ(lanes.size(), most_url_lanes);
}

TEST(LaneTable, WakesInTheOrderOfTimesAndOfMaking) {
    lane_table lanes;
    delivery_slot& first = lanes.make("zebra", track::stored_heads::none, track::lane_settings{});
    delivery_slot& second = lanes.make("ant", track::stored_heads::none, track::lane_settings{});
    delivery_slot& third = lanes.make("bee", track::stored_heads::none, track::lane_settings{});
    EXPECT_EQ(lanes.next_wake(), std::nullopt);
    lanes.arm(third, noon + 1s);
    lanes.arm(second, noon);
    lanes.arm(first, noon);
    EXPECT_EQ(lanes.next_wake(), noon);
    EXPECT_THAT(lanes.due(noon), ElementsAre(first.number, second.number));
    EXPECT_THAT(lanes.due(noon + 1s), ElementsAre(first.number, second.number, third.number));
    EXPECT_THAT(lanes.due(noon - 1ms), ElementsAre());
    EXPECT_THAT(lanes.numbers(), ElementsAre(second.number, third.number, first.number)) << "by name";
}

TEST(LaneTable, ArmingAgainReplacesTheWakeAndErasingEndsIt) {
    lane_table lanes;
    delivery_slot& first = lanes.make("a", track::stored_heads::none, track::lane_settings{});
    delivery_slot& second = lanes.make("b", track::stored_heads::none, track::lane_settings{});
    lanes.arm(first, noon);
    lanes.arm(first, noon + 5s);
    EXPECT_EQ(lanes.next_wake(), noon + 5s);
    lanes.arm(first, std::nullopt);
    EXPECT_EQ(lanes.next_wake(), std::nullopt);
    lanes.arm(first, noon);
    lanes.arm(second, noon + 1s);
    lanes.erase(first);
    EXPECT_EQ(lanes.next_wake(), noon + 1s);
    lanes.disarm_all();
    EXPECT_EQ(lanes.next_wake(), std::nullopt);
    EXPECT_EQ(second.wake, std::nullopt);
}

} // namespace
} // namespace prooftrack::engine
