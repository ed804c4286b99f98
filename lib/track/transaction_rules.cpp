#include "track/transaction_rules.hpp"

#include <algorithm>

namespace prooftrack::track {
namespace {

using next_poll = judgement::next_poll;

event_type terminal_event(status_kind kind) {
    if (kind == status_kind::completed) return event_type::completed;
    return kind == status_kind::failed ? event_type::failed : event_type::cancelled;
}

next_poll cadence_of(const tracking_facts& facts) {
    if (!facts.watched) return next_poll::never;
    if (facts.state == tracking_state::settled) return next_poll::planned;
    return facts.state == tracking_state::tracking ? next_poll::in_band : next_poll::tail;
}

bool is_past_giving_up(const tracking_facts& facts, judging_time time, const poll_rules& rules) {
    return rules.give_up_after > milliseconds(0) && time.sure >= facts.tracked_at + rules.give_up_after;
}

judgement abandon(judgement verdict) {
    verdict.previous_status = verdict.facts.status;
    verdict.facts.state = tracking_state::abandoned;
    verdict.facts.watched = false;
    verdict.is_change = true;
    verdict.event = event_type::abandoned;
    verdict.next = next_poll::never;
    return verdict;
}

judgement settle(
    judgement verdict, const std::string& word, status_kind kind, judging_time time, const poll_rules& rules) {
    tracking_facts& facts = verdict.facts;
    verdict.previous_status = facts.status;
    facts.state = tracking_state::settled;
    facts.status = word;
    facts.settled_at = time.now;
    facts.not_found_since.reset();
    facts.recheck_until.reset();
    facts.bad_requests = 0;
    facts.verifications_done = 0;
    facts.watched = !rules.verify_after.empty();
    verdict.is_change = true;
    verdict.keeps_reply = true;
    verdict.event = terminal_event(kind);
    verdict.next = cadence_of(facts);
    return verdict;
}

bool is_verification_due(const tracking_facts& facts, judging_time time, const poll_rules& rules) {
    return facts.verifications_done < rules.verify_after.size() &&
           *facts.settled_at + rules.verify_after[facts.verifications_done] <= time.sure;
}

/// Marks the times of verify_after that have passed as done and plans the rest.
void finish_verification(judgement& verdict, judging_time time, const poll_rules& rules) {
    tracking_facts& facts = verdict.facts;
    const tracking_facts before = facts;
    while (is_verification_due(facts, time, rules)) ++facts.verifications_done;
    if (facts.recheck_until && time.sure >= *facts.recheck_until) facts.recheck_until.reset();
    facts.watched = next_verification(facts, time.sure, rules).has_value();
    verdict.next = cadence_of(facts);
    verdict.must_save = verdict.must_save || !(facts == before);
}

judgement judge_settled_word(judgement verdict, const std::string& word, judging_time time, const poll_rules& rules) {
    tracking_facts& facts = verdict.facts;
    const status_kind kind = classify_status(word);
    if (is_terminal(kind)) {
        if (word != facts.status) {
            verdict.previous_status = facts.status;
            facts.status = word;
            verdict.is_change = true;
            verdict.keeps_reply = true;
            verdict.event = event_type::reversed;
        }
        if (facts.recheck_until) {
            facts.recheck_until.reset();
            verdict.must_save = true;
        }
    } else {
        verdict.is_downgrade = true;
        // An unknown status says nothing about the money: at a planned time polling goes on from there.
        const bool is_lost = kind == status_kind::other && is_verification_due(facts, time, rules);
        if (facts.status != "completed" && (!facts.recheck_until || is_lost)) {
            facts.recheck_until = time.now + (facts.overdue_at - facts.tracked_at);
            verdict.must_save = true;
        }
    }
    finish_verification(verdict, time, rules);
    return verdict;
}

bool is_verification_lost(
    const tracking_facts& facts, judging_time time, std::uint32_t errors, const poll_rules& rules) {
    if (errors < most_verification_errors) return false;
    if (facts.verifications_done >= rules.verify_after.size()) return true;
    const wall_time planned = *facts.settled_at + rules.verify_after[facts.verifications_done];
    return time.sure < planned || time.sure >= planned + (facts.overdue_at - facts.tracked_at);
}

judgement judge_settled(
    judgement verdict, const poll_answer& answer, judging_time time, std::uint32_t errors_before,
    const poll_rules& rules, bool is_own_denial) {
    switch (is_own_denial ? reply_class::server_error : answer.what) {
    case reply_class::good:
        return judge_settled_word(std::move(verdict), answer.status, time, rules);
    case reply_class::unchanged: {
        const std::string word = verdict.facts.status;
        return judge_settled_word(std::move(verdict), word, time, rules);
    }
    case reply_class::unauthorized:
    case reply_class::forbidden:
    case reply_class::throttled:
        verdict.next = next_poll::backoff;
        return verdict;
    case reply_class::not_found: // changes nothing, and says nothing about the money either: asked again like any error
    case reply_class::bad_request:
    case reply_class::server_error:
    case reply_class::unusable:
    case reply_class::no_reply:
        verdict.is_error = true;
        verdict.next = next_poll::backoff;
        if (is_verification_lost(verdict.facts, time, errors_before + 1, rules))
            finish_verification(verdict, time, rules);
        return verdict;
    }
    return verdict;
}

judgement judge_good(judgement verdict, const std::string& word, judging_time time, const poll_rules& rules) {
    tracking_facts& facts = verdict.facts;
    const status_kind kind = classify_status(word);
    if (is_terminal(kind)) return settle(std::move(verdict), word, kind, time, rules);
    verdict.is_unknown_word = kind == status_kind::other;
    const bool is_new_word = word != facts.status;
    const std::string previous = facts.status;
    verdict.must_save = facts.not_found_since.has_value();
    facts.not_found_since.reset();
    facts.bad_requests = 0;
    facts.status = word;
    verdict.keeps_reply = is_new_word;
    verdict.is_change = is_new_word;
    if (facts.state == tracking_state::abandoned) return verdict; // asked once by hand: the word is kept, the end stays
    if (is_past_giving_up(facts, time, rules)) {
        verdict = abandon(std::move(verdict));
        verdict.previous_status = previous;
        return verdict;
    }
    if (facts.state == tracking_state::not_found || facts.state == tracking_state::rejected) {
        // Back to tracking; the deadline, if it is past and was not announced yet, makes it overdue in a change of its
        // own.
        facts.state = facts.was_overdue ? tracking_state::overdue : tracking_state::tracking;
        verdict.is_change = true;
    }
    if (is_new_word && !previous.empty()) {
        verdict.event = event_type::updated;
        verdict.previous_status = previous;
    }
    verdict.next = cadence_of(facts);
    return verdict;
}

judgement judge_not_found(judgement verdict, judging_time time, const poll_rules& rules) {
    tracking_facts& facts = verdict.facts;
    facts.bad_requests = 0;
    if (facts.state == tracking_state::abandoned) return verdict;
    if (is_past_giving_up(facts, time, rules)) return abandon(std::move(verdict));
    if (!facts.not_found_since && time.is_vouched) {
        facts.not_found_since = time.now;
        verdict.must_save = true; // the grace goes on through a restart
    }
    const bool is_overdue_first =
        facts.state == tracking_state::tracking && time.sure >= facts.overdue_at && !facts.was_overdue;
    const bool may_enter = facts.state == tracking_state::tracking || facts.state == tracking_state::rejected;
    if (may_enter && !is_overdue_first && facts.not_found_since &&
        time.sure - *facts.not_found_since >= rules.not_found_grace) {
        facts.state = tracking_state::not_found;
        verdict.is_change = true;
        verdict.event = event_type::not_found;
        verdict.previous_status = facts.status;
    }
    verdict.next = cadence_of(facts);
    return verdict;
}

judgement judge_bad_request(judgement verdict, judging_time time, const poll_rules& rules) {
    constexpr std::uint8_t rejected_after = 3;
    tracking_facts& facts = verdict.facts;
    if (facts.state == tracking_state::abandoned) return verdict;
    if (is_past_giving_up(facts, time, rules)) return abandon(std::move(verdict));
    facts.bad_requests = std::min<std::uint8_t>(static_cast<std::uint8_t>(facts.bad_requests + 1), rejected_after);
    if (facts.bad_requests >= rejected_after && facts.state != tracking_state::rejected) {
        facts.state = tracking_state::rejected;
        verdict.is_change = true;
        verdict.event = event_type::rejected;
        verdict.previous_status = facts.status;
    }
    verdict.next = cadence_of(facts);
    return verdict;
}

} // namespace

judgement judge_answer(
    const tracking_facts& facts, const poll_answer& answer, judging_time time, std::uint32_t errors_before,
    const poll_rules& rules, bool is_own_denial) {
    judgement verdict;
    verdict.facts = facts;
    verdict.next = cadence_of(facts);
    if (facts.state == tracking_state::settled) {
        return judge_settled(std::move(verdict), answer, time, errors_before, rules, is_own_denial);
    }
    switch (is_own_denial ? reply_class::server_error : answer.what) {
    case reply_class::good:
        return judge_good(std::move(verdict), answer.status, time, rules);
    case reply_class::unchanged:
        return judge_good(std::move(verdict), facts.status, time, rules);
    case reply_class::not_found:
        verdict.is_error = true;
        return judge_not_found(std::move(verdict), time, rules);
    case reply_class::bad_request:
        verdict.is_error = true;
        return judge_bad_request(std::move(verdict), time, rules);
    case reply_class::unauthorized:
    case reply_class::forbidden:
    case reply_class::throttled:
        verdict.facts.bad_requests = 0;
        return verdict; // concerns all polls, not this transaction
    case reply_class::server_error:
    case reply_class::unusable:
        verdict.facts.bad_requests = 0;
        verdict.is_error = true;
        if (verdict.next == next_poll::in_band) verdict.next = next_poll::backoff;
        return verdict;
    case reply_class::no_reply: // silence does not break a row of 400s
        verdict.is_error = true;
        if (verdict.next == next_poll::in_band) verdict.next = next_poll::backoff;
        return verdict;
    }
    return verdict;
}

std::optional<judgement> judge_overdue(const tracking_facts& facts, judging_time time) {
    if (facts.state != tracking_state::tracking || time.sure < facts.overdue_at) return std::nullopt;
    judgement verdict;
    verdict.facts = facts;
    verdict.facts.state = tracking_state::overdue;
    verdict.is_change = true;
    verdict.previous_status = facts.status;
    verdict.next = next_poll::tail;
    if (!facts.was_overdue) verdict.event = event_type::overdue;
    verdict.facts.was_overdue = true;
    return verdict;
}

std::optional<judgement> judge_untrack(const tracking_facts& facts) {
    if (is_ended(facts.state)) return std::nullopt;
    judgement verdict;
    verdict.facts = facts;
    verdict.facts.state = tracking_state::untracked;
    verdict.facts.watched = false;
    verdict.is_change = true;
    verdict.next = next_poll::never;
    return verdict;
}

std::optional<wall_time> next_verification(const tracking_facts& facts, wall_time now, const poll_rules& rules) {
    if (facts.state != tracking_state::settled || !facts.settled_at) return std::nullopt;
    std::optional<wall_time> next;
    if (facts.verifications_done < rules.verify_after.size()) {
        // Counted from now at the latest: a clock that was ahead must not put it off.
        next = std::min(*facts.settled_at, now) + rules.verify_after[facts.verifications_done];
    }
    if (facts.recheck_until && now < *facts.recheck_until) {
        // From start to start, so that restarts do not put it off.
        const wall_time tail = std::max(now, facts.last_polled_at.value_or(now) + rules.tail_interval);
        if (tail < *facts.recheck_until) next = next ? std::min(*next, tail) : tail;
    }
    return next;
}

tracking_facts move_times(tracking_facts facts, milliseconds by) {
    facts.tracked_at += by;
    facts.overdue_at += by;
    for (auto* time : {&facts.settled_at, &facts.not_found_since, &facts.recheck_until}) {
        if (*time) **time += by;
    }
    return facts;
}

std::optional<tracking_facts> without_impossible(const tracking_facts& facts, wall_time now) {
    constexpr milliseconds tolerance{2'000};
    const milliseconds span = facts.overdue_at - facts.tracked_at;
    tracking_facts mended = facts;
    if (facts.tracked_at > now + tolerance) {
        mended.tracked_at = now;
        mended.overdue_at = now + span;
    }
    const auto is_impossible = [&](const std::optional<wall_time>& time) {
        return time && (*time > now + tolerance || *time < mended.tracked_at - tolerance);
    };
    if (is_impossible(facts.settled_at)) mended.settled_at = now;
    if (is_impossible(facts.not_found_since)) mended.not_found_since = now;
    if (facts.recheck_until && *facts.recheck_until > now + span + tolerance) mended.recheck_until = now + span;
    return mended == facts ? std::nullopt : std::optional(std::move(mended));
}

steady_duration draw_interval(const std::pair<milliseconds, milliseconds>& band, random_source& random) {
    using std::chrono::nanoseconds;
    const std::int64_t low = nanoseconds(band.first).count();
    const std::int64_t high = nanoseconds(band.second).count();
    const std::int64_t margin = (high - low) / 100;
    return nanoseconds(random.between(low + margin, high - margin));
}

steady_duration draw_backoff(
    const std::pair<milliseconds, milliseconds>& backoff, std::uint32_t errors, random_source& random) {
    using std::chrono::nanoseconds;
    constexpr std::uint32_t most_doublings = 30;
    const std::int64_t first = nanoseconds(backoff.first).count();
    const std::int64_t longest = nanoseconds(backoff.second).count();
    const std::uint32_t doublings = std::min(errors == 0 ? 0 : errors - 1, most_doublings);
    std::int64_t wait = first;
    for (std::uint32_t i = 0; i < doublings && wait < longest; ++i) wait *= 2;
    wait = std::min(wait, longest);
    return nanoseconds(std::min(wait + random.between(0, wait / 5), longest));
}

} // namespace prooftrack::track
