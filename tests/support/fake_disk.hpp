#pragma once

// What a `store::fake_store` has made durable: plain rows and the rules of store.hpp, without time, threads or faults.
// It outlives the stores that are opened on it, as a disk outlives a crash.

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <openssl/sha.h>

#include "store/store.hpp"
#include "support/fake_mailbox.hpp"
#include "support/fake_rows.hpp"

namespace prooftrack {

struct fake_disk : fake_rows, fake_mailbox {
    std::map<std::string, transaction_row> transactions;
    std::map<std::uint64_t, event_row> events;
    std::map<std::uint64_t, delivery_row> rows; ///< deliveries
    std::map<std::string, lane_row> lanes;
    std::map<std::string, wall_time> pauses; ///< callback -> since when
    std::map<std::string, consumer_row> consumers;
    std::map<store::digest, session_row> sessions;
    std::map<replay_id, track::replay_view> replays; ///< `pending` apart
    std::string base_url;
    std::string log_id = "log_1";
    std::uint64_t last_seq = 0;
    std::uint64_t last_delivery = 0;
    std::uint64_t last_number = 0;
    // What the deliveries' indexes of a database would give.
    std::map<std::string, std::set<std::pair<wall_time, std::uint64_t>>> heads;     ///< lane -> (next_attempt_at, id)
    std::map<std::pair<std::string, std::string>, std::set<std::uint64_t>> pending; ///< (callback, transaction) -> ids
    std::set<std::string> event_ids;

    static std::uint64_t hash_of(std::string_view text) {
        std::uint64_t hash = 0xcbf29ce484222325ULL;
        for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
        return hash;
    }
    static std::string sha256_of(std::string_view bytes) {
        std::array<unsigned char, SHA256_DIGEST_LENGTH> sum{};
        SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), sum.data());
        std::string hex;
        for (const unsigned char byte : sum) {
            hex += "0123456789abcdef"[byte >> 4U];
            hex += "0123456789abcdef"[byte & 15U];
        }
        return hex;
    }
    static op_error error(store::store_error code, std::string operation) {
        return {make_error_code(code), std::move(operation), {}};
    }

    /// Takes stale changes like a store without revisions: to show that the simulation finds what comes of it.
    bool ignores_revisions = false;

    static std::uint8_t shard_of(const transaction_row& row) {
        return shard_of_row(static_cast<std::int64_t>(row.number));
    }
    static void raise(transaction_row& row) { row.revision = row_revision{value_of(row.revision) + 1}; }

    // ---- transactions
    // ---------------------------------------------------------------------------------------------------------------

    store::add_outcome add_one(const track::new_transaction& wanted) {
        auto found = transactions.find(wanted.id.str());
        const bool is_known = found != transactions.end();
        if (is_known) {
            const transaction_row& row = found->second;
            const track::tracking_state state = row.facts.state;
            if (state != track::tracking_state::untracked && state != track::tracking_state::abandoned) {
                const bool same =
                    state == track::tracking_state::settled || row.options_digest == wanted.options_digest;
                const auto known = same ? store::add_result::existing : store::add_result::conflict;
                return {known, row.facts, row.revision, shard_of(row)};
            }
        } else {
            found = transactions.emplace(wanted.id.str(), transaction_row{}).first;
            found->second.number = ++last_number;
        }
        transaction_row& row = found->second;
        raise(row);
        row.proof.clear();
        row.facts = {};
        row.facts.tracked_at = wanted.now;
        row.facts.overdue_at = wanted.now + wanted.overdue_after;
        row.metadata = wanted.metadata;
        row.callback_url = wanted.callback_url;
        row.callback_lane = wanted.callback_lane;
        row.options_digest = wanted.options_digest;
        row.traceparent = wanted.traceparent;
        row.ended_at.reset();
        row.history.push_back({wanted.now, std::nullopt, track::tracking_state::tracking, "", "", "", ""});
        if (is_known) tell_owner(row.number);
        return {store::add_result::created, row.facts, row.revision, shard_of(row)};
    }

    op_result<std::vector<store::add_outcome>> add(
        const std::vector<track::new_transaction>& wanted, const std::optional<store::digest>& session) {
        std::vector<store::add_outcome> outcomes;
        for (const track::new_transaction& one : wanted) outcomes.push_back(add_one(one));
        if (session && !wanted.empty() && sessions.contains(*session)) {
            sessions[*session].transaction = wanted.front().id.str();
        }
        return outcomes;
    }

    op_result<row_revision> set_options(const store::options_change& change) {
        const auto found = transactions.find(change.id.str());
        if (found == transactions.end()) return error(store::store_error::not_found, "set options");
        transaction_row& row = found->second;
        if (row.revision != change.revision) return error(store::store_error::stale, "set options");
        raise(row);
        row.metadata = change.metadata;
        row.callback_url = change.callback_url;
        row.callback_lane = change.callback_lane;
        row.options_digest = change.options_digest;
        tell_owner(row.number);
        return row.revision;
    }

    op_result<store::recorded_transition> record(const store::transition& change) {
        const auto found = transactions.find(change.id.str());
        if (found == transactions.end()) return error(store::store_error::not_found, "record");
        transaction_row& row = found->second;
        if (row.revision != change.revision && !ignores_revisions) return error(store::store_error::stale, "record");
        if (change.event && event_ids.contains(change.event->id))
            return op_error{make_error_code(boost::system::errc::file_exists), "record", "an event has this id"};
        raise(row);
        const bool changes_state = change.facts.state != row.facts.state;
        row.facts = change.facts;
        if (change.reply_is_good && !change.reply.empty()) row.proof = change.reply;
        const track::tracking_state state = row.facts.state;
        if (!is_ended(state)) {
            row.ended_at.reset();
        } else if (change.event || changes_state || !row.ended_at) {
            row.ended_at = change.at;
        }
        if (change.is_history) {
            row.history.push_back(
                {change.at, change.from_state, state, change.from_status, row.facts.status, change.request_id,
                 change.reply.empty() ? "" : sha256_of(change.reply)});
        }
        store::recorded_transition recorded;
        recorded.revision = row.revision;
        recorded.traceparent = row.traceparent;
        if (change.event) add_event(change, row, recorded);
        tell_owner(row.number);
        return recorded;
    }

    void add_event(const store::transition& change, transaction_row& row, store::recorded_transition& recorded) {
        const store::owed_event& owed = *change.event;
        const wall_time timestamp = track::next_event_time(change.at, row.last_event_at);
        row.last_event_at = timestamp;
        track::event_facts facts;
        facts.id = owed.id;
        facts.type = owed.type;
        facts.timestamp = timestamp;
        facts.transaction = change.id.str();
        facts.state = row.facts.state;
        facts.status = row.facts.status;
        facts.previous_status = owed.previous_status;
        facts.metadata = row.metadata;
        facts.proof = row.proof;
        recorded.body = std::make_shared<const std::string>(format_event(facts));
        recorded.seq = event_seq{++last_seq};
        events[last_seq] = {
            owed.id,
            owed.type,
            timestamp,
            change.id.str(),
            row.number,
            recorded.body,
            std::string(to_string(row.facts.state)),
            row.facts.status,
            row.traceparent};
        event_ids.insert(owed.id);
        for (const std::string& callback : owed.callbacks) owe(change, row, callback, callback, "", recorded);
        if (row.callback_url && selects("transaction.*", owed.type)) {
            owe(change, row, "callback_url", row.callback_lane, *row.callback_url, recorded);
        }
    }

    void owe(
        const store::transition& change, const transaction_row& row, const std::string& callback,
        const std::string& lane, const std::string& url, store::recorded_transition& recorded) {
        delivery_row owed{
            {delivery_id{++last_delivery}, change.event->id, std::string(to_string(change.event->type)), change.id,
             callback, track::delivery_state::pending, 0, std::nullopt, "", 0, std::nullopt},
            *recorded.seq,
            lane,
            url,
            std::string(to_string(row.facts.state)),
            row.facts.status,
            recorded.body,
            events.at(value_of(*recorded.seq)).timestamp,
            row.traceparent,
            false};
        lane_of(lane);
        auto& line = pending[{callback, change.id.str()}];
        const bool first = line.empty();
        line.insert(last_delivery);
        delivery_row& kept = rows.emplace(last_delivery, std::move(owed)).first->second;
        if (first) {
            make_head(kept, change.at);
            const auto given = give_out(kept);
            if (!given) return;
            recorded.heads.push_back(*given);
            recorded.records.push_back(*load_delivery(kept.view.id));
        }
    }

    track::transaction_view view_of(const std::string& id, const transaction_row& row) const {
        return {*transaction_id::parse(id),
                row.facts,
                row.metadata,
                row.callback_url,
                row.proof,
                std::nullopt,
                0,
                "",
                row.revision,
                shard_of(row)};
    }

    /// Counters alone: neither the history nor the end of the transaction moves.
    void save_facts(const track::active_transaction& saved) {
        const auto found = transactions.find(saved.id.str());
        if (found == transactions.end() || found->second.revision != saved.revision) return;
        transaction_row& row = found->second;
        raise(row);
        row.facts = saved.facts;
        if (!is_ended(row.facts.state)) {
            row.ended_at.reset();
        } else if (!row.ended_at) {
            row.ended_at = row.facts.settled_at.value_or(row.facts.tracked_at);
        }
    }

    // ---- deliveries
    // ---------------------------------------------------------------------------------------------------------------

    /// The row of a delivery's transaction, which says its shard.
    std::uint64_t number_of(const delivery_row& row) const {
        const auto found = transactions.find(row.view.transaction.str());
        return found == transactions.end() ? 0 : found->second.number;
    }
    store::delivery_head head_of(const delivery_row& row) const {
        return {
            row.view.id,
            row.lane,
            row.view.attempts,
            row.view.next_attempt_at.value_or(row.recorded_at),
            held == nullptr ? hash_of(row.view.transaction.str()) : number_of(row),
            !row.is_head,
            row.replay.has_value()};
    }
    /// A head of a shard that another daemon holds is given out there, once it has heard of it.
    std::optional<store::delivery_head> give_out(const delivery_row& row) {
        tell_owner_of_lane(number_of(row), row.lane);
        return holds(number_of(row)) ? std::optional(head_of(row)) : std::nullopt;
    }
    void make_head(delivery_row& row, wall_time when) {
        unmake_head(row);
        row.is_head = true;
        row.view.next_attempt_at = when;
        heads[row.lane].emplace(when, value_of(row.view.id));
    }
    void unmake_head(delivery_row& row) {
        if (row.is_head) heads[row.lane].erase({*row.view.next_attempt_at, value_of(row.view.id)});
        row.is_head = false;
        row.view.next_attempt_at.reset();
    }
    lane_row& lane_of(const std::string& lane) {
        return lanes.try_emplace(lane, lane_row{lane.find("://") == std::string::npos ? lane : "callback_url", {}})
            .first->second;
    }
    std::set<std::uint64_t>& line_of(const delivery_row& row) {
        return pending[{row.view.callback, row.view.transaction.str()}];
    }
    bool has_head(const delivery_row& row) {
        const auto& line = line_of(row);
        return std::any_of(line.begin(), line.end(), [this](std::uint64_t id) { return rows.at(id).is_head; });
    }
    /// The next one of its line may go when `ended` does not, unless one is going already.
    std::optional<store::delivery_head> promote(const delivery_row& ended, wall_time now) {
        const auto& line = line_of(ended);
        if (line.empty()) return std::nullopt;
        delivery_row& first = rows.at(*line.begin());
        if (first.is_head) return std::nullopt;
        make_head(first, now);
        return give_out(first);
    }

    std::optional<store::delivery_head> record_attempt(const store::attempt_record& attempt) {
        const auto found = rows.find(value_of(attempt.id));
        if (found == rows.end() || found->second.view.state != track::delivery_state::pending) return std::nullopt;
        delivery_row& row = found->second;
        const bool goes_on = attempt.state == track::delivery_state::pending;
        const bool follows = attempt.attempts == row.view.attempts + 1 || (attempt.attempts == 0 && goes_on);
        if (!follows && attempt.state != track::delivery_state::delivered) return std::nullopt;
        row.view.attempts = attempt.attempts;
        row.view.last_attempt_at = attempt.at;
        row.view.last_error = attempt.error;
        row.view.last_status = attempt.status;
        if (goes_on) {
            make_head(row, attempt.next_attempt_at.value_or(attempt.at));
            return std::nullopt;
        }
        unmake_head(row);
        row.view.state = attempt.state;
        line_of(row).erase(value_of(attempt.id));
        if (row.replay && attempt.state == track::delivery_state::delivered) ++replays.at(*row.replay).delivered;
        return promote(row, attempt.at);
    }

    op_result<store::delivery_head> retry(delivery_id id, wall_time now) {
        const auto found = rows.find(value_of(id));
        if (found == rows.end()) return error(store::store_error::not_found, "retry");
        delivery_row& row = found->second;
        if (pauses.contains(row.view.callback))
            return op_error{make_error_code(store::store_error::paused), "retry", row.view.callback};
        if (row.view.state == track::delivery_state::pending && !row.is_head) {
            store::delivery_head waiting = head_of(row);
            waiting.next_attempt_at = now;
            return waiting;
        }
        restart(row);
        make_head(row, now);
        store::delivery_head head = head_of(row);
        if (!holds(number_of(row))) {
            mail.push_back({store::mail_kind::retried, value_of(id)});
            tell_owner_of_lane(number_of(row), row.lane);
            head.waits = true; // for its owner
        }
        return head;
    }
    void restart(delivery_row& row) {
        row.view.state = track::delivery_state::pending;
        row.view.attempts = 0;
        row.replay.reset();
        line_of(row).insert(value_of(row.view.id));
    }
    op_result<std::uint64_t> retry_dead(const std::optional<std::string>& callback, wall_time now) {
        std::string held_back = callback && pauses.contains(*callback) ? *callback : "";
        std::uint64_t count = 0;
        for (auto& [id, row] : rows) {
            if (row.view.state != track::delivery_state::dead || (callback && row.view.callback != *callback)) continue;
            if (pauses.contains(row.view.callback)) {
                held_back = row.view.callback;
                continue;
            }
            const bool waits = has_head(row);
            restart(row);
            if (!waits) make_head(row, now);
            tell_owner_of_lane(number_of(row), row.lane);
            ++count;
        }
        if (count == 0 && !held_back.empty())
            return op_error{make_error_code(store::store_error::paused), "retry dead deliveries", held_back};
        return count;
    }

    using head_place = std::pair<wall_time, std::uint64_t>; ///< (next_attempt_at, id)
    struct recovery_slice {
        std::uint64_t freed = 0;
        std::optional<head_place> after; ///< where the next slice begins; nullopt = this was the last
    };
    /// Looks at up to `most` heads behind `after`; the last slice marks the lane.
    recovery_slice end_failing(
        const std::string& lane, const store::lane_recovery& how, head_place after, std::size_t most) {
        const auto known = lanes.find(lane);
        if (known == lanes.end()) return {};
        std::vector<head_place> seen;
        const auto& all = heads[lane];
        for (auto at = all.upper_bound(after); at != all.end() && seen.size() < most; ++at) seen.push_back(*at);
        recovery_slice slice;
        for (const auto& [when, id] : seen) {
            delivery_row& row = rows.at(id);
            if (row.view.attempts == 0) continue;
            if (!how.is_freed({row.view.attempts, row.view.last_attempt_at, when})) continue;
            --row.view.attempts;
            make_head(row, how.now);
            ++slice.freed;
        }
        if (slice.freed > 0) tell_owners_of_lane(lane);
        if (seen.size() == most) {
            slice.after = seen.back();
        } else {
            known->second.failing_since.reset();
        }
        return slice;
    }

    std::vector<store::delivery_head> next_heads(const std::string& lane, std::size_t limit) const {
        std::vector<store::delivery_head> first;
        const auto found = heads.find(lane);
        if (found == heads.end()) return first;
        for (const auto& [when, id] : found->second) {
            if (first.size() == limit) break;
            if (holds(number_of(rows.at(id)))) first.push_back(head_of(rows.at(id)));
        }
        return first;
    }
    std::optional<store::delivery_record> load_delivery(delivery_id id) const {
        const auto found = rows.find(value_of(id));
        if (found == rows.end()) return std::nullopt;
        const delivery_row& row = found->second;
        return store::delivery_record{row.view,   row.lane, row.url,         row.state,
                                      row.status, row.body, row.recorded_at, row.traceparent};
    }
    // ---- counts
    // ---------------------------------------------------------------------------------------------------------------

    std::uint64_t free_bytes = std::uint64_t{100} << 30U;
    std::uint64_t capacity_bytes = std::uint64_t{100} << 30U;
    std::optional<track::maintenance_mark> maintenance;
    op_result<std::optional<track::maintenance_mark>> set_maintenance(std::optional<track::maintenance_mark> mark) {
        if (mark && maintenance) mark->since = maintenance->since;
        maintenance = std::move(mark);
        tell_all(store::mail_kind::controls);
        return maintenance;
    }
    std::uint64_t first_seq() const { return events.empty() ? last_seq + 1 : events.begin()->first; }

    store::store_status status() const {
        store::store_status now;
        now.db_bytes = 4096 * (1 + transactions.size() + events.size() + rows.size());
        now.free_bytes = free_bytes;
        now.capacity_bytes = capacity_bytes;
        now.first_seq = event_seq{first_seq()};
        now.last_seq = event_seq{last_seq};
        now.log_id = log_id;
        now.consumers = consumers.size();
        now.pauses = pauses;
        now.maintenance = maintenance;
        for (const auto& [id, row] : transactions)
            ++now.transactions[{row.facts.state, track::classify_status(row.facts.status)}];
        for (const auto& [name, lane] : lanes) {
            now.lanes[name] = {name, lane.callback, 0, 0, std::nullopt, lane.failing_since};
        }
        for (const auto& [id, row] : rows) {
            store::lane_summary& lane = now.lanes.at(row.lane);
            if (row.view.state == track::delivery_state::dead) ++lane.dead;
            if (row.view.state != track::delivery_state::pending) continue;
            ++lane.pending;
            if (!lane.oldest_pending && !row.replay) lane.oldest_pending = row.recorded_at;
        }
        std::erase_if(now.lanes, [](const auto& each) {
            const store::lane_summary& lane = each.second;
            return lane.callback != lane.lane && lane.pending + lane.dead == 0 && !lane.failing_since;
        });
        return now;
    }
};

} // namespace prooftrack
