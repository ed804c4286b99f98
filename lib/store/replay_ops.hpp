#pragma once

// Replays: which events they are about, and the deliveries that are made of them, slice by slice.

#include <optional>
#include <set>
#include <vector>

#include "store/database.hpp"

namespace prooftrack::store {

/// A replay that is to begin. It counts in steps, so that a log of millions of events holds no commit up.
class replay_beginning {
  public:
    replay_beginning(track::replay_query query, bool dry_run, wall_time now)
        : query_(std::move(query)), is_dry_run_(dry_run), now_(now) {}

    /// nullopt = go on in the next transaction. With the last step the replay is there, unless it is a dry run.
    std::optional<op_result<track::replay_view>> step(database& db);

  private:
    std::optional<op_error> why_not(database& db) const;
    track::replay_view insert(database& db) const;

    track::replay_query query_;
    bool is_dry_run_;
    wall_time now_;
    bool has_begun_ = false;
    event_seq next_{};
    std::uint64_t events_ = 0;
};

op_result<replay_progress> advance_one_replay(database& db, const replay_step& step);
op_result<replay_end> cancel_one_replay(
    database& db, replay_id id, const std::set<delivery_id>& under_way, wall_time now);
op_result<std::vector<track::replay_view>> list_replays(database& db);

} // namespace prooftrack::store
