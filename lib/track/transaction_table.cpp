#include "track/transaction_table.hpp"

#include <algorithm>

#include "base/expects.hpp"

namespace prooftrack::track {
namespace {

constexpr std::size_t most_error_texts = 250;
constexpr std::string_view other_error = "an error (its text was not kept, there were too many kinds)";

std::int64_t steady_ms(steady_time when) { return std::chrono::floor<milliseconds>(when.time_since_epoch()).count(); }

wall_time to_wall(std::int64_t ms) { return wall_time(milliseconds(ms)); }

} // namespace

transaction_table::transaction_table()
    : index_(0, slot_hash{this, process_hash_key()}, slot_equal{this}), error_texts_{""} {}

std::optional<std::uint32_t> transaction_table::find(std::string_view id) const {
    const auto found = index_.find(id);
    if (found == index_.end()) return std::nullopt;
    return *found;
}

std::uint32_t transaction_table::take_slot() {
    if (!free_slots_.empty()) {
        const std::uint32_t slot = free_slots_.back();
        free_slots_.pop_back();
        return slot;
    }
    if (used_slots_ == chunks_.size() * chunk_rows) chunks_.push_back(std::make_unique<transaction_row[]>(chunk_rows));
    return used_slots_++;
}

std::uint32_t transaction_table::insert(const active_transaction& transaction, instant now) {
    const std::uint32_t slot = take_slot();
    transaction_row& row = at(slot);
    const std::uint32_t generation = row.generation + 1; // odd while in use
    row = transaction_row{};
    row.generation = generation;
    row.id = compact_id(transaction.id.str());
    const bool is_new = index_.insert(slot).second;
    expects(is_new, "transaction_table: a second row of one id");
    row.last_started = transaction_row::never;
    if (transaction.facts.last_polled_at) {
        // Not later than now: a clock that stepped back must not hold the transaction up.
        const milliseconds ago = std::max(milliseconds(0), now.wall - *transaction.facts.last_polled_at);
        row.last_started = steady_ms(now.steady) - ago.count();
    }
    row.polls = static_cast<std::uint32_t>(std::min<std::uint64_t>(transaction.facts.polls, UINT32_MAX));
    row.revision = transaction.revision;
    row.shard = transaction.shard;
    ++by_shard_.at(row.shard);
    ++counter(transaction.facts.state);
    write_facts(slot, transaction.facts, now);
    count_standing(row, true);
    return slot;
}

void transaction_table::replace(std::uint32_t slot, const active_transaction& transaction, instant now) {
    expects(is_used(slot), "transaction_table: a free slot was replaced");
    transaction_row& row = at(slot);
    row.revision = transaction.revision;
    --by_shard_.at(row.shard); // an id that was pruned and tracked again is another row
    row.shard = transaction.shard;
    ++by_shard_.at(row.shard);
    row.polls = static_cast<std::uint32_t>(std::min<std::uint64_t>(transaction.facts.polls, UINT32_MAX));
    row.errors = 0;
    row.last_error = 0;
    row.known_body = 0;
    row.body_stored_at = 0;
    row.wants_poll = false;
    row.is_backing_off = false;
    set_facts(slot, transaction.facts, now);
}

void transaction_table::erase(std::uint32_t slot) {
    expects(is_used(slot), "transaction_table: a free slot was erased");
    index_.erase(slot);
    rare_.erase(slot);
    transaction_row& row = at(slot);
    --counter(row.state);
    --by_shard_.at(row.shard);
    count_standing(row, false);
    const std::uint32_t generation = row.generation + 1; // even: free
    row = transaction_row{};
    row.generation = generation;
    free_slots_.push_back(slot);
}

tracking_facts transaction_table::facts(std::uint32_t slot, instant now) const {
    const transaction_row& row = at(slot);
    tracking_facts facts;
    facts.state = row.state;
    facts.status = row.status == status_kind::other ? "" : std::string(to_string(row.status));
    facts.tracked_at = to_wall(row.tracked_at);
    facts.overdue_at = to_wall(row.overdue_at);
    if (row.last_started != transaction_row::never) {
        facts.last_polled_at = now.wall - milliseconds(steady_ms(now.steady) - row.last_started);
    }
    facts.polls = row.polls;
    facts.bad_requests = row.bad_requests;
    facts.verifications_done = row.verifications_done;
    facts.was_overdue = row.was_overdue;
    facts.watched = row.watched;
    if (row.has_rare_facts) {
        const rare_facts& rare = rare_.at(slot);
        facts.settled_at = rare.settled_at;
        facts.not_found_since = rare.not_found_since;
        facts.recheck_until = rare.recheck_until;
        if (row.status == status_kind::other) facts.status = rare.status_word;
    }
    return facts;
}

void transaction_table::set_facts(std::uint32_t slot, const tracking_facts& facts, instant now) {
    transaction_row& row = at(slot);
    if (row.state != facts.state) {
        --counter(row.state);
        ++counter(facts.state);
    }
    count_standing(row, false);
    write_facts(slot, facts, now);
    count_standing(row, true);
}

void transaction_table::set_standing(std::uint32_t slot, standing now, std::uint32_t run) {
    constexpr std::uint32_t most_runs = (1U << outage_watch::run_bits) - 1;
    expects(run <= most_runs, "transaction_table: the number of a run does not fit into a row");
    transaction_row& row = at(slot);
    count_standing(row, false);
    row.standing_bits = static_cast<std::uint32_t>(now) & 3U;
    row.failed_in = run & most_runs;
    count_standing(row, true);
}

void transaction_table::count_standing(const transaction_row& row, bool is_there) {
    if (row.state == tracking_state::untracked) return;
    std::size_t& count = (row.state == tracking_state::tracking ? in_band_ : beside_).at(row.standing_bits);
    count = is_there ? count + 1 : count - 1;
}

void transaction_table::write_facts(std::uint32_t slot, const tracking_facts& facts, instant /*now*/) {
    transaction_row& row = at(slot);
    row.state = facts.state;
    row.status = classify_status(facts.status);
    row.tracked_at = facts.tracked_at.time_since_epoch().count();
    row.overdue_at = facts.overdue_at.time_since_epoch().count();
    row.bad_requests = facts.bad_requests;
    row.verifications_done = facts.verifications_done;
    row.was_overdue = facts.was_overdue;
    row.watched = facts.watched;
    rare_facts rare{
        facts.settled_at, facts.not_found_since, facts.recheck_until,
        row.status == status_kind::other ? facts.status : std::string()};
    row.has_rare_facts = rare.settled_at || rare.not_found_since || rare.recheck_until || !rare.status_word.empty();
    if (row.has_rare_facts) {
        rare_.insert_or_assign(slot, std::move(rare));
    } else {
        rare_.erase(slot);
    }
}

void transaction_table::shift_not_found(milliseconds by) {
    for (auto& [slot, rare] : rare_) {
        if (!rare.not_found_since) continue;
        *rare.not_found_since += by;
        at(slot).is_moved = true;
    }
}

void transaction_table::set_error(std::uint32_t slot, std::string_view text) {
    const auto known = std::find(error_texts_.begin(), error_texts_.end(), text);
    if (known != error_texts_.end()) {
        at(slot).last_error = static_cast<std::uint8_t>(known - error_texts_.begin());
        return;
    }
    if (error_texts_.size() >= most_error_texts) {
        if (error_texts_.size() == most_error_texts) error_texts_.emplace_back(other_error);
        at(slot).last_error = static_cast<std::uint8_t>(error_texts_.size() - 1);
        return;
    }
    error_texts_.emplace_back(text);
    at(slot).last_error = static_cast<std::uint8_t>(error_texts_.size() - 1);
}

} // namespace prooftrack::track
