#include "track/poll_connections.hpp"

#include <gtest/gtest.h>

#include "start.hpp"

namespace prooftrack::track {
namespace {

TEST(StreamsShare, IsAQuarterOfWhatIsInFlightAndBetween25And100) {
    EXPECT_EQ(streams_share(0), 25U);
    EXPECT_EQ(streams_share(99), 25U);
    EXPECT_EQ(streams_share(100), 26U);
    EXPECT_EQ(streams_share(396), 100U);
    EXPECT_EQ(streams_share(4'000), 100U);
}

/// A connection of 950 requests that has sent `sent` of them, evenly, in `open_for`.
connection_use use_of(std::uint32_t sent, steady_duration open_for, steady_duration opening) {
    return {sent, most_requests_of_http2 - sent, opening, open_for, std::chrono::hours(1)};
}

TEST(Successor, IsOpenedAHundredAndFiftyRequestsBeforeTheEndWhereOpeningIsQuick) {
    EXPECT_FALSE(is_near_end(use_of(799, seconds(1), milliseconds(2))));
    EXPECT_TRUE(is_near_end(use_of(800, seconds(1), milliseconds(2))));
    EXPECT_TRUE(is_near_end(use_of(800, std::chrono::minutes(10), milliseconds(2)))) << "slow, but it counts";
}

TEST(Successor, IsOpenedEarlierWhereOpeningTakesLong) {
    // 300 ms away: 100 streams are 333 requests a second, and opening takes 0.6 s, in which 200 are sent.
    const auto at = [](std::uint32_t sent) { return use_of(sent, sent * milliseconds(3), milliseconds(600)); };
    EXPECT_FALSE(is_near_end(at(649)));
    EXPECT_TRUE(is_near_end(at(650))) << "300 are left, 0.9 s";
}

TEST(Successor, IsNotOpenedInTheFirstHalf) {
    EXPECT_FALSE(is_near_end(use_of(474, seconds(1), seconds(20))));
    EXPECT_TRUE(is_near_end(use_of(475, seconds(1), seconds(20))));
    EXPECT_FALSE(is_near_end(use_of(0, seconds(0), seconds(0))));
}

TEST(Successor, IsOpenedFiveSecondsBeforeTheConnectionIsTooOld) {
    connection_use use = use_of(10, seconds(60), milliseconds(2));
    use.time_left = milliseconds(5'001);
    EXPECT_FALSE(is_near_end(use));
    use.time_left = milliseconds(5'000);
    EXPECT_TRUE(is_near_end(use));
}

TEST(Successor, IsNeededUntilTheOthersCarryAQuarterMoreThanTheNeed) {
    EXPECT_TRUE(is_successor_needed(51, 5'100, 4'134));
    EXPECT_TRUE(is_successor_needed(52, 5'166, 4'134));
    EXPECT_FALSE(is_successor_needed(52, 5'167, 4'134));
    EXPECT_TRUE(is_successor_needed(3, 5'200, 10)) << "a spread is four";
    EXPECT_FALSE(is_successor_needed(4, 400, 10));
}

TEST(ConnectPace, DoublesFrom5To100Milliseconds) {
    EXPECT_EQ(connect_delay(1), milliseconds(5));
    EXPECT_EQ(connect_delay(2), milliseconds(10));
    EXPECT_EQ(connect_delay(5), milliseconds(80));
    EXPECT_EQ(connect_delay(6), milliseconds(100));
    EXPECT_EQ(connect_delay(4'000'000'000), milliseconds(100));
}

TEST(ConnectPace, AServerThatRepliedAMomentAgoMayBeRestarted) {
    EXPECT_TRUE(may_be_restart(4, start, start + milliseconds(2'999)));
    EXPECT_FALSE(may_be_restart(5, start, start));
    EXPECT_FALSE(may_be_restart(1, start, start + seconds(3)));
    EXPECT_FALSE(may_be_restart(1, std::nullopt, start));
}

} // namespace
} // namespace prooftrack::track
