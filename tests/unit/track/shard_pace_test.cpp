// How soon what came is polled, and in which order and when shards go to other daemons.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "track/shard_pace.hpp"

namespace prooftrack::track {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

shard_set span_of(std::size_t first, std::size_t last) {
    shard_set set;
    for (std::size_t i = first; i <= last; ++i) set.set(i);
    return set;
}

TEST(ShardPace, FirstPollsAreSpreadByHowLongNobodyHasPolled) {
    EXPECT_EQ(spread_of_idle({4s, 9s}), 6'500ms);
    EXPECT_EQ(spread_of_handed_over, 500ms);
    EXPECT_EQ(spread_of_lost(0s), 7'500ms);
    EXPECT_EQ(spread_of_lost(4'300ms), 3'200ms);
    EXPECT_EQ(spread_of_lost(6'999ms), 501ms);
    EXPECT_EQ(spread_of_lost(7s), 500ms);
    EXPECT_EQ(spread_of_lost(1h), 500ms) << "late already, and still not all at once";
}

TEST(ShardPace, WhatIsInFlightHasHalfAMinuteOrAsLongAsAnAttemptMayTake) {
    EXPECT_EQ(handover_patience(0ms), 30s);
    EXPECT_EQ(handover_patience(25s), 30s);
    EXPECT_EQ(handover_patience(25'001ms), 30'001ms);
    EXPECT_EQ(handover_patience(10min), 605s);
}

class ShardsToGo : public testing::Test {
  protected:
    static constexpr milliseconds patience = 30s;

    std::optional<shard_set> begin(milliseconds at) {
        return going_.begin_slice(
            start_ + at, patience, [this](const shard_set& shards) { return rows_a_shard_ * shards.count(); });
    }
    std::vector<shard_set> free(milliseconds at) {
        const auto is_busy = [this](const shard_set& shards) { return (busy_ & shards).any(); };
        return going_.take_free(start_ + at, is_busy, is_saving_);
    }

    const steady_time start_{3h};
    shards_to_go going_;
    shard_set busy_;
    bool is_saving_ = false;
    std::size_t rows_a_shard_ = 10;
};

TEST_F(ShardsToGo, ThereAreNoneAtFirst) {
    EXPECT_TRUE(going_.is_empty());
    EXPECT_TRUE(going_.is_due(start_));
    EXPECT_EQ(going_.next_look(), std::nullopt);
    EXPECT_EQ(begin(0ms), std::nullopt);
    EXPECT_THAT(free(0ms), IsEmpty());
    EXPECT_EQ(going_.next_look(), std::nullopt) << "nobody needs to look";
}

TEST_F(ShardsToGo, GoAtMost32AtATimeAndTheNextOnesWhenTheseHaveGone) {
    going_.want(span_of(10, 79));
    EXPECT_FALSE(going_.is_empty());
    EXPECT_EQ(going_.next_look(), std::nullopt) << "at once";
    EXPECT_TRUE(going_.is_due(start_));
    EXPECT_EQ(begin(0ms), span_of(10, 41));
    EXPECT_EQ(begin(0ms), std::nullopt) << "some go";
    busy_ = span_of(20, 20);
    EXPECT_THAT(free(0ms), IsEmpty());
    EXPECT_EQ(going_.next_look(), start_ + 20ms);
    EXPECT_FALSE(going_.is_due(start_ + 19ms));
    EXPECT_TRUE(going_.is_due(start_ + 20ms));
    busy_.reset();
    EXPECT_THAT(free(20ms), ElementsAre(span_of(10, 41)));
    EXPECT_EQ(begin(20ms), span_of(42, 73));
    EXPECT_THAT(free(20ms), ElementsAre(span_of(42, 73)));
    EXPECT_EQ(begin(40ms), span_of(74, 79));
    EXPECT_FALSE(going_.is_empty());
    EXPECT_THAT(free(40ms), ElementsAre(span_of(74, 79)));
    EXPECT_TRUE(going_.is_empty());
    EXPECT_EQ(going_.next_look(), std::nullopt);
}

TEST_F(ShardsToGo, ASlicePartsAfterAQuarterOfASecond) {
    going_.want(span_of(0, 49));
    begin(0ms);
    busy_ = span_of(3, 5);
    EXPECT_THAT(free(249ms), IsEmpty());
    EXPECT_EQ(begin(249ms), std::nullopt);
    EXPECT_THAT(free(250ms), ElementsAre(span_of(0, 2) | span_of(6, 31)));
    EXPECT_EQ(begin(250ms), span_of(32, 49)) << "the next ones do not wait for those that are held up";
    busy_ = span_of(3, 4) | span_of(40, 40);
    EXPECT_THAT(free(499ms), IsEmpty());
    EXPECT_THAT(free(500ms), ElementsAre(span_of(5, 5), span_of(32, 39) | span_of(41, 49))) << "each by its own time";
    busy_.reset();
    EXPECT_THAT(free(501ms), ElementsAre(span_of(3, 4), span_of(40, 40)));
    EXPECT_TRUE(going_.is_empty());
}

TEST_F(ShardsToGo, ThoseThatAreHeldUpCountAmongThe32) {
    going_.want(span_of(0, 99));
    begin(0ms);
    busy_ = span_of(0, 29);
    EXPECT_THAT(free(250ms), ElementsAre(span_of(30, 31)));
    EXPECT_EQ(begin(250ms), span_of(32, 33));
    busy_ |= span_of(32, 33);
    EXPECT_THAT(free(500ms), IsEmpty());
    EXPECT_EQ(begin(500ms), std::nullopt) << "32 are held up";
    busy_.reset(7);
    EXPECT_THAT(free(750ms), ElementsAre(span_of(7, 7)));
    EXPECT_EQ(begin(750ms), span_of(34, 34));
}

TEST_F(ShardsToGo, GoAllTheSameWhenThePatienceHasEnded) {
    going_.want(span_of(0, 4));
    begin(0ms);
    busy_ = all_shards();
    EXPECT_THAT(free(29'999ms), IsEmpty());
    EXPECT_THAT(free(30'000ms), ElementsAre(span_of(0, 4)));
    EXPECT_TRUE(going_.is_empty());
}

TEST_F(ShardsToGo, WaitForTheirSavesAndTheNextOnesDoNotBeginMeanwhile) {
    going_.want(span_of(0, 49));
    begin(0ms);
    is_saving_ = true;
    EXPECT_THAT(free(0ms), IsEmpty());
    EXPECT_THAT(free(400ms), IsEmpty());
    EXPECT_EQ(begin(400ms), std::nullopt) << "its saves would keep the first ones waiting";
    busy_ = span_of(3, 3);
    is_saving_ = false;
    EXPECT_THAT(free(420ms), ElementsAre(span_of(0, 2) | span_of(4, 31))) << "one is held up";
    EXPECT_EQ(begin(420ms), span_of(32, 49));
    is_saving_ = true;
    EXPECT_THAT(free(29'999ms), IsEmpty());
    EXPECT_THAT(free(30'000ms), ElementsAre(span_of(3, 3))) << "whatever is saved";
}

TEST_F(ShardsToGo, InAHurryTheyDoNotWaitForSavesForEver) {
    going_.want(span_of(0, 99));
    going_.hurry(start_, start_ + 1s);
    begin(0ms);
    is_saving_ = true;
    EXPECT_THAT(free(499ms), IsEmpty());
    EXPECT_EQ(begin(499ms), std::nullopt);
    EXPECT_EQ(begin(500ms), span_of(32, 99));
    EXPECT_THAT(free(999ms), IsEmpty());
    EXPECT_THAT(free(1'000ms), ElementsAre(span_of(0, 31), span_of(32, 99)));
    EXPECT_TRUE(going_.is_empty());
}

TEST_F(ShardsToGo, AreFewerWhenTheyHaveManyTransactions) {
    going_.want(span_of(0, 99));
    rows_a_shard_ = 1'000;
    EXPECT_EQ(begin(0ms), span_of(0, 3));
    free(0ms);
    rows_a_shard_ = 1'001;
    EXPECT_EQ(begin(20ms), span_of(4, 6));
    free(20ms);
    rows_a_shard_ = 1'000'000;
    EXPECT_EQ(begin(40ms), span_of(7, 7)) << "one goes in any case";
}

TEST_F(ShardsToGo, InAHurryWhatIsLeftInTheMiddleGoesAtOnceAndNoneWaitsLonger) {
    going_.want(span_of(0, 99));
    begin(0ms);
    busy_ = all_shards();
    free(0ms);
    going_.hurry(start_ + 5ms, start_ + 1'005ms);
    EXPECT_EQ(begin(100ms), std::nullopt) << "some go";
    free(100ms);
    EXPECT_EQ(begin(504ms), std::nullopt);
    EXPECT_FALSE(going_.is_late(start_ + 504ms));
    EXPECT_TRUE(going_.is_late(start_ + 505ms)) << "and is not saved";
    EXPECT_EQ(begin(505ms), span_of(32, 99));
    EXPECT_THAT(free(1'004ms), IsEmpty());
    EXPECT_THAT(free(1'005ms), ElementsAre(span_of(0, 31), span_of(32, 99))) << "also that of before";
    EXPECT_TRUE(going_.is_empty());
}

TEST_F(ShardsToGo, AHurryMakesNobodyWaitLonger) {
    going_.want(span_of(0, 40));
    begin(0ms);
    busy_ = all_shards();
    going_.hurry(start_, start_ + 1h);
    EXPECT_THAT(free(29'999ms), IsEmpty());
    EXPECT_THAT(free(30'000ms), ElementsAre(span_of(0, 31)));
    EXPECT_EQ(begin(30'000ms), span_of(32, 40));
    EXPECT_THAT(free(59'999ms), IsEmpty());
    EXPECT_THAT(free(60'000ms), ElementsAre(span_of(32, 40)));
}

TEST_F(ShardsToGo, WhatIsWantedAgainStaysUnlessItHasBegunToGo) {
    going_.want(span_of(0, 63));
    begin(0ms);
    going_.want({});
    EXPECT_FALSE(going_.is_empty());
    EXPECT_THAT(free(20ms), ElementsAre(span_of(0, 31)));
    EXPECT_EQ(begin(20ms), std::nullopt);
    EXPECT_TRUE(going_.is_empty());
}

TEST_F(ShardsToGo, WhatIsSomebodyElsesIsForgotten) {
    going_.want(span_of(0, 63));
    begin(0ms);
    going_.forget(span_of(0, 30) | span_of(40, 63));
    EXPECT_THAT(free(20ms), ElementsAre(span_of(31, 31)));
    EXPECT_EQ(begin(20ms), span_of(32, 39));
    going_.forget(all_shards());
    EXPECT_TRUE(going_.is_empty());
    EXPECT_THAT(free(40ms), IsEmpty());
}

} // namespace
} // namespace prooftrack::track
