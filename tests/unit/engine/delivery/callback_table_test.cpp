#include "engine/delivery/callback_table.hpp"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

config::callback_config named(std::string name, std::vector<std::string> events) {
    config::callback_config one;
    one.name = std::move(name);
    one.events = std::move(events);
    return one;
}

callback_table allowing(std::vector<std::string> hosts) { return {{}, {std::move(hosts), ""}}; }

TEST(CallbackTable, SelectsByPatternInTheOrderOfTheConfiguration) {
    const callback_table table(
        {named("b", {"transaction.*"}), named("a", {"transaction.completed", "*.completed"}),
         named("c", {"transaction.updated"})},
        {});
    EXPECT_THAT(table.selecting(track::event_type::completed), ElementsAre("b", "a"));
    EXPECT_THAT(table.selecting(track::event_type::overdue), ElementsAre("b"));
    EXPECT_THAT(table.selecting(track::event_type::updated), ElementsAre("c")) << "only by its full name";
    EXPECT_THAT(table.selecting(track::event_type::test), ElementsAre());
}

TEST(CallbackTable, AConfiguredLaneRunsByItsOwnSettings) {
    config::callback_config one = named("a", {"transaction.*"});
    one.retry_schedule = {1s};
    one.max_in_flight = 3;
    const callback_table table({one}, {});
    ASSERT_TRUE(table.settings_for("a").has_value());
    EXPECT_EQ(table.settings_for("a")->max_in_flight, 3U);
    EXPECT_THAT(table.settings_for("a")->retry_schedule, ElementsAre(milliseconds(1s)));
    EXPECT_FALSE(table.settings_for("gone").has_value());
    EXPECT_FALSE(table.settings_for("https://shop.example:443").has_value());
}

TEST(CallbackTable, LimitsOfAttemptsInFlightAreSharedByTheNodes) {
    config::callback_config one = named("a", {"transaction.*"});
    one.max_in_flight = 16;
    const auto limits = [&one](std::size_t sharing) {
        const callback_table table({one}, {{"shop.example"}, ""}, {}, sharing);
        return std::array<std::size_t, 3>{
            table.settings_for("a")->max_in_flight, table.settings_for("https://shop.example:443")->max_in_flight,
            table.share_of(1024)};
    };
    EXPECT_THAT(limits(1), ElementsAre(16U, 8U, 1024U));
    EXPECT_THAT(limits(3), ElementsAre(6U, 3U, 342U)) << "rounded up";
    EXPECT_THAT(limits(100), ElementsAre(1U, 1U, 11U)) << "each makes some";
    EXPECT_THAT(limits(0), ElementsAre(16U, 8U, 1024U));
}

TEST(CallbackTable, ALaneIsAllowedByTheRuleOfAllowHosts) {
    const callback_table table = allowing({"Shop.example", "*.api.example", "unix:/run/shop.sock", "[::1]"});
    for (const char* lane :
         {"https://shop.example:8443", "https://shop.example.:443", "https://a.api.example:443",
          "http+unix:///run/shop.sock", "http://[::1]:80"})
        EXPECT_TRUE(table.allows(lane)) << lane;
    for (const char* lane :
         {"https://a.shop.example:443", "https://api.example:443", "http+unix:///run/other.sock",
          "http://127.0.0.2:8080"})
        EXPECT_FALSE(table.allows(lane)) << lane;
}

TEST(CallbackTable, ALaneOfPlainHttpNeedsBothLists) {
    const callback_table table({}, {{"receiver", "other"}, ""}, {"receiver"});
    EXPECT_TRUE(table.allows("http://receiver:8080"));
    EXPECT_FALSE(table.allows("http://other:8080"));
    EXPECT_TRUE(table.allows("https://other:443"));
    EXPECT_TRUE(table.settings_for("http://receiver:8080").has_value());
    EXPECT_FALSE(table.settings_for("http://other:8080").has_value()) << "its deliveries wait for the host to return";
}

TEST(CallbackTable, NoHostsMeanNoLanes) {
    EXPECT_FALSE(allowing({}).allows("https://shop.example:443"));
    EXPECT_FALSE(allowing({}).has_url_rules());
}

TEST(CallbackTable, NamesAreNotLanesOfUrls) {
    EXPECT_FALSE(is_own_url_lane("backend"));
    EXPECT_TRUE(is_own_url_lane("http+unix:///run/shop.sock"));
}

} // namespace
} // namespace prooftrack::engine
