// Shards are loaded 16 at a time, whatever goes away or fails meanwhile.

#include <gmock/gmock.h>

#include "cluster_fixture.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using observe::log_event_id;
using store::shard_gain;
using testing::ElementsAre;
using testing::IsEmpty;

class ShardIntake : public Cluster {
  protected:
    /// Of nobody heard of; what was asked so far is in the book no more.
    void gain(const shard_set& shards) {
        duties_.on_gained(shards, shard_gain::taken_over, 4s);
        duties_.on_view(view_of({{node("a"), shards}}));
        book_.take();
    }
    /// Others have all but these.
    void keep(const shard_set& shards) { duties_.on_view(view_of({{node("a"), shards}})); }
    std::string told() {
        const auto lines = log_.of(log_event_id::cluster_taken_over);
        if (lines.size() != 1U) return "not once";
        return lines[0].at("shards") + " shards " + lines[0].at("transactions") + " transactions";
    }
};

TEST_F(ShardIntake, TakesUp16AtATimeOneCallOfTheStoreAfterTheOther) {
    begin();
    duties_.on_gained(range(10, 50), shard_gain::taken_over, 4s);
    EXPECT_THAT(book_.take(), ElementsAre("0 hold 10-50", "0 take_up 10-25"));
    keep(range(10, 50));
    end_taking(3U);
    EXPECT_THAT(book_.take(), ElementsAre("0 loaded 10-25", "0 take_up 26-41"));
    EXPECT_FALSE(is_ready_);
    chunk({row("t1", 30)});
    end_taking(4U);
    EXPECT_THAT(book_.take(), ElementsAre("0 load t1 within 3500", "0 loaded 26-41", "0 take_up 42-50"));
    EXPECT_TRUE(log_.of(log_event_id::cluster_taken_over).empty());
    end_taking(5U);
    EXPECT_THAT(book_.take(), ElementsAre("0 loaded 42-50"));
    EXPECT_TRUE(is_ready_);
    EXPECT_EQ(told(), "41 shards 12 transactions");
    EXPECT_TRUE(cluster_.taking.empty());
}

TEST_F(ShardIntake, OnlyThePieceThatFailedIsTakenUpAgain) {
    begin();
    gain(range(0, 31));
    end_taking(3U);
    book_.take();
    chunk({row("t1", 20)});
    end_taking(away());
    EXPECT_THAT(book_.take(), ElementsAre("0 load t1 within 3500"));
    run_for(199ms);
    EXPECT_THAT(book_.take("take_up"), IsEmpty());
    run_for(1ms);
    EXPECT_THAT(book_.take("take_up"), ElementsAre("200 take_up 16-31"));
    end_taking(4U);
    EXPECT_THAT(book_.take(), ElementsAre("200 loaded 16-31"));
    EXPECT_EQ(told(), "32 shards 7 transactions") << "those of the call that failed count once";
}

TEST_F(ShardIntake, WhatGoesBeforeItsTurnIsNotAskedFor) {
    begin();
    gain(range(0, 47));
    keep(range(0, 15) | range(40, 47));
    book_.take();
    end_taking(3U);
    EXPECT_THAT(book_.take(), ElementsAre("0 loaded 0-15", "0 take_up 40-47"));
    end_taking(4U);
    EXPECT_THAT(book_.take(), ElementsAre("0 loaded 40-47"));
    EXPECT_EQ(told(), "24 shards 7 transactions");
}

TEST_F(ShardIntake, WhatGoesWhileItIsLoadedIsLeftOut) {
    begin();
    gain(range(0, 31));
    keep(range(0, 3) | range(16, 31));
    book_.take();
    chunk({row("mine", 2), row("theirs", 8)});
    end_taking(3U);
    EXPECT_THAT(book_.take(), ElementsAre("0 load mine within 3500", "0 loaded 0-3", "0 take_up 16-31"));
}

TEST_F(ShardIntake, WhenAllThatIsBeingLoadedGoesTheRestIsLoadedAllTheSame) {
    begin();
    gain(range(0, 31));
    keep(range(16, 31));
    book_.take();
    chunk({row("theirs", 8)});
    end_taking(3U);
    EXPECT_THAT(book_.take(), ElementsAre("0 take_up 16-31")) << "nothing of the first ones has been loaded";
    end_taking(4U);
    EXPECT_THAT(book_.take(), ElementsAre("0 loaded 16-31"));
}

TEST_F(ShardIntake, AGainOfWhichTheRestHasGoneIsOver) {
    begin();
    gain(range(0, 31));
    end_taking(3U);
    EXPECT_FALSE(is_ready_);
    keep(range(0, 15));
    EXPECT_TRUE(is_ready_);
    EXPECT_EQ(told(), "16 shards 3 transactions");
    book_.take();
    chunk({row("theirs", 20)});
    end_taking(4U);
    EXPECT_THAT(book_.take(), IsEmpty());
    EXPECT_EQ(told(), "16 shards 3 transactions") << "once";
}

TEST_F(ShardIntake, AGainThatHasGoneAltogetherIsNotToldOf) {
    begin();
    gain(range(0, 31));
    keep({});
    book_.take();
    end_taking(3U);
    run_for(1s);
    EXPECT_THAT(book_.take("take_up"), IsEmpty());
    EXPECT_TRUE(log_.of(log_event_id::cluster_taken_over).empty());
}

TEST_F(ShardIntake, OnePieceThatFailedAndHasGoneIsNotTriedAgain) {
    begin();
    gain(range(0, 31));
    end_taking(away());
    keep(range(16, 31));
    book_.take();
    run_for(200ms);
    EXPECT_THAT(book_.take("take_up"), ElementsAre("200 take_up 16-31"));
}

TEST_F(ShardIntake, AFenceInTheMiddleEndsItAndWhatComesBackIsLoadedAnew) {
    begin();
    gain(range(0, 31));
    end_taking(3U);
    duties_.on_fenced("gone");
    book_.take();
    duties_.on_gained(range(10, 29), shard_gain::taken_over, 5s);
    EXPECT_THAT(book_.take(), ElementsAre("0 controls", "0 hold 10-29", "0 take_up 10-25"));
    chunk({row("old", 20)}); // the call of before the fence
    end_taking(9U);
    EXPECT_THAT(book_.take(), IsEmpty());
    chunk({row("new", 20)});
    end_taking(4U);
    EXPECT_THAT(book_.take(), ElementsAre("0 load new within 2500", "0 loaded 10-25", "0 take_up 26-29"));
}

TEST_F(ShardIntake, GainsThatComeOneAfterTheOtherAreLoadedBesideEachOther) {
    begin();
    gain(range(0, 31));
    duties_.on_gained(range(40, 71), shard_gain::handed_over, 0ms);
    EXPECT_THAT(book_.take(), ElementsAre("0 hold 40-71", "0 take_up 40-55"));
    end_taking(3U);
    EXPECT_THAT(book_.take(), ElementsAre("0 loaded 0-15", "0 take_up 16-31"));
    end_taking(4U);
    EXPECT_THAT(book_.take(), ElementsAre("0 loaded 40-55", "0 take_up 56-71"));
}

} // namespace
} // namespace prooftrack::engine
