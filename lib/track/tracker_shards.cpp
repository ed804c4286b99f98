// Several daemons share the transactions: rows are taken up, let go and changed by others while polls are in flight.

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include "track/tracker.hpp"

namespace prooftrack::track {
namespace {

using std::chrono::nanoseconds;

/// A poll that began earlier keeps no other one of its id away.
constexpr seconds recently{2};

/// Another revision has other options, or counts more polls: what memory knows of the tracking is as good or better.
bool is_same_tracking(const tracking_facts& a, const tracking_facts& b) {
    return a.state == b.state && a.status == b.status && a.tracked_at == b.tracked_at && a.watched == b.watched &&
           a.was_overdue == b.was_overdue && a.verifications_done == b.verifications_done;
}

bool was_polled(const tracking_facts& facts) { return facts.polls > 0 || facts.last_polled_at.has_value(); }

} // namespace

void tracker::on(held_event event, instant /*now*/, std::vector<tracker_action>& /*actions*/) {
    leaving_ &= ~event.shards;
}

void tracker::on(let_go_event event, instant now, std::vector<tracker_action>& actions) {
    leaving_ |= event.shards;
    saving_ = event.keep_facts ? saving_ | event.shards : saving_ & ~event.shards;
    if (count_in(event.shards) == 0) return;
    save_action saved;
    for (std::uint32_t slot = 0; slot < table_.slots(); ++slot) {
        if (!table_.is_used(slot)) continue;
        const transaction_row& row = table_.at(slot);
        if (row.phase != row_phase::waiting || !event.shards.test(row.shard)) continue;
        auto facts = event.keep_facts ? to_save(slot, now) : std::nullopt;
        if (facts) saved.transactions.push_back(*std::move(facts));
        forget(slot, now);
    }
    if (!saved.transactions.empty()) actions.emplace_back(std::move(saved));
}

void tracker::on(refreshed_event event, instant now, std::vector<tracker_action>& actions) {
    active_transaction& given = event.transaction;
    if (const auto known = table_.find(given.id.str())) {
        refresh(*known, std::move(given), milliseconds(0), now, actions);
        end_leaving(*known, now, actions);
    } else if (!given.facts.watched || leaving_.test(given.shard)) {
        return;
    } else if (was_polled(given.facts)) {
        take_up(std::move(given), milliseconds(0), now, actions);
    } else {
        on(tracked_event{std::move(given), false}, now, actions);
    }
    fire_deadlines(now, actions);
}

/// Another daemon polled it until now, or made it watched again.
void tracker::take_up(
    active_transaction transaction, milliseconds within, instant now, std::vector<tracker_action>& actions) {
    const bool is_wanted = transaction.is_wanted;
    if (const auto known = table_.find(transaction.id.str())) {
        refresh(*known, std::move(transaction), within, now, actions);
        if (is_wanted && table_.is_used(*known)) on(poll_wanted_event{table_.ref(*known)}, now, actions);
        return;
    }
    // Tracked just now, while the shard was taken up: its time is the one that was answered.
    const bool is_anew = !transaction.facts.last_polled_at;
    const bool is_moved = is_anew && begin_age(transaction.facts, now);
    if (is_anew) transaction.facts.not_found_since.reset();
    const std::uint32_t slot = table_.insert(transaction, now);
    transaction_row& row = table_.at(slot);
    if (const auto left = just_left_.find(transaction.id.str()); left != just_left_.end())
        row.last_started = std::max(row.last_started, left->second);
    row.is_native = is_anew ? 1 : 0;
    row.is_moved = is_moved;
    row.wants_poll = is_wanted;
    watch_deadline(slot);
    plan_taken_up(slot, within, now);
}

/// Who was polled lately waits for its turn in the cadence, which may be any time until its band ends; the others come
/// at random within the time, so that those of a daemon that was lost are all asked by then and not all at once.
/// Requires a row that is in no queue.
void tracker::plan_taken_up(std::uint32_t slot, milliseconds within, instant now) {
    transaction_row& row = table_.at(slot);
    if (row.wants_poll) {
        want_now(slot, now);
        return;
    }
    const bool is_tracking = row.state == tracking_state::tracking;
    const bool is_settled = row.state == tracking_state::settled;
    bool has_turn = !is_tracking || row.last_started != transaction_row::never;
    // As after a start: without a time of verify_after it is asked once more.
    if (is_settled) has_turn = next_verification(table_.facts(slot, now), now.wall, options_.rules).has_value();
    if (has_turn) {
        const auto in_its_turn = is_tracking ? judgement::next_poll::in_band : judgement::next_poll::tail;
        schedule(slot, is_settled ? judgement::next_poll::planned : in_its_turn, now);
        if (*due_.when(slot) > nanoseconds(now.steady.time_since_epoch()).count()) return;
    }
    steady_time latest = now.steady + within;
    if (is_tracking && has_turn) latest = std::max(latest, row.after_last_start(options_.rules.interval.second));
    const steady_time due = now.steady + nanoseconds(random_.between(0, nanoseconds(latest - now.steady).count()));
    wait_until(slot, std::max(due, row.after_last_start(options_.rules.interval.first)));
}

/// The stored row in place of an older one in memory.
void tracker::refresh(
    std::uint32_t slot, active_transaction transaction, milliseconds within, instant now,
    std::vector<tracker_action>& actions) {
    transaction_row& row = table_.at(slot);
    if (row.revision >= transaction.revision) return;
    if (const auto change = pending_.find(slot); change != pending_.end()) {
        change->second.is_outdated = true; // it will be stale, and then the row is loaded
        return;
    }
    if (is_same_tracking(table_.facts(slot, now), transaction.facts)) {
        row.revision = transaction.revision;
        return;
    }
    if (!transaction.facts.watched) {
        row.has_poll_in_flight = row.phase == row_phase::in_flight;
        leave_queues(slot);
        leave(slot, now);
        return;
    }
    if (!was_polled(transaction.facts)) {
        on(tracked_event{std::move(transaction), false}, now, actions);
        return;
    }
    const bool is_wanted = row.wants_poll || row.is_urgent;
    replace(slot, transaction, now);
    row.wants_poll = is_wanted; // what is in flight may have been asked before the wish
    if (row.phase == row_phase::idle) plan_taken_up(slot, within, now);
}

/// A row of a shard that was let go has ended what it was doing.
void tracker::end_leaving(std::uint32_t slot, instant now, std::vector<tracker_action>& actions) {
    if (!table_.is_used(slot) || table_.at(slot).phase != row_phase::waiting || !is_leaving(slot)) return;
    auto facts = saving_.test(table_.at(slot).shard) ? to_save(slot, now) : std::nullopt;
    if (facts) {
        save_action saved;
        saved.transactions.push_back(*std::move(facts));
        actions.emplace_back(std::move(saved));
    }
    forget(slot, now);
}

/// Requires a row that waits.
void tracker::forget(std::uint32_t slot, instant now) {
    leave_queues(slot);
    if (table_.at(slot).after_last_start(recently) > now.steady) {
        erase(slot);
        return;
    }
    deadlines_.erase(slot);
    table_.erase(slot);
}

std::size_t tracker::count_in(const shard_set& shards) const {
    std::size_t count = 0;
    for (std::size_t shard = 0; shard < shard_count; ++shard) {
        if (shards.test(shard)) count += table_.count(static_cast<std::uint8_t>(shard));
    }
    return count;
}

void tracker::check_shards() const {
    std::array<std::size_t, shard_count> counts{};
    for (std::uint32_t slot = 0; slot < table_.slots(); ++slot) {
        if (!table_.is_used(slot)) continue;
        const transaction_row& row = table_.at(slot);
        ++counts.at(row.shard);
        if (is_leaving(slot) && row.phase == row_phase::waiting && row.watched)
            throw std::logic_error("a row that was let go waits for a poll");
    }
    for (std::size_t shard = 0; shard < shard_count; ++shard) {
        if (counts.at(shard) != table_.count(static_cast<std::uint8_t>(shard)))
            throw std::logic_error("the count of a shard's rows is wrong");
    }
}

} // namespace prooftrack::track
