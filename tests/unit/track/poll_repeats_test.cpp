#include "track/poll_repeats.hpp"

#include <gtest/gtest.h>

namespace prooftrack::track {
namespace {

constexpr connection_facts fresh_of_one{};
constexpr connection_facts used_of_one{.has_lived = true};
constexpr connection_facts fresh_of_many{.is_shared = true};
constexpr connection_facts used_of_many{.has_lived = true, .is_shared = true};

TEST(PollRepeats, AFirstTryIsRepeatedIfItsConnectionMayHaveBeenStaleOrBrokenByAnother) {
    const poll_tries first;
    EXPECT_FALSE(may_be_repeated(first, no_reply::unanswered, fresh_of_one));
    EXPECT_TRUE(may_be_repeated(first, no_reply::unanswered, used_of_one));
    EXPECT_TRUE(may_be_repeated(first, no_reply::unanswered, fresh_of_many));
    EXPECT_TRUE(may_be_repeated(first, no_reply::unanswered, used_of_many));
    EXPECT_FALSE(may_be_repeated(first, no_reply::reset, fresh_of_many)) << "it was reset alone: nobody else's doing";
    EXPECT_TRUE(may_be_repeated(first, no_reply::reset, used_of_many));
}

TEST(PollRepeats, ASecondTryIsRepeatedOnceMoreIfAnotherMayHaveBrokenItsConnection) {
    const poll_tries second{.repeats = 1};
    EXPECT_FALSE(may_be_repeated(second, no_reply::unanswered, used_of_one));
    EXPECT_TRUE(may_be_repeated(second, no_reply::unanswered, fresh_of_many));
    EXPECT_FALSE(may_be_repeated(second, no_reply::reset, used_of_many));
    EXPECT_FALSE(may_be_repeated({.repeats = most_repeats}, no_reply::unanswered, used_of_many));
}

TEST(PollRepeats, AReplyThatWasCutIsRepeatedIfAnotherMayHaveBrokenItsConnection) {
    EXPECT_FALSE(may_be_repeated({}, no_reply::cut, used_of_one)) << "a stale connection brings no part of a reply";
    EXPECT_TRUE(may_be_repeated({}, no_reply::cut, fresh_of_many));
    EXPECT_TRUE(may_be_repeated({.repeats = 1}, no_reply::cut, fresh_of_many));
    EXPECT_FALSE(may_be_repeated({.repeats = most_repeats}, no_reply::cut, used_of_many));
}

TEST(PollRepeats, WhatWasGivenUpIsNotRepeated) {
    EXPECT_FALSE(may_be_repeated({}, no_reply::given_up, used_of_many));
    EXPECT_FALSE(may_be_repeated({}, no_reply::unprocessed, used_of_many)) << "count_refusal decides";
}

TEST(PollRepeats, RefusalsAreSixteenWithTheConnectionAndFourAlone) {
    poll_tries with_connection;
    for (int i = 0; i < 16; ++i) EXPECT_TRUE(count_refusal(with_connection, true)) << i;
    EXPECT_FALSE(count_refusal(with_connection, true));
    poll_tries alone;
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(count_refusal(alone, false)) << i;
    EXPECT_EQ(alone, (poll_tries{.refusals = 16}));
    EXPECT_FALSE(count_refusal(alone, true)) << "both count";
}

TEST(PollRepeats, AfterFourEndsOfConnectionsANewOneIsNeeded) {
    poll_tries tries;
    for (int i = 0; i < 3; ++i) count_refusal(tries, true);
    EXPECT_FALSE(needs_new_connection(tries));
    count_refusal(tries, false);
    EXPECT_FALSE(needs_new_connection(tries)) << "it was refused alone";
    count_refusal(tries, true);
    EXPECT_TRUE(needs_new_connection(tries));
    EXPECT_TRUE(is_new_connection(9));
    EXPECT_FALSE(is_new_connection(10));
}

TEST(RepeatsTogether, AreAtMostTenAndFirstTriesDoNotCount) {
    repeats_together together;
    for (int i = 0; i < 9; ++i) {
        together.add({.repeats = 1});
        together.add({});
    }
    EXPECT_TRUE(together.takes_repeat());
    together.add({.repeats = 1});
    EXPECT_FALSE(together.takes_repeat());
    together.remove({});
    EXPECT_FALSE(together.takes_repeat());
    together.remove({.repeats = 1});
    EXPECT_TRUE(together.takes_repeat());
}

TEST(RepeatsTogether, ASuspectIsBesideNone) {
    repeats_together together;
    EXPECT_TRUE(together.takes_suspect());
    together.add({.repeats = 1});
    EXPECT_FALSE(together.takes_suspect());
    together.remove({.repeats = 1});
    together.add({.repeats = most_repeats});
    EXPECT_FALSE(together.takes_suspect());
    EXPECT_FALSE(together.takes_repeat());
    together.remove({});
    EXPECT_FALSE(together.takes_repeat());
    together.remove({.repeats = most_repeats});
    EXPECT_TRUE(together.takes_repeat());
    EXPECT_TRUE(together.takes_suspect());
}

} // namespace
} // namespace prooftrack::track
