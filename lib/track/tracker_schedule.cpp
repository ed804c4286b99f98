// When each transaction is polled: the queues, the spread after a start, deadlines, capacity.

#include <algorithm>
#include <utility>

#include "track/tracker.hpp"

namespace prooftrack::track {
namespace {

using std::chrono::nanoseconds;

constexpr milliseconds between_wanted_polls{1'000};
/// The longest gap between two first polls: at least 1,000 a second start, however few there are.
constexpr nanoseconds longest_first_poll_gap{1'000'000};
constexpr int first_polls_at_once = 100;
constexpr seconds behind_patience{5};
constexpr seconds between_behind_words{60};
constexpr seconds rate_window{5};
constexpr milliseconds between_rate_steps{100};

std::int64_t ns(steady_time when) { return nanoseconds(when.time_since_epoch()).count(); }
steady_time from_ns(std::int64_t when) { return steady_time(nanoseconds(when)); }
/// Rounded up: a gap counted from it is never shorter than it looks.
std::int64_t ms_not_before(steady_time when) {
    return std::chrono::ceil<milliseconds>(when.time_since_epoch()).count();
}

nanoseconds mean(const std::pair<milliseconds, milliseconds>& band) {
    return (nanoseconds(band.first) + nanoseconds(band.second)) / 2;
}

} // namespace

/// Requires a row that is not in the queue of hints.
void tracker::wait_until(std::uint32_t slot, steady_time due) {
    table_.at(slot).phase = row_phase::waiting;
    due_.set(slot, ns(due));
}

/// A hint or a poll on demand: before all others, but at most once a second an id.
void tracker::want_now(std::uint32_t slot, instant now) {
    transaction_row& row = table_.at(slot);
    steady_time due = now.steady;
    if (row.last_started != transaction_row::never) {
        due = std::max(due, row.after_last_start(between_wanted_polls));
    } else if (const auto left = just_left_.find(row.id.str()); left != just_left_.end()) {
        due = std::max(due, steady_time(milliseconds(left->second)) + between_wanted_polls); // another tracking's
    }
    due_.erase(slot);
    row.phase = row_phase::waiting;
    row.is_urgent = true;
    row.wants_poll = false;
    urgent_.set(slot, ns(due));
}

void tracker::leave_queues(std::uint32_t slot) {
    transaction_row& row = table_.at(slot);
    due_.erase(slot);
    urgent_.erase(slot);
    row.is_urgent = false;
    row.phase = row_phase::idle;
}

/// A poll on demand of a transaction that has just left memory waits like all others.
void tracker::remember_start(const transaction_row& row) {
    if (row.last_started == transaction_row::never) return;
    const std::int64_t past = row.last_started - between_wanted_polls.count();
    if (swept_at_ <= past) {
        erase_if(just_left_, [past](const auto& left) { return left.second <= past; });
        swept_at_ = row.last_started;
    }
    just_left_.insert_or_assign(row.id.str(), row.last_started);
}

/// Requires a row that is in no queue.
void tracker::erase(std::uint32_t slot) {
    remember_start(table_.at(slot));
    deadlines_.erase(slot);
    table_.erase(slot);
}

/// A tracking begins: its first poll comes as soon as the pace of first polls and an earlier poll of the id allow.
void tracker::begin_tracking(std::uint32_t slot, instant now) {
    transaction_row& row = table_.at(slot);
    steady_time due = first_poll_time(now);
    if (row.last_started != transaction_row::never) {
        due = std::max(due, row.after_last_start(between_wanted_polls));
        remember_start(row); // that poll was another tracking's
        row.last_started = transaction_row::never;
    }
    wait_until(slot, due);
    table_.set_standing(slot, standing::untried);
    fresh_.push_back(table_.ref(slot));
}

void tracker::schedule(std::uint32_t slot, judgement::next_poll next, instant now) {
    transaction_row& row = table_.at(slot);
    row.is_backing_off = next == judgement::next_poll::backoff;
    if (row.wants_poll) {
        want_now(slot, now);
        return;
    }
    const steady_time start = row.last_started == transaction_row::never ? now.steady : row.after_last_start({});
    const steady_duration band = draw_interval(options_.rules.interval, random_);
    switch (next) {
    case judgement::next_poll::in_band:
        wait_until(slot, start + band);
        return;
    case judgement::next_poll::backoff:
        wait_until(
            slot, std::max(start + band, now.steady + draw_backoff(options_.rules.backoff, row.errors, random_)));
        return;
    case judgement::next_poll::tail:
        if (was_overdue_too_soon(row, now)) {
            wait_until(slot, start + band);
            return;
        }
        wait_until(slot, start + std::max<steady_duration>(options_.rules.tail_interval, band));
        return;
    case judgement::next_poll::planned: {
        // Nothing is known about the clock: the poll may be too soon, and the reply's Date will show it.
        const bool is_known = clock_.level() != vouched_clock::trust::none;
        if (is_known) now.wall = time_for(slot, table_.facts(slot, now), now).sure;
        const auto planned = next_verification(table_.facts(slot, now), now.wall, options_.rules);
        // Its times were taken away or have passed, and the stored row is watched: one more answer says that it is not.
        const milliseconds wait = planned ? *planned - now.wall : milliseconds(0);
        wait_until(slot, std::max(start + options_.rules.interval.first, now.steady + wait));
        return;
    }
    case judgement::next_poll::never:
        erase(slot);
        return;
    }
}

/// Spreads the polls that are due (at a start: of all that are tracked) over one mean interval, the longest unseen
/// first.
void tracker::respread(instant now, bool is_start) {
    std::vector<std::pair<std::int64_t, std::uint32_t>> due; // (last start, slot)
    for (std::uint32_t slot = 0; slot < table_.slots(); ++slot) {
        if (!table_.is_used(slot)) continue;
        transaction_row& row = table_.at(slot);
        if (row.phase != row_phase::waiting && row.phase != row_phase::idle) continue;
        if (row.is_urgent || (row.is_backing_off && !row.watched)) continue; // somebody asked for it
        const auto waits_until = due_.when(slot);
        const bool is_tracking = row.state == tracking_state::tracking;
        if (is_tracking && (is_start || !waits_until || *waits_until <= ns(now.steady))) {
            due.emplace_back(row.last_started, slot);
        } else if (!is_tracking) {
            const bool is_settled = row.state == tracking_state::settled;
            if (is_settled && !next_verification(table_.facts(slot, now), now.wall, options_.rules)) {
                // A reload took its times of verify_after away. It is asked once more: what Proof said last may not be
                // recorded, and the stored row is watched until a change says that it is not.
                if (!waits_until) due.emplace_back(row.last_started, slot);
                continue;
            }
            schedule(slot, is_settled ? judgement::next_poll::planned : judgement::next_poll::tail, now);
            const auto when = due_.when(slot);
            if (when && *when <= ns(now.steady)) due.emplace_back(row.last_started, slot);
        }
    }
    std::sort(due.begin(), due.end());
    const nanoseconds window = mean(options_.rules.interval);
    for (std::size_t rank = 0; rank < due.size(); ++rank) {
        transaction_row& row = table_.at(due[rank].second);
        steady_time when =
            now.steady +
            nanoseconds(static_cast<std::int64_t>(
                static_cast<double>(window.count()) * static_cast<double>(rank) / static_cast<double>(due.size())));
        when = std::max(when, row.after_last_start(options_.rules.interval.first));
        row.is_backing_off = false;
        wait_until(due[rank].second, when);
    }
}

/// Proof is back: no row waits because of errors that concerned all. A row that failed before keeps its backoff.
void tracker::end_backoffs(instant now) {
    for (std::uint32_t slot = 0; slot < table_.slots(); ++slot) {
        if (!table_.is_used(slot)) continue;
        transaction_row& row = table_.at(slot);
        if (row.known_standing() == standing::failing) {
            if (row.failed_in != outage_.run()) continue;
            table_.set_standing(slot, standing::untried);
        }
        if (!row.is_backing_off || row.phase != row_phase::waiting || row.is_urgent) continue;
        row.is_backing_off = false;
        row.errors = 0;
        const steady_duration band = draw_interval(options_.rules.interval, random_);
        wait_until(slot, std::max(now.steady, row.after_last_start(band)));
    }
    outage_.close();
}

void tracker::watch_deadline(std::uint32_t slot) {
    if (!table_.is_used(slot)) return;
    const transaction_row& row = table_.at(slot);
    if (row.state == tracking_state::tracking && row.watched) {
        if (!deadlines_.contains(slot)) deadlines_.set(slot, row.overdue_at);
    } else {
        deadlines_.erase(slot);
    }
}

void tracker::fire_deadlines(instant now, std::vector<tracker_action>& actions) {
    if (is_held_ || now.steady < deadlines_from_) return;
    const std::int64_t wall = now.wall.time_since_epoch().count();
    while (!deadlines_.empty() && deadlines_.top().when <= wall && !awaits_store()) {
        const std::uint32_t slot = deadlines_.top().slot;
        deadlines_.pop();
        const transaction_row& row = table_.at(slot);
        // In flight or recording: the end of that checks the deadline again.
        if (row.phase != row_phase::waiting) continue;
        const tracking_facts facts = table_.facts(slot, now);
        const judging_time time = time_for(slot, facts, now);
        auto verdict = judge_overdue(facts, time);
        if (!verdict) { // not for sure yet
            if (facts.state == tracking_state::tracking)
                deadlines_.set(slot, wall + (facts.overdue_at - time.sure).count());
            continue;
        }
        table_.at(slot).wants_poll = row.is_urgent; // a hint that was accepted is kept
        leave_queues(slot);
        record(slot, std::move(*verdict), poll_answer{}, false, now, actions);
    }
}

/// First polls go at once; those of a big import are paced, so that it does not come as a herd: the first interval is
/// left to the import itself, the second is swept as often as it takes. In the order of the rows, because neighbours
/// in the database share pages: changes in a random order cost the store twice as much.
steady_time tracker::first_poll_time(instant now) {
    const nanoseconds interval = mean(options_.rules.interval);
    const nanoseconds gap = std::min(longest_first_poll_gap, interval / static_cast<std::int64_t>(table_.size() + 1));
    first_poll_at_ = std::max(first_poll_at_, now.steady - gap * first_polls_at_once) + gap;
    if (first_poll_at_ > now.steady + 2 * interval) first_poll_at_ = now.steady + interval;
    return std::max(now.steady, first_poll_at_);
}

std::optional<tracker::poll_choice> tracker::choose_poll(instant now, poll_permit permit) {
    if (is_held_ || awaits_store() || !rate_.may_take(now.steady)) return std::nullopt;
    if (permit == poll_permit::free) {
        if (!urgent_.empty() && urgent_.top().when <= ns(now.steady)) return poll_choice{urgent_.top().slot};
        if (!due_.empty() && due_.top().when <= ns(now.steady)) return poll_choice{due_.top().slot};
        const look early = look_for_early(now);
        return early.slot ? std::optional(poll_choice{*early.slot, poll_reason::early}) : std::nullopt;
    }
    if (!health_.is_unwell()) return std::nullopt;
    if (permit == poll_permit::probe) {
        if (const look probe = look_for_probe(now); probe.slot) return poll_choice{*probe.slot, poll_reason::probe};
    }
    const look fresh = look_for_fresh(now);
    return fresh.slot ? std::optional(poll_choice{*fresh.slot, poll_reason::fresh}) : std::nullopt;
}

bool tracker::has_poll(instant now) { return choose_poll(now, health_.permit(now.steady)).has_value(); }

std::optional<started_poll> tracker::next_poll(instant now) {
    const auto choice = choose_poll(now, health_.permit(now.steady));
    if (!choice) return std::nullopt;
    const std::uint32_t slot = choice->slot;
    transaction_row& row = table_.at(slot);
    const std::int64_t due = row.is_urgent ? *urgent_.when(slot) : *due_.when(slot);
    leave_queues(slot);
    row.phase = row_phase::in_flight;
    row.last_started = ms_not_before(now.steady);
    ++row.polls;
    ++in_flight_;
    rate_.take(now.steady);
    note_special_start(slot, choice->reason, now);
    ++polls_in_window_;
    repeat_allowance_ = std::min(repeat_allowance_ + 0.1, most_saved_repeats);
    started_poll poll;
    poll.ticket = poll_ticket{slot, row.generation, row.id.str(), row.known_body};
    poll.lateness = std::max(steady_duration(0), now.steady - from_ns(due));
    return poll;
}

bool tracker::may_repeat() {
    if (is_held_ || repeat_allowance_ < 1.0) return false;
    repeat_allowance_ -= 1.0;
    return true;
}

std::optional<steady_time> tracker::next_wake(instant now) {
    std::optional<steady_time> wake;
    if (is_held_) return wake;       // its end looks
    if (awaits_store()) return wake; // the next `recorded_event` looks
    const auto earliest = [&](steady_time when) {
        if (when > now.steady && (!wake || when < *wake)) wake = when;
    };
    const auto may_wake = [&](const look& found) {
        if (const auto when = wake_for(found, now)) earliest(*when);
    };
    if (!deadlines_.empty()) {
        const wall_time deadline{milliseconds(deadlines_.top().when)};
        const steady_duration wait = std::max<steady_duration>(deadline - clock_.at(now.wall), milliseconds(1));
        earliest(std::max(now.steady + wait, deadlines_from_));
    }
    if (const auto permit = health_.next_permit(now.steady)) earliest(*permit);
    if (rate_.is_ramping()) earliest(now.steady + between_rate_steps);
    const poll_permit permit = health_.permit(now.steady);
    if (health_.is_unwell()) {
        if (permit == poll_permit::probe) may_wake(look_for_probe(now));
        may_wake(look_for_fresh(now));
        return wake;
    }
    if (const auto again = outage_.next_look(options_.rules.interval, now.steady)) earliest(*again);
    if (permit == poll_permit::none) return wake;
    for (const due_heap* queue : {&urgent_, &due_}) {
        if (queue->empty()) continue;
        const steady_time due = from_ns(queue->top().when);
        earliest(due <= now.steady ? rate_.next_token(now.steady) : due);
    }
    may_wake(look_for_early(now));
    return wake;
}

steady_duration tracker::oldest_due(instant now) const {
    if (is_held_ || due_.empty() || health_.permit(now.steady) != poll_permit::free) return steady_duration(0);
    return std::max(steady_duration(0), now.steady - from_ns(due_.top().when));
}

double tracker::wanted_rate() const {
    const double band = std::chrono::duration<double>(mean(options_.rules.interval)).count();
    const double tail = std::max(band, std::chrono::duration<double>(options_.rules.tail_interval).count());
    const std::size_t in_tail = table_.count(tracking_state::overdue) + table_.count(tracking_state::not_found) +
                                table_.count(tracking_state::rejected);
    return static_cast<double>(table_.count(tracking_state::tracking)) / band + static_cast<double>(in_tail) / tail;
}

std::size_t tracker::needed_at_once(instant now) {
    const double wanted = wanted_rate();
    const bool is_late = oldest_due(now) > seconds(1);
    return at_once_.needed(std::min(wanted, rate_.rate().value_or(wanted)), is_late, now.steady);
}

void tracker::count_made_polls(instant now) {
    if (now.steady - window_start_ < rate_window) return;
    const double passed = std::chrono::duration<double>(now.steady - window_start_).count();
    made_rate_ = static_cast<double>(polls_in_window_) / passed;
    polls_in_window_ = 0;
    window_start_ = now.steady;
}

void tracker::watch_capacity(bool is_withheld, instant now, std::vector<tracker_action>& actions) {
    const steady_duration oldest = oldest_due(now);
    if (oldest <= seconds(1) || rate_.is_ramping() || is_withheld) {
        behind_since_.reset();
        return;
    }
    if (!behind_since_) behind_since_ = now.steady;
    if (now.steady - *behind_since_ < behind_patience) return;
    if (behind_was_said_ && now.steady - behind_said_at_ < between_behind_words) return;
    behind_was_said_ = true;
    behind_said_at_ = now.steady;
    // Each commit takes some of them away: at the bound the number swings below it.
    const bool is_store_slow = pending_.size() >= most_unrecorded / 2;
    const double wanted = wanted_rate();
    const auto ceiling = rate_.rate();
    actions.emplace_back(behind_action{
        wanted,
        made_rate_,
        std::chrono::duration_cast<milliseconds>(oldest),
        {is_store_slow, ceiling && *ceiling <= wanted, in_flight_}});
}

} // namespace prooftrack::track
