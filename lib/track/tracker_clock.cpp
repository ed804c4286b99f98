// Deadlines by time that can be vouched for: what a wrong clock noted is mended, and ends nothing.
//
// Who knows what about clocks: `clock_watch` notices that the wall clock was set; `vouched_clock` decides whether it is
// believed, by the `Date`s of Proof's own replies; `clock_skew` is for the log alone. A deadline has passed for `sure`
// when the earliest time that agrees with all sources is behind it. `native` is what was tracked since the start: its
// age needs no clock of an earlier life.

#include <algorithm>

#include "track/tracker.hpp"

namespace prooftrack::track {
namespace {

/// A tracking that begins is noted with the wall clock's time, some commits ago at most.
constexpr milliseconds newborn{30'000};
/// A gateway's page says nothing of Proof's clock: it may come from this very machine.
bool is_proofs_own(reply_class what) {
    switch (what) {
    case reply_class::good:
    case reply_class::unchanged:
    case reply_class::not_found:
    case reply_class::bad_request:
    case reply_class::unauthorized:
    case reply_class::forbidden:
        return true;
    case reply_class::throttled:
    case reply_class::server_error:
    case reply_class::unusable:
    case reply_class::no_reply:
        return false;
    }
    return false;
}

} // namespace

/// `now` is vouched time, and stays so.
void tracker::judge_clock(const poll_answer& answer, instant& now, std::vector<tracker_action>& actions) {
    const wall_time wall = clock_.wall_of(now.wall);
    vouched_clock::finding found;
    if (answer.server_date) {
        if (const auto skew = skew_.on_date(*answer.server_date, instant{now.steady, wall}))
            actions.emplace_back(clock_skew_action{*skew});
        if (is_proofs_own(answer.what)) found = clock_.on_date(*answer.server_date, wall);
    } else if (is_proofs_own(answer.what)) {
        found = clock_.on_no_date();
    }
    if (found.moved == milliseconds(0) && !found.has_agreed) return;
    const wall_time before = now.wall;
    now.wall = clock_.at(wall);
    if (unfit_since_) *unfit_since_ += found.moved;
    bool is_mended = false;
    for (std::uint32_t slot = 0; slot < table_.slots(); ++slot) {
        if (table_.is_used(slot)) is_mended = mend_times(slot, found.moved, before, now) || is_mended;
    }
    // What is counted from the vouched time is planned anew.
    if (is_mended || found.moved != milliseconds(0)) respread(now, false);
}

/// Vouched time was put forward by `moved` (or back). A transaction that was tracked in this life keeps its age. So
/// does one that was loaded when that makes it no older; if it was noted later than the time before the move, another
/// clock wrote it, and it is as old as the present one says.
std::optional<tracking_facts> tracker::mend(
    const tracking_facts& facts, bool is_native, milliseconds moved, wall_time before, wall_time now) const {
    const bool keeps_age = is_native || (moved > milliseconds(0) && facts.tracked_at <= before);
    if (keeps_age) return moved == milliseconds(0) ? std::nullopt : std::optional(move_times(facts, moved));
    return clock_.level() == vouched_clock::trust::agreed ? without_impossible(facts, now) : std::nullopt;
}

bool tracker::mend_times(std::uint32_t slot, milliseconds moved, wall_time before, instant now) {
    transaction_row& row = table_.at(slot);
    const bool is_native = row.is_native != 0;
    if (const auto change = pending_.find(slot); change != pending_.end()) {
        tracking_facts& facts = change->second.verdict.facts;
        if (auto mended = mend(facts, is_native, moved, before, now.wall)) facts = *std::move(mended);
    }
    const bool is_plain = moved == milliseconds(0) && row.tracked_at <= now.wall.time_since_epoch().count();
    if (is_plain && !row.has_rare_facts) {
        if (deadlines_.contains(slot)) deadlines_.set(slot, row.overdue_at);
        return false;
    }
    const auto mended = mend(table_.facts(slot, now), is_native, moved, before, now.wall);
    if (mended) {
        table_.set_facts(slot, *mended, now);
        if (moved == milliseconds(0) || moved > vouched_clock::tolerance || moved < -vouched_clock::tolerance)
            row.is_moved = true;
    }
    if (deadlines_.contains(slot)) deadlines_.set(slot, row.overdue_at);
    return mended.has_value();
}

/// What was tracked just now may have been noted by a wrong clock. True if it was.
bool tracker::begin_age(tracking_facts& facts, instant now) {
    const milliseconds off = now.wall - facts.tracked_at;
    if (off <= newborn && off >= -newborn) return false;
    facts = move_times(std::move(facts), off);
    return true;
}

/// Who was never polled, as far as is stored, has only the time of a clock that nothing vouched for.
bool tracker::begin_age_at_load(tracking_facts& facts, instant now) {
    if (facts.last_polled_at) return false;
    const milliseconds off = now.wall - facts.tracked_at;
    facts = move_times(std::move(facts), off);
    facts.not_found_since.reset();
    return true;
}

/// What has certainly passed of a transaction's time. Of one that was loaded that is the time since, until the clock
/// that says more is vouched for.
wall_time tracker::sure_time(const tracking_facts& facts, bool is_native, instant now) const {
    if (is_native || clock_.level() == vouched_clock::trust::agreed) return now.wall;
    const auto lived = std::chrono::duration_cast<milliseconds>(now.steady - loaded_at_);
    const wall_time certain = facts.settled_at.value_or(facts.tracked_at) + lived;
    if (clock_.level() == vouched_clock::trust::none) return certain;
    return std::max(certain, clock_.least(clock_.wall_of(now.wall)));
}

/// A clock that was wrong made it overdue: it stays so, and is polled as often as the others until its time has come.
bool tracker::was_overdue_too_soon(const transaction_row& row, instant now) const {
    return row.state == tracking_state::overdue && clock_.level() == vouched_clock::trust::agreed &&
           row.overdue_at > now.wall.time_since_epoch().count();
}

judging_time tracker::time_for(std::uint32_t slot, const tracking_facts& facts, instant now) const {
    const bool is_native = table_.at(slot).is_native != 0;
    const bool is_vouched = is_native || clock_.level() != vouched_clock::trust::none;
    return {now.wall, sure_time(facts, is_native, now), is_vouched};
}

std::optional<wall_time> tracker::time_to_prune_by(instant now) const {
    if (clock_.level() == vouched_clock::trust::none) return std::nullopt; // without polls nothing grows
    return clock_.least(now.wall);
}

} // namespace prooftrack::track
