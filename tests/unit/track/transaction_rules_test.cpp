#include "track/transaction_rules.hpp"

#include <gtest/gtest.h>

namespace prooftrack::track {
namespace {

using next_poll = judgement::next_poll;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

const wall_time begin = wall_time(hours(1'000'000));
const poll_rules rules;

tracking_facts tracked(tracking_state state = tracking_state::tracking, std::string status = "pending") {
    tracking_facts facts;
    facts.state = state;
    facts.status = std::move(status);
    facts.tracked_at = begin;
    facts.overdue_at = begin + hours(24);
    return facts;
}

tracking_facts settled(std::string status) {
    tracking_facts facts = tracked(tracking_state::settled, std::move(status));
    facts.settled_at = begin + minutes(5);
    return facts;
}

poll_answer good(std::string status) {
    poll_answer answer;
    answer.what = reply_class::good;
    answer.http_status = 200;
    answer.status = std::move(status);
    return answer;
}

poll_answer other(reply_class what) {
    poll_answer answer;
    answer.what = what;
    return answer;
}

judgement judge(
    const tracking_facts& facts, const poll_answer& answer, wall_time now = begin + minutes(6),
    std::uint32_t errors = 0) {
    return judge_answer(facts, answer, now, errors, rules);
}

TEST(TransactionRules, EachTerminalStatusSettlesOnceWithItsEvent) {
    for (const auto& [word, type] :
         {std::pair("completed", event_type::completed), std::pair("failed", event_type::failed),
          std::pair("cancelled", event_type::cancelled)}) {
        for (const auto state :
             {tracking_state::tracking, tracking_state::overdue, tracking_state::not_found, tracking_state::rejected,
              tracking_state::abandoned}) {
            const judgement verdict = judge(tracked(state), good(word));
            EXPECT_EQ(verdict.facts.state, tracking_state::settled);
            EXPECT_EQ(verdict.facts.status, word);
            EXPECT_EQ(verdict.facts.settled_at, begin + minutes(6));
            EXPECT_EQ(verdict.event, type);
            EXPECT_EQ(verdict.previous_status, "pending");
            EXPECT_TRUE(verdict.is_change && verdict.keeps_reply);
            EXPECT_EQ(verdict.next, next_poll::planned);
        }
    }
}

TEST(TransactionRules, NothingButAGoodReplyChangesAState) {
    for (const auto what :
         {reply_class::unauthorized, reply_class::forbidden, reply_class::throttled, reply_class::server_error,
          reply_class::unusable, reply_class::no_reply}) {
        for (const auto state :
             {tracking_state::tracking, tracking_state::overdue, tracking_state::not_found, tracking_state::rejected,
              tracking_state::settled}) {
            const tracking_facts facts = state == tracking_state::settled ? settled("failed") : tracked(state);
            const judgement verdict = judge(facts, other(what), begin + days(400));
            EXPECT_EQ(verdict.facts.state, state) << to_string(what);
            EXPECT_FALSE(verdict.is_change) << to_string(what);
            EXPECT_FALSE(verdict.event.has_value()) << to_string(what);
        }
    }
}

TEST(TransactionRules, TheFirstStatusIsHistoryNotAnEvent) {
    const judgement verdict = judge(tracked(tracking_state::tracking, ""), good("pending"));
    EXPECT_TRUE(verdict.is_change);
    EXPECT_FALSE(verdict.event.has_value());
    EXPECT_EQ(verdict.next, next_poll::in_band);
}

TEST(TransactionRules, AnotherNonTerminalStatusIsUpdated) {
    const judgement verdict = judge(tracked(), good("processing"));
    EXPECT_EQ(verdict.event, event_type::updated);
    EXPECT_EQ(verdict.previous_status, "pending");
    EXPECT_EQ(verdict.facts.state, tracking_state::tracking);
}

TEST(TransactionRules, TheReplyWithAnotherStatusIsKept) {
    EXPECT_TRUE(judge(tracked(), good("processing")).keeps_reply);
    EXPECT_FALSE(judge(tracked(), good("pending")).keeps_reply);
}

TEST(TransactionRules, AnUnknownStatusIsKeptAndNotTerminal) {
    for (const char* word : {"Completed", "refunded", "on_hold"}) {
        const judgement verdict = judge(tracked(), good(word));
        EXPECT_EQ(verdict.facts.status, word);
        EXPECT_EQ(verdict.facts.state, tracking_state::tracking);
        EXPECT_TRUE(verdict.is_unknown_word);
    }
}

TEST(TransactionRules, TheSameStatusAgainTouchesNothing) {
    const judgement verdict = judge(tracked(), good("pending"));
    EXPECT_FALSE(verdict.is_change || verdict.must_save || verdict.event.has_value());
    EXPECT_EQ(verdict.facts, tracked());
}

TEST(TransactionRules, NotFoundNeedsTheGraceMeasuredFromTheFirst404) {
    judgement verdict = judge(tracked(), other(reply_class::not_found), begin);
    EXPECT_EQ(verdict.facts.not_found_since, begin);
    EXPECT_TRUE(verdict.must_save) << "the grace survives a restart";
    EXPECT_FALSE(verdict.is_change);
    verdict = judge(verdict.facts, other(reply_class::not_found), begin + minutes(15) - milliseconds(1));
    EXPECT_EQ(verdict.facts.state, tracking_state::tracking);
    EXPECT_FALSE(verdict.must_save);
    verdict = judge(verdict.facts, other(reply_class::not_found), begin + minutes(15));
    EXPECT_EQ(verdict.facts.state, tracking_state::not_found);
    EXPECT_EQ(verdict.event, event_type::not_found);
    EXPECT_EQ(verdict.next, next_poll::tail);
}

TEST(TransactionRules, AGoodReplyEndsTheGrace) {
    tracking_facts facts = tracked();
    facts.not_found_since = begin;
    const judgement verdict = judge(facts, good("pending"));
    EXPECT_EQ(verdict.facts.not_found_since, std::nullopt);
    EXPECT_TRUE(verdict.must_save);
}

TEST(TransactionRules, ThreeBadRequestsInARowReject) {
    judgement verdict = judge(tracked(), other(reply_class::bad_request));
    verdict = judge(verdict.facts, other(reply_class::bad_request));
    EXPECT_EQ(verdict.facts.state, tracking_state::tracking);
    verdict = judge(verdict.facts, other(reply_class::bad_request));
    EXPECT_EQ(verdict.facts.state, tracking_state::rejected);
    EXPECT_EQ(verdict.event, event_type::rejected);
    EXPECT_EQ(verdict.previous_status, "pending");
    EXPECT_EQ(verdict.next, next_poll::tail);
    verdict = judge(verdict.facts, other(reply_class::bad_request));
    EXPECT_FALSE(verdict.event.has_value()) << "said once";
}

TEST(TransactionRules, AnotherAnswerBreaksTheRowOfBadRequestsSilenceDoesNot) {
    tracking_facts facts = tracked();
    facts.bad_requests = 2;
    EXPECT_EQ(judge(facts, other(reply_class::no_reply)).facts.bad_requests, 2);
    for (const auto what :
         {reply_class::server_error, reply_class::unusable, reply_class::not_found, reply_class::throttled}) {
        EXPECT_EQ(judge(facts, other(what)).facts.bad_requests, 0) << to_string(what);
    }
    EXPECT_EQ(judge(facts, good("pending")).facts.bad_requests, 0);
}

TEST(TransactionRules, NotFoundAndRejectedGoBackAtTheFirstGoodReply) {
    for (const auto state : {tracking_state::not_found, tracking_state::rejected}) {
        const judgement verdict = judge(tracked(state), good("pending"));
        EXPECT_EQ(verdict.facts.state, tracking_state::tracking);
        EXPECT_TRUE(verdict.is_change);
        EXPECT_FALSE(verdict.event.has_value());
        tracking_facts late = tracked(state);
        late.was_overdue = true;
        EXPECT_EQ(judge(late, good("pending"), begin + hours(25)).facts.state, tracking_state::overdue);
    }
}

TEST(TransactionRules, OverdueComesByTimeOnceATracking) {
    EXPECT_EQ(judge_overdue(tracked(), begin + hours(24) - milliseconds(1)), std::nullopt);
    auto verdict = judge_overdue(tracked(), begin + hours(24));
    ASSERT_TRUE(verdict);
    EXPECT_EQ(verdict->event, event_type::overdue);
    EXPECT_EQ(verdict->next, next_poll::tail);
    tracking_facts again = tracked();
    again.was_overdue = true;
    verdict = judge_overdue(again, begin + hours(24));
    ASSERT_TRUE(verdict);
    EXPECT_FALSE(verdict->event.has_value());
    EXPECT_EQ(judge_overdue(tracked(tracking_state::not_found), begin + hours(25)), std::nullopt);
    EXPECT_EQ(judge_overdue(settled("failed"), begin + hours(25)), std::nullopt);
}

TEST(TransactionRules, OverdueStaysOverdueThroughNonTerminalStatuses) {
    const judgement verdict = judge(tracked(tracking_state::overdue), good("processing"), begin + hours(30));
    EXPECT_EQ(verdict.facts.state, tracking_state::overdue);
    EXPECT_EQ(verdict.event, event_type::updated);
    EXPECT_EQ(verdict.next, next_poll::tail);
}

TEST(TransactionRules, AbandonedNeedsAnAnswerAboutThisId) {
    const wall_time late = begin + days(30);
    for (const auto what :
         {reply_class::no_reply, reply_class::server_error, reply_class::unusable, reply_class::unauthorized}) {
        EXPECT_EQ(judge(tracked(tracking_state::overdue), other(what), late).facts.state, tracking_state::overdue);
    }
    for (const poll_answer& answer :
         {good("pending"), good("odd"), other(reply_class::not_found), other(reply_class::bad_request)}) {
        const judgement verdict = judge(tracked(tracking_state::overdue), answer, late);
        EXPECT_EQ(verdict.facts.state, tracking_state::abandoned);
        EXPECT_EQ(verdict.event, event_type::abandoned);
        EXPECT_EQ(verdict.previous_status, "pending");
        EXPECT_EQ(verdict.next, next_poll::never);
        EXPECT_FALSE(verdict.facts.watched);
    }
    EXPECT_EQ(judge(tracked(tracking_state::overdue), good("completed"), late).facts.state, tracking_state::settled);
}

TEST(TransactionRules, AbandonedWinsOverOverdueAndOverdueOverNotFound) {
    tracking_facts facts = tracked();
    facts.not_found_since = begin;
    EXPECT_EQ(judge(facts, other(reply_class::not_found), begin + days(31)).facts.state, tracking_state::abandoned);
    EXPECT_EQ(judge(facts, other(reply_class::not_found), begin + hours(25)).facts.state, tracking_state::tracking)
        << "the deadline makes it overdue, in a change of its own";
}

TEST(TransactionRules, GivingUpCanBeSwitchedOff) {
    poll_rules never = rules;
    never.give_up_after = milliseconds(0);
    EXPECT_EQ(
        judge_answer(tracked(), good("pending"), begin + days(4'000), 0, never).facts.state, tracking_state::tracking);
}

TEST(Verification, AnotherTerminalStatusIsReversed) {
    const judgement verdict = judge(settled("failed"), good("completed"), begin + minutes(15));
    EXPECT_EQ(verdict.event, event_type::reversed);
    EXPECT_EQ(verdict.facts.state, tracking_state::settled);
    EXPECT_EQ(verdict.facts.status, "completed");
    EXPECT_EQ(verdict.previous_status, "failed");
    EXPECT_EQ(verdict.facts.settled_at, begin + minutes(5)) << "counted from the first settlement";
    EXPECT_EQ(verdict.facts.verifications_done, 1);
}

TEST(Verification, EachTimeIsAskedOnceAndThenNeverAgain) {
    judgement verdict = judge(settled("completed"), good("completed"), begin + minutes(15));
    EXPECT_FALSE(verdict.event.has_value());
    EXPECT_EQ(verdict.facts.verifications_done, 1);
    EXPECT_EQ(verdict.next, next_poll::planned);
    EXPECT_EQ(next_verification(verdict.facts, begin + minutes(15), rules), begin + minutes(70));
    verdict = judge(verdict.facts, good("completed"), begin + minutes(70));
    EXPECT_EQ(verdict.next, next_poll::never);
    EXPECT_FALSE(verdict.facts.watched);
    EXPECT_TRUE(verdict.must_save);
    verdict = judge(settled("completed"), good("completed"), begin + hours(5));
    EXPECT_EQ(verdict.facts.verifications_done, 2) << "a daemon that was down asks once, not twice";
}

TEST(Verification, ErrorsChangeNothingAndAreTriedAgainForOverdueAfter) {
    const judgement once = judge(settled("failed"), other(reply_class::no_reply), begin + minutes(15));
    EXPECT_EQ(once.next, next_poll::backoff);
    EXPECT_EQ(once.facts.verifications_done, 0);
    const auto due = begin + minutes(15);
    const judgement late = judge(settled("failed"), other(reply_class::no_reply), due + hours(24) - seconds(1), 100);
    EXPECT_EQ(late.next, next_poll::backoff);
    const judgement last = judge(settled("failed"), other(reply_class::no_reply), due + hours(24), 100);
    EXPECT_EQ(last.next, next_poll::never);
    EXPECT_EQ(last.facts.verifications_done, 2);
    for (const auto what : {reply_class::not_found, reply_class::bad_request}) {
        const judgement verdict = judge(settled("failed"), other(what), begin + minutes(15));
        EXPECT_FALSE(verdict.is_change || verdict.event.has_value());
        EXPECT_EQ(verdict.facts.status, "failed");
        EXPECT_EQ(verdict.next, next_poll::backoff) << "a 404 must not use the verification up";
    }
}

TEST(Verification, ANonTerminalReplyToCompletedChangesNothing) {
    const judgement verdict = judge(settled("completed"), good("processing"), begin + minutes(15));
    EXPECT_TRUE(verdict.is_downgrade);
    EXPECT_EQ(verdict.facts.status, "completed");
    EXPECT_FALSE(verdict.is_change || verdict.facts.recheck_until.has_value());
}

TEST(Verification, ANonTerminalReplyToFailedIsAskedInTheTailUntilTerminal) {
    const wall_time now = begin + minutes(15);
    judgement verdict = judge(settled("failed"), good("pending"), now);
    EXPECT_TRUE(verdict.is_downgrade && verdict.must_save);
    EXPECT_FALSE(verdict.is_change || verdict.event.has_value());
    EXPECT_EQ(verdict.facts.recheck_until, now + hours(24));
    verdict = judge(verdict.facts, good("pending"), now + hours(2));
    EXPECT_EQ(verdict.facts.recheck_until, now + hours(24)) << "not extended";
    EXPECT_EQ(next_verification(verdict.facts, now + hours(2), rules), now + hours(3));
    const judgement paid = judge(verdict.facts, good("completed"), now + hours(3));
    EXPECT_EQ(paid.event, event_type::reversed);
    EXPECT_EQ(paid.facts.recheck_until, std::nullopt);
    EXPECT_EQ(next_verification(verdict.facts, now + hours(23) + minutes(30), rules), std::nullopt)
        << "at most for overdue_after";
    const judgement over = judge(verdict.facts, good("pending"), now + hours(24));
    EXPECT_EQ(over.next, next_poll::never);
    EXPECT_FALSE(over.facts.watched);
}

TEST(Verification, AnUnknownStatusAtAPlannedTimeChangesNothingSoItIsPolledAgain) {
    const judgement pending = judge(settled("failed"), good("pending"), begin + minutes(15));
    const wall_time planned = begin + minutes(70);
    const judgement odd = judge(pending.facts, good("Completed"), planned);
    EXPECT_TRUE(odd.is_downgrade && odd.must_save);
    EXPECT_EQ(odd.facts.recheck_until, planned + hours(24));
    EXPECT_EQ(odd.facts.verifications_done, 2);
    const judgement again = judge(odd.facts, good("Completed"), planned + hours(1));
    EXPECT_EQ(again.facts.recheck_until, planned + hours(24)) << "each planned time does so once";
    const judgement known = judge(pending.facts, good("processing"), planned);
    EXPECT_EQ(known.facts.recheck_until, begin + minutes(15) + hours(24)) << "Proof's own word is an answer";
    EXPECT_EQ(judge(settled("completed"), good("Failed"), planned).facts.recheck_until, std::nullopt);
}

TEST(TransactionRules, UntrackingEndsOnlyWhatHasNotEnded) {
    for (const auto state :
         {tracking_state::tracking, tracking_state::overdue, tracking_state::not_found, tracking_state::rejected}) {
        const auto verdict = judge_untrack(tracked(state));
        ASSERT_TRUE(verdict);
        EXPECT_EQ(verdict->facts.state, tracking_state::untracked);
        EXPECT_FALSE(verdict->event.has_value());
    }
    for (const auto state : {tracking_state::settled, tracking_state::abandoned, tracking_state::untracked}) {
        EXPECT_EQ(judge_untrack(tracked(state)), std::nullopt);
    }
}

TEST(Waits, TheBandIsNeverLeftAndKeepsOffItsEdges) {
    random_source random(11);
    for (int i = 0; i < 10'000; ++i) {
        const auto wait = draw_interval({milliseconds(5'000), milliseconds(10'000)}, random);
        EXPECT_GE(wait, milliseconds(5'050));
        EXPECT_LE(wait, milliseconds(9'950));
    }
    EXPECT_EQ(draw_interval({milliseconds(50), milliseconds(50)}, random), milliseconds(50));
}

TEST(Waits, BackoffDoublesFromTheFirstToTheLongest) {
    random_source random(11);
    const std::pair<milliseconds, milliseconds> band{milliseconds(5'000), milliseconds(300'000)};
    for (std::uint32_t errors = 1; errors < 100; ++errors) {
        const std::int64_t least = std::min<std::int64_t>(300'000, errors < 8 ? 5'000LL << (errors - 1) : 300'000);
        const auto wait = draw_backoff(band, errors, random);
        EXPECT_GE(wait, milliseconds(least)) << errors;
        EXPECT_LE(wait, milliseconds(std::min<std::int64_t>(300'000, least + least / 5))) << errors;
    }
}

TEST(Verification, TheTenthErrorInARowEndsOneThatAUserAskedFor) {
    tracking_facts facts = settled("failed");
    facts.verifications_done = 2;
    const wall_time now = begin + hours(100);
    EXPECT_EQ(judge(facts, other(reply_class::no_reply), now, 8).next, next_poll::backoff);
    EXPECT_EQ(judge(facts, other(reply_class::no_reply), now, 9).next, next_poll::never);
}

TEST(Verification, WhatConcernsAllIsAskedAgainSoon) {
    for (const auto what : {reply_class::unauthorized, reply_class::forbidden, reply_class::throttled}) {
        const judgement verdict = judge(settled("completed"), other(what), begin + minutes(15));
        EXPECT_EQ(verdict.next, next_poll::backoff) << to_string(what);
        EXPECT_FALSE(verdict.is_error) << to_string(what);
    }
}

TEST(Verification, OneThatIsAskedInTheTailAloneIsAskedThereAgainAfterTheTenthError) {
    poll_rules no_times;
    no_times.verify_after.clear();
    tracking_facts facts = settled("failed");
    facts.recheck_until = begin + hours(24);
    const wall_time now = begin + hours(2);
    const poll_answer silence = other(reply_class::no_reply);
    EXPECT_EQ(judge_answer(facts, silence, now, 8, no_times).next, next_poll::backoff);
    const judgement verdict = judge_answer(facts, silence, now, 9, no_times);
    EXPECT_EQ(verdict.next, next_poll::planned);
    EXPECT_EQ(verdict.facts.recheck_until, facts.recheck_until);
}

TEST(TransactionRules, AnErrorBacksOffInTheBandAndChangesNoTail) {
    for (const auto what : {reply_class::server_error, reply_class::unusable, reply_class::no_reply}) {
        EXPECT_EQ(judge(tracked(), other(what)).next, next_poll::backoff) << to_string(what);
        EXPECT_EQ(judge(tracked(tracking_state::overdue), other(what)).next, next_poll::tail) << to_string(what);
        EXPECT_TRUE(judge(tracked(), other(what)).is_error) << to_string(what);
    }
    for (const auto what : {reply_class::unauthorized, reply_class::forbidden, reply_class::throttled}) {
        EXPECT_EQ(judge(tracked(), other(what)).next, next_poll::in_band) << to_string(what);
        EXPECT_FALSE(judge(tracked(), other(what)).is_error) << to_string(what);
    }
}

TEST(Times, MoveTogether) {
    tracking_facts facts = settled("failed");
    facts.not_found_since = begin + minutes(1);
    facts.recheck_until = begin + minutes(2);
    const tracking_facts moved = move_times(facts, hours(-3));
    EXPECT_EQ(moved.tracked_at, begin - hours(3));
    EXPECT_EQ(moved.overdue_at, begin + hours(21));
    EXPECT_EQ(moved.settled_at, begin + minutes(5) - hours(3));
    EXPECT_EQ(moved.not_found_since, begin + minutes(1) - hours(3));
    EXPECT_EQ(moved.recheck_until, begin + minutes(2) - hours(3));
    EXPECT_EQ(move_times(tracked(), hours(1)).settled_at, std::nullopt);
}

TEST(Times, WithinTwoSecondsOfWhatCanBeStayAsTheyAre) {
    const wall_time now = begin + hours(1);
    for (const int off : {2'000, 2'001}) {
        const milliseconds beyond(off);
        tracking_facts ahead = tracked();
        ahead.tracked_at = now + beyond;
        ahead.overdue_at = ahead.tracked_at + hours(24);
        tracking_facts settled_ahead = settled("failed");
        settled_ahead.settled_at = now + beyond;
        tracking_facts lost_before = tracked();
        lost_before.not_found_since = begin - beyond;
        tracking_facts long_recheck = settled("failed");
        long_recheck.recheck_until = now + hours(24) + beyond;
        for (const tracking_facts& facts : {ahead, settled_ahead, lost_before, long_recheck})
            EXPECT_EQ(without_impossible(facts, now).has_value(), off == 2'001);
        if (off == 2'000) continue;
        EXPECT_EQ(without_impossible(ahead, now)->tracked_at, now);
        EXPECT_EQ(without_impossible(ahead, now)->overdue_at, now + hours(24));
        EXPECT_EQ(without_impossible(settled_ahead, now)->settled_at, now);
        EXPECT_EQ(without_impossible(lost_before, now)->not_found_since, now);
        EXPECT_EQ(without_impossible(long_recheck, now)->recheck_until, now + hours(24));
    }
}

} // namespace
} // namespace prooftrack::track
