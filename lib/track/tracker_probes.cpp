// What to poll while Proof refuses or fails all polls, or seems to: probes, and polls that find out which it is.

#include <algorithm>

#include "track/tracker.hpp"

namespace prooftrack::track {
namespace {

/// So many rows are looked at for one probe; the next one begins behind them.
constexpr std::uint32_t rows_a_look = 64;
/// Nobody among them: the next ones are looked at after this.
constexpr milliseconds between_looks{100};
/// An early poll comes this long after the one before, however soon that was answered.
constexpr milliseconds early_gap{10};
/// New ids that are polled during an outage: so many at once, then one each gap.
constexpr std::int64_t most_fresh_at_once = 100;
constexpr milliseconds fresh_gap{100};
/// More than one, so that the list shrinks behind an import.
constexpr std::size_t fresh_asked_a_poll = 4;

} // namespace

bool tracker::may_be_asked(std::uint32_t slot, look_for what) const {
    if (!table_.is_used(slot)) return false;
    const transaction_row& row = table_.at(slot);
    if (row.phase != row_phase::waiting || row.state == tracking_state::untracked) return false;
    if (row.state != tracking_state::tracking && what == look_for::early) {
        const candidates left = table_.not_failing();
        if (left.answered + left.untried > 0) return false; // they are polled soon
    }
    if (row.known_standing() != standing::failing) return true;
    return what == look_for::probe && row.failed_in == outage_.run();
}

/// A poll before its time is never above the cadence.
steady_time tracker::earliest_poll(std::uint32_t slot) const {
    return table_.at(slot).after_last_start(options_.rules.interval.first);
}

/// Goes round the rows. Nobody: when to look again.
tracker::look tracker::look_around(look_for what, instant now) {
    look found;
    const auto slots = static_cast<std::uint32_t>(table_.slots());
    const std::uint32_t length = std::min(slots, rows_a_look);
    for (std::uint32_t i = 0; i < length; ++i) {
        const std::uint32_t slot = (look_from_ + i) % slots;
        if (!may_be_asked(slot, what)) continue;
        const steady_time when = earliest_poll(slot);
        if (when <= now.steady) return {slot, now.steady};
        found.again = std::min(found.again.value_or(when), when);
    }
    if (slots > rows_a_look) {
        look_from_ = (look_from_ + length) % slots;
        found.again = std::min(found.again.value_or(now.steady + between_looks), now.steady + between_looks);
    }
    return found;
}

/// Who may be asked now waits for the rate alone; or only this look has found him, behind the rows of the one for a
/// poll, which has to look once more.
std::optional<steady_time> tracker::wake_for(const look& found, instant now) {
    if (!found.slot) return found.again;
    const steady_time token = rate_.next_token(now.steady);
    return token > now.steady ? token : now.steady + between_looks;
}

/// An early poll: the sooner all were polled, the sooner it is known whether the failures concern all.
tracker::look tracker::look_for_early(instant now) {
    if (!outage_.is_open() || probe_) return {};
    if (now.steady < early_at_) return {std::nullopt, early_at_};
    return look_around(look_for::early, now);
}

/// The probe's turns: now the transaction that was answered last, now the next one around. A few that always fail must
/// not be all that is polled.
tracker::look tracker::look_for_probe(instant now) {
    look last;
    if (last_answered_ && table_.holds(*last_answered_) && may_be_asked(last_answered_->slot, look_for::probe)) {
        const steady_time when = earliest_poll(last_answered_->slot);
        if (when <= now.steady) {
            last.slot = last_answered_->slot;
        } else {
            last.again = when;
        }
    }
    if (last.slot && probes_ % 2 == 0) return last;
    look around = look_around(look_for::probe, now);
    if (around.slot) return around;
    if (last.slot) return last;
    for (const due_heap* queue : {&due_, &urgent_}) { // none in the band: the one that is due first
        if (around.again || last.again || queue->empty()) continue;
        const std::uint32_t slot = queue->top().slot;
        const steady_time when = earliest_poll(slot);
        if (when <= now.steady) return {slot, now.steady};
        around.again = when;
    }
    if (last.again) around.again = std::min(around.again.value_or(*last.again), *last.again);
    return around;
}

/// A new id is polled once whatever Proof answers about the others: they may be all that it refuses.
tracker::look tracker::look_for_fresh(instant now) {
    forget_asked(fresh_.size());
    if (fresh_.empty() || table_.at(fresh_.front().slot).phase != row_phase::waiting) return {};
    const std::uint32_t slot = fresh_.front().slot;
    const transaction_row& row = table_.at(slot);
    const auto due = row.is_urgent ? urgent_.when(slot) : due_.when(slot);
    const steady_time when = std::max(
        {steady_time(std::chrono::nanoseconds(*due)), health_.pause_end(),
         fresh_at_ - (most_fresh_at_once - 1) * fresh_gap});
    if (when <= now.steady) return {slot, now.steady};
    return {std::nullopt, when};
}

/// Removes those that were polled by now, at most so many.
void tracker::forget_asked(std::size_t most) {
    for (std::size_t i = 0; i < most && !fresh_.empty(); ++i) {
        const row_ref first = fresh_.front();
        if (table_.holds(first) && table_.at(first.slot).last_started == transaction_row::never) return;
        fresh_.pop_front();
    }
}

void tracker::note_special_start(std::uint32_t slot, poll_reason reason, instant now) {
    bool is_turn_of_last = false;
    switch (reason) {
    case poll_reason::due:
        forget_asked(fresh_asked_a_poll);
        return;
    case poll_reason::probe:
        health_.on_probe_started();
        is_turn_of_last = probes_ % 2 == 0 && last_answered_ && last_answered_->slot == slot;
        ++probes_;
        break;
    case poll_reason::early:
        early_at_ = now.steady + early_gap;
        break;
    case poll_reason::fresh:
        fresh_at_ = std::max(fresh_at_, now.steady) + fresh_gap;
        return;
    }
    probe_ = table_.ref(slot);
    // The turn of the one that was answered last moves nobody: the round goes on where it was.
    if (!is_turn_of_last) look_from_ = (slot + 1) % static_cast<std::uint32_t>(table_.slots());
}

/// Whether the answer is that of the probe in flight, which ends with it.
bool tracker::end_probe(const poll_ticket& ticket) {
    if (probe_ != row_ref{ticket.slot, ticket.generation}) return false;
    probe_.reset();
    return true;
}

} // namespace prooftrack::track
