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

TEST_F(ShardIntake, TakesUp64AtATimeOneCallOfTheStoreAfterTheOther) {
    begin();
    duties_.on_gained(range(40, 203), shard_gain::taken_over, 4s);
    EXPECT_THAT(book_.take(), ElementsAre("0 hold 40-203", "0 take_up 40-103"));
    keep(range(40, 203));
    end_taking(3U);
    EXPECT_THAT(book_.take(), ElementsAre("0 loaded 40-103", "0 take_up 104-167"));
    EXPECT_FALSE(is_ready_);
    chunk({row("t1", 120)});
    end_taking(4U);
    EXPECT_THAT(book_.take(), ElementsAre("0 load t1 within 3500", "0 loaded 104-167", "0 take_up 168-203"));
    EXPECT_TRUE(log_.of(log_event_id::cluster_taken_over).empty());
    end_taking(5U);
    EXPECT_THAT(book_.take(), ElementsAre("0 loaded 168-203"));
    EXPECT_TRUE(is_ready_);
    EXPECT_EQ(told(), "164 shards 12 transactions");
    EXPECT_TRUE(cluster_.taking.empty());
}

TEST_F(ShardIntake, OnlyThePieceThatFailedIsTakenUpAgain) {
    begin();
    gain(range(0, 127));
    end_taking(3U);
    book_.take();
    chunk({row("t1", 80)});
    end_taking(away());
    EXPECT_THAT(book_.take(), ElementsAre("0 load t1 within 3500"));
    run_for(199ms);
    EXPECT_THAT(book_.take("take_up"), IsEmpty());
    run_for(1ms);
    EXPECT_THAT(book_.take("take_up"), ElementsAre("200 take_up 64-127"));
    end_taking(4U);
    EXPECT_THAT(book_.take(), ElementsAre("200 loaded 64-127"));
    EXPECT_EQ(told(), "128 shards 7 transactions") << "those of the call that failed count once";
}

TEST_F(ShardIntake, WhatGoesBeforeItsTurnIsNotAskedFor) {
    begin();
    gain(range(0, 191));
    keep(range(0, 63) | range(160, 191));
    book_.take();
    end_taking(3U);
    EXPECT_THAT(book_.take(), ElementsAre("0 loaded 0-63", "0 take_up 160-191"));
    end_taking(4U);
    EXPECT_THAT(book_.take(), ElementsAre("0 loaded 160-191"));
    EXPECT_EQ(told(), "96 shards 7 transactions");
}

TEST_F(ShardIntake, WhatGoesWhileItIsLoadedIsLeftOut) {
    begin();
    gain(range(0, 127));
    keep(range(0, 15) | range(64, 127));
    book_.take();
    chunk({row("mine", 8), row("theirs", 32)});
    end_taking(3U);
    EXPECT_THAT(book_.take(), ElementsAre("0 load mine within 3500", "0 loaded 0-15", "0 take_up 64-127"));
}

TEST_F(ShardIntake, WhenAllThatIsBeingLoadedGoesTheRestIsLoadedAllTheSame) {
    begin();
    gain(range(0, 127));
    keep(range(64, 127));
    book_.take();
    chunk({row("theirs", 32)});
    end_taking(3U);
    EXPECT_THAT(book_.take(), ElementsAre("0 take_up 64-127")) << "nothing of the first ones has been loaded";
    end_taking(4U);
    EXPECT_THAT(book_.take(), ElementsAre("0 loaded 64-127"));
}

TEST_F(ShardIntake, AGainOfWhichTheRestHasGoneIsOver) {
    begin();
    gain(range(0, 127));
    end_taking(3U);
    EXPECT_FALSE(is_ready_);
    keep(range(0, 63));
    EXPECT_TRUE(is_ready_);
    EXPECT_EQ(told(), "64 shards 3 transactions");
    book_.take();
    chunk({row("theirs", 80)});
    end_taking(4U);
    EXPECT_THAT(book_.take(), IsEmpty());
    EXPECT_EQ(told(), "64 shards 3 transactions") << "once";
}

TEST_F(ShardIntake, AGainThatHasGoneAltogetherIsNotToldOf) {
    begin();
    gain(range(0, 127));
    keep({});
    book_.take();
    end_taking(3U);
    run_for(1s);
    EXPECT_THAT(book_.take("take_up"), IsEmpty());
    EXPECT_TRUE(log_.of(log_event_id::cluster_taken_over).empty());
}

TEST_F(ShardIntake, OnePieceThatFailedAndHasGoneIsNotTriedAgain) {
    begin();
    gain(range(0, 127));
    end_taking(away());
    keep(range(64, 127));
    book_.take();
    run_for(200ms);
    EXPECT_THAT(book_.take("take_up"), ElementsAre("200 take_up 64-127"));
}

TEST_F(ShardIntake, AFenceInTheMiddleEndsItAndWhatComesBackIsLoadedAnew) {
    begin();
    gain(range(0, 127));
    end_taking(3U);
    duties_.on_fenced("gone");
    book_.take();
    duties_.on_gained(range(40, 119), shard_gain::taken_over, 5s);
    EXPECT_THAT(book_.take(), ElementsAre("0 controls", "0 hold 40-119", "0 take_up 40-103"));
    chunk({row("old", 80)}); // the call of before the fence
    end_taking(9U);
    EXPECT_THAT(book_.take(), IsEmpty());
    chunk({row("new", 80)});
    end_taking(4U);
    EXPECT_THAT(book_.take(), ElementsAre("0 load new within 2500", "0 loaded 40-103", "0 take_up 104-119"));
}

TEST_F(ShardIntake, GainsThatComeOneAfterTheOtherAreLoadedBesideEachOther) {
    begin();
    gain(range(0, 127));
    duties_.on_gained(range(128, 255), shard_gain::handed_over, 0ms);
    EXPECT_THAT(book_.take(), ElementsAre("0 hold 128-255", "0 take_up 128-191"));
    end_taking(3U);
    EXPECT_THAT(book_.take(), ElementsAre("0 loaded 0-63", "0 take_up 64-127"));
    end_taking(4U);
    EXPECT_THAT(book_.take(), ElementsAre("0 loaded 128-191", "0 take_up 192-255"));
}

} // namespace
} // namespace prooftrack::engine
