#pragma once

// The attempts that are under way: read from the store, made by the notifier, recorded. How far each has come is kept
// by its lane (busy_deliveries).

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "base/shards.hpp"
#include "callback/notifier.hpp"
#include "engine/delivery/delivery_context.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

/// What an attempt carries, from `load` until its outcome is recorded.
struct delivery_attempt {
    track::lane_number lane{}; ///< lives as long as it is busy
    track::lane_head head;
    std::optional<store::delivery_record> record; ///< once loaded; its body is moved out when the attempt begins
    std::uint32_t number = 0;                     ///< which attempt of its schedule this is, from 1
    callback::delivery_outcome outcome;
    store::attempt_record ending;
    bool is_outdated = false; ///< what the store has of it may be another by now: to be read again
    bool is_retried = false;  ///< by another node, while its outcome was on its way to the store
};

/// An attempt's outcome is durable before the next attempt is waited for and before the next event of its transaction
/// goes. An outcome that the full store refuses is kept, and recorded by `record_oldest` or `record_all`.
class delivery_attempts {
  public:
    /// Both must outlive it.
    delivery_attempts(delivery_context& context, delivery_host& host) : context_(context), host_(host) {}

    /// Requires that the lane has just given it (`take`).
    void load(delivery_slot& slot, const track::lane_head& head, instant now);
    /// Makes the attempts whose turn it is.
    void begin_ready(delivery_slot& slot, instant now);

    /// Whether outcomes wait for the full store.
    bool any_unrecorded() const { return !unrecorded_.empty(); }
    void record_oldest(); ///< requires one
    void record_all();
    /// Gives back what was loaded and not begun.
    void abandon_ready(delivery_slot& slot);
    /// The same for a while: it waits in its lane, and is loaded again.
    void put_back_ready(delivery_slot& slot, instant now);
    /// The same for what is of a replay, on every lane, and also for what is being loaded: none of it is attempted
    /// before the store has been asked again.
    void put_back_replayed(instant now);
    /// Forgets what has not begun of the shards that are not held any more, also what is being loaded.
    void drop_let_go();

    /// A manual retry was requested: the old outcome must not be written after it.
    void prepare_retry(delivery_id id);
    /// It was refused.
    void cancel_retry(delivery_id id);
    /// The retry is durable: an outcome that was refused meanwhile is out of date.
    void drop_unrecorded(delivery_id id, instant now);
    /// Another node has retried it, which is durable: an outcome that is kept is out of date, and one that is on its
    /// way to the store is followed by the same retry, because it may be written behind the other node's.
    void on_retried_elsewhere(delivery_id id, instant now);

    std::size_t size() const { return attempts_.size(); } ///< loading, attempting or being recorded
    std::vector<delivery_id> begun() const;               ///< attempting or being recorded
    bool any_recording() const { return recording_ > 0; }
    /// How many of these shards have begun and are not recorded.
    std::size_t busy_in(const shard_set& shards) const;

  private:
    delivery_slot& slot_of(const delivery_attempt& one) { return context_.lanes.at(one.lane); }
    void make_ready(delivery_attempt& one, store::delivery_record record);
    void on_loaded(delivery_id id, op_result<std::optional<store::delivery_record>> loaded);
    void begin(delivery_slot& slot, delivery_attempt& one, instant now);
    void on_outcome(delivery_id id, callback::delivery_outcome outcome);
    void record(delivery_attempt& one);
    void on_answer(delivery_id id, op_result<std::optional<store::delivery_head>> recorded);
    void on_refused(delivery_id id, const op_error& error, instant now);
    void on_recorded(delivery_id id, const std::optional<store::delivery_head>& promoted, instant now);
    bool take_from_unrecorded(delivery_id id);
    void repeat_retry(delivery_slot& slot, delivery_id id, instant now);
    bool has_begun(delivery_id id, const delivery_attempt& one) const;

    void uncount(const delivery_slot& slot, delivery_id id);
    void put_back(delivery_id id, wall_time due);
    void drop(delivery_id id);
    void release(delivery_id id, instant now);

    delivery_context& context_;
    delivery_host& host_;
    std::map<delivery_id, delivery_attempt> attempts_;
    std::deque<delivery_id> unrecorded_; ///< ended, but the store refused them; tried in turn
    std::size_t recording_ = 0;
};

} // namespace prooftrack::engine
