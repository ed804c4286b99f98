// What becomes of a change: recorded, refused, or judged for a row that is another one by now.

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "track/tracker.hpp"

namespace prooftrack::track {

void tracker::on(recorded_event event, instant now, std::vector<tracker_action>& actions) {
    const auto found = pending_.find(event.slot);
    if (found == pending_.end() || found->second.number != event.number) return; // the row was replaced meanwhile
    transaction_row& row = table_.at(event.slot);
    const bool is_known_stale = found->second.is_outdated && !found->second.is_reloading;
    if (event.result == record_result::stale || (event.result == record_result::refused && is_known_stale)) {
        found->second.is_reloading = true;
        auto id = transaction_id::parse(row.id.str());
        actions.emplace_back(reload_action{event.slot, event.number, std::move(*id)});
        return;
    }
    const pending_change change = take_change(event.slot);
    row.phase = row_phase::idle;
    if (event.result == record_result::refused) {
        if (change.was_moved) row.is_moved = true;
        // It is polled until that is known again, through any number of errors.
        if (change.verdict.is_change) row.has_unrecorded = 1;
        give_up_change(event.slot, now);
        end_leaving(event.slot, now, actions);
        return;
    }
    row.revision = event.revision;
    keep_change(event.slot, change, now);
    end_leaving(event.slot, now, actions);
    fire_deadlines(now, actions);
}

/// A change that is on its way was judged for the old revision: it comes back as stale.
void tracker::on(revised_event event, instant /*now*/, std::vector<tracker_action>& /*actions*/) {
    transaction_row& row = table_.at(slot_of(event.row));
    if (row.revision == event.from) row.revision = event.to;
}

tracker::pending_change tracker::take_change(std::uint32_t slot) {
    const auto found = pending_.find(slot);
    pending_change change = std::move(found->second);
    pending_.erase(found);
    if (change.is_lazy) --lazy_pending_;
    return change;
}

void tracker::keep_change(std::uint32_t slot, const pending_change& change, instant now) {
    transaction_row& row = table_.at(slot);
    const tracking_facts& facts = change.verdict.facts;
    table_.set_facts(slot, facts, now);
    row.is_age_stored = facts.last_polled_at ? 1 : 0;
    row.has_unrecorded = 0;
    // Who was promised a poll gets it, also about one that has ended meanwhile.
    const bool is_wanted = row.wants_poll && facts.state != tracking_state::untracked;
    if (change.verdict.next == judgement::next_poll::never && !is_wanted) {
        leave(slot, now);
        return;
    }
    if (change.body_hash != 0) {
        row.known_body = change.body_hash;
        row.body_stored_at =
            static_cast<std::uint32_t>(std::chrono::floor<seconds>(now.steady.time_since_epoch()).count());
    }
    schedule(slot, change.verdict.next, now);
    watch_deadline(slot);
}

/// Nothing has changed; Proof will say it again, and a deadline comes again as well.
void tracker::give_up_change(std::uint32_t slot, instant now) {
    transaction_row& row = table_.at(slot);
    if (row.has_poll_in_flight) { // an untracking: its poll is still in flight, and the answer counts again
        row.has_poll_in_flight = false;
        row.phase = row_phase::in_flight;
        return;
    }
    schedule(slot, judgement::next_poll::backoff, now);
    watch_deadline(slot);
    const std::int64_t again = (now.wall + options_.rules.backoff.first).time_since_epoch().count();
    if (deadlines_.contains(slot)) deadlines_.set(slot, std::max(row.overdue_at, again));
}

/// The stored row has other options alone (`revised_event`): its facts are those in memory, whose times may have been
/// mended since they were stored. The change is judged again by the next answer.
void tracker::drop_change(std::uint32_t slot, instant now) {
    const pending_change change = take_change(slot);
    transaction_row& row = table_.at(slot);
    if (change.was_moved) row.is_moved = true;
    row.phase = row_phase::idle;
    if (row.has_poll_in_flight) { // an untracking, as in give_up_change
        row.has_poll_in_flight = false;
        row.phase = row_phase::in_flight;
    } else {
        want_now(slot, now);
    }
    watch_deadline(slot);
}

void tracker::on(reloaded_event event, instant now, std::vector<tracker_action>& actions) {
    const auto found = pending_.find(event.slot);
    if (found == pending_.end() || found->second.number != event.number || !found->second.is_reloading) return;
    if (!event.transaction || event.transaction->facts.state == tracking_state::untracked) {
        take_change(event.slot);
        table_.at(event.slot).phase = row_phase::idle;
        leave(event.slot, now);
        return;
    }
    transaction_row& row = table_.at(event.slot);
    if (row.revision == event.transaction->revision) {
        drop_change(event.slot, now);
        end_leaving(event.slot, now, actions);
        fire_deadlines(now, actions);
        return;
    }
    const bool is_wanted = row.wants_poll;
    replace(event.slot, *event.transaction, now);
    if (row.phase == row_phase::idle)
        want_now(event.slot, now);
    else
        row.wants_poll = is_wanted; // what is in flight may have been asked before the wish
    end_leaving(event.slot, now, actions);
    fire_deadlines(now, actions);
}

/// The stored row in place of the one in memory, whatever that one was doing. A poll in flight stays the row's own, so
/// that there is never a second one of the id.
void tracker::replace(std::uint32_t slot, const active_transaction& transaction, instant now) {
    transaction_row& row = table_.at(slot);
    if (pending_.contains(slot)) take_change(slot);
    const bool is_in_flight = row.phase == row_phase::in_flight || row.has_poll_in_flight;
    leave_queues(slot);
    deadlines_.erase(slot);
    row.has_poll_in_flight = false;
    table_.replace(slot, transaction, now);
    if (is_in_flight) row.phase = row_phase::in_flight;
    watch_deadline(slot);
}

/// The row is not watched any more. With a poll in flight it stays, as untracked, until the answer has come.
void tracker::leave(std::uint32_t slot, instant now) {
    transaction_row& row = table_.at(slot);
    if (!row.has_poll_in_flight) {
        erase(slot);
        return;
    }
    row.has_poll_in_flight = false;
    row.wants_poll = false;
    row.phase = row_phase::in_flight;
    deadlines_.erase(slot);
    tracking_facts facts = table_.facts(slot, now);
    facts.state = tracking_state::untracked;
    facts.watched = false;
    table_.set_facts(slot, facts, now);
}

} // namespace prooftrack::track
