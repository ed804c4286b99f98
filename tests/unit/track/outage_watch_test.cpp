#include "track/outage_watch.hpp"

#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace prooftrack::track {
namespace {

using namespace std::chrono_literals;

constexpr steady_time start(100s);
const std::pair<milliseconds, milliseconds> interval{5s, 10s};
constexpr candidates nobody{0, 0, 0};

struct watched_run {
    outage_watch watch;

    explicit watched_run(int failures, standing before, bool is_denial = true, bool is_in_cadence = true) {
        fail(failures, before, is_denial, is_in_cadence);
    }
    void fail(int failures, standing before, bool is_denial = true, bool is_in_cadence = true) {
        for (int i = 0; i < failures; ++i) watch.on_failed(before, is_in_cadence, is_denial, start, start);
    }
    bool at(steady_duration age, const candidates& left) const {
        return watch.concerns_all(left, interval, start + age);
    }
};

TEST(OutageWatch, WithoutAFailureThereIsNone) {
    outage_watch watch;
    EXPECT_FALSE(watch.is_open());
    EXPECT_FALSE(watch.concerns_all(nobody, interval, start + 1h));
    EXPECT_EQ(watch.next_look(interval, start), std::nullopt);
    EXPECT_FALSE(watch.on_answered(start));
    EXPECT_EQ(watch.run(), 1U);
}

TEST(OutageWatch, ARefusalOfTheOnlyOneThatWasAnsweredIsEverybodysAtOnce) {
    EXPECT_TRUE(watched_run(1, standing::answered).at(0s, nobody));
}

TEST(OutageWatch, OneThatWasNeverAnsweredWaitsForNewcomers) {
    EXPECT_FALSE(watched_run(1, standing::untried).at(1'999ms, nobody));
    EXPECT_TRUE(watched_run(1, standing::untried).at(2s, nobody));
    EXPECT_FALSE(watched_run(1, standing::failing).at(1'999ms, nobody));
    EXPECT_TRUE(watched_run(1, standing::failing).at(2s, nobody));
}

TEST(OutageWatch, AnErrorOrSilenceCountsFromTheThird) {
    EXPECT_FALSE(watched_run(2, standing::answered, false).at(1h, nobody));
    EXPECT_TRUE(watched_run(3, standing::answered, false).at(0s, nobody));
    watched_run mixed(1, standing::answered, false);
    mixed.fail(1, standing::answered, true);
    EXPECT_TRUE(mixed.at(0s, nobody)) << "the last one is a refusal";
    mixed.fail(1, standing::answered, false);
    EXPECT_TRUE(mixed.at(0s, nobody)) << "or the third";
}

TEST(OutageWatch, OneOutOfTheCadenceIsAskedFirstButNotForLongerThanABand) {
    const candidates beside{0, 0, 1};
    EXPECT_FALSE(watched_run(5, standing::answered).at(12s - 1ms, beside));
    EXPECT_TRUE(watched_run(5, standing::answered).at(12s, beside));
    watched_run it_failed(1, standing::answered);
    it_failed.fail(1, standing::answered, true, false);
    EXPECT_TRUE(it_failed.at(0s, beside));
    watched_run first_of_all(1, standing::answered, true, false);
    EXPECT_FALSE(first_of_all.at(0s, beside)) << "a failure beside the cadence, but no second one";
    watched_run strange(1, standing::answered);
    strange.fail(1, standing::untried, true, false);
    EXPECT_FALSE(strange.at(0s, beside)) << "anybody can add one that was never answered";
}

TEST(OutageWatch, WithinABandOnlyAnOverwhelmingNumberCountsWhileOthersAreLeft) {
    for (const candidates& left : {candidates{1, 0, 0}, candidates{0, 1, 0}}) {
        EXPECT_FALSE(watched_run(999, standing::answered).at(12s - 1ms, left));
        EXPECT_FALSE(watched_run(1'000, standing::answered).at(1s - 1ms, left));
        EXPECT_TRUE(watched_run(1'000, standing::answered).at(1s, left));
        EXPECT_FALSE(watched_run(2'000, standing::untried).at(12s - 1ms, left));
    }
}

TEST(OutageWatch, BehindTheBandTwentyOfThoseThatWereAnsweredAreEnough) {
    const candidates left{1, 0, 0};
    EXPECT_FALSE(watched_run(19, standing::answered).at(1h, left));
    EXPECT_TRUE(watched_run(20, standing::answered).at(12s, left));
    EXPECT_FALSE(watched_run(100, standing::untried).at(1h, left));
    EXPECT_FALSE(watched_run(100, standing::failing).at(1h, left));
}

TEST(OutageWatch, WhereOnlyUntriedOnesAreLeftTheyCountAsWell) {
    const candidates left{0, 1, 0};
    EXPECT_FALSE(watched_run(19, standing::untried).at(1h, left));
    EXPECT_TRUE(watched_run(20, standing::untried).at(12s, left));
    watched_run mixed(10, standing::answered);
    mixed.fail(9, standing::untried);
    EXPECT_FALSE(mixed.at(24s - 1ms, left));
    EXPECT_TRUE(mixed.at(24s, left)) << "two bands are enough for any that was answered";
    mixed.fail(1, standing::untried);
    EXPECT_TRUE(mixed.at(12s, left));
    EXPECT_FALSE(watched_run(100, standing::failing).at(1h, left));
}

TEST(OutageWatch, LooksAgainWhenTimeAloneMayChangeIt) {
    const watched_run run(1, standing::answered);
    std::vector<steady_duration> looks;
    for (std::optional<steady_time> now = start; (now = run.watch.next_look(interval, *now));)
        looks.push_back(*now - start);
    EXPECT_EQ(looks, (std::vector<steady_duration>{1s, 2s, 12s, 24s}));
}

TEST(OutageWatch, EndsWithAnAnswerToAPollThatStartedNoSoonerThanTheFirstFailedOne) {
    outage_watch watch;
    watch.on_failed(standing::answered, true, true, start - 3s, start);
    watch.on_failed(standing::untried, true, true, start - 2s, start + 5s);
    watch.on_failed(standing::answered, false, true, start - 2s, start + 5s);
    EXPECT_FALSE(watch.on_answered(start - 3s - 1ms));
    EXPECT_TRUE(watch.is_open());
    EXPECT_EQ(watch.run(), 1U);
    EXPECT_TRUE(watch.on_answered(start - 3s));
    EXPECT_FALSE(watch.is_open());
    EXPECT_EQ(watch.run(), 2U);
    EXPECT_FALSE(watch.on_answered(start)) << "it has ended";
    EXPECT_EQ(watch.run(), 2U);
}

TEST(OutageWatch, ANewRunBeginsFromNothing) {
    watched_run run(1'000, standing::answered);
    run.fail(1'000, standing::untried);
    run.fail(1, standing::answered, true, false);
    run.watch.close();
    run.fail(1, standing::failing);
    EXPECT_FALSE(run.at(1h, {1, 0, 0}));
    EXPECT_FALSE(run.at(1h, {0, 1, 0}));
    EXPECT_FALSE(run.at(11s, {0, 0, 1}));
    EXPECT_FALSE(run.at(1s, nobody)) << "nobody who was answered has failed in it";
    run.watch.close();
    EXPECT_EQ(run.watch.run(), 3U);
}

} // namespace
} // namespace prooftrack::track
