#pragma once

// How shards change hands among daemons that share the transactions: within which time the first polls of what came
// are made, and in which order and when goes what others get. Pure.

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "base/shards.hpp"
#include "base/time.hpp"

namespace prooftrack::track {

// The first polls of transactions that came come at random within this.

/// Of what nobody polled: as after a start.
milliseconds spread_of_idle(const std::pair<milliseconds, milliseconds>& interval);
/// Of what another daemon polled until a moment ago and whose time is over by now.
inline constexpr milliseconds spread_of_handed_over{500};
/// Of what a daemon polled that has not been heard of for so long.
milliseconds spread_of_lost(steady_duration silent);

/// The next shards to take up of those that came: all at once would keep everything else waiting, and those that are
/// given away again before their turn cost nothing.
shard_set next_to_take_up(const shard_set& shards);

/// For so long it is waited for what is in flight of a shard that goes, when an attempt of a delivery may take that
/// long: the next daemon does not make it a second time.
milliseconds handover_patience(milliseconds longest_attempt);

/// Shards that are to go. A few at a time, at most 32 and no more than some thousand transactions unless it is one
/// shard, so that most are polled while some change hands, and these are written and read again in a moment. Those that
/// are still in flight (a receiver that hangs) keep the others of their slice waiting for a moment only, and go all the
/// same when the patience has ended: whatever is recorded then is bound to a revision.
class shards_to_go {
  public:
    /// Whether anything of these is in flight or being recorded.
    using busy_check = std::function<bool(const shard_set&)>;
    /// How many transactions these have.
    using row_count = std::function<std::size_t(const shard_set&)>;

    /// These in place of those that were to go and have not begun to.
    void want(const shard_set& shards) { waiting_ = shards; }
    /// At a stop: by the deadline all have gone, whatever is in flight. All that are left in the middle of that time go
    /// at once.
    void hurry(steady_time now, steady_time deadline);
    /// They are somebody else's already.
    void forget(const shard_set& shards);
    bool is_empty() const { return slices_.empty() && waiting_.none(); }

    /// The next ones: nothing of them begins from now on. nullopt: there are none, or others go and are not known to be
    /// held up.
    std::optional<shard_set> begin_slice(steady_time now, milliseconds patience, const row_count& count);

    /// The rest of a stop's time is for handing over: what goes now is not saved any more.
    bool is_late(steady_time now) const { return end_ && now >= end_->at_once; }

    /// Takes out what may go now, one set a slice. While what memory alone knew of some of them is being saved, none
    /// goes and none is taken for held up: or the saves of the next slices would keep the first one waiting.
    std::vector<shard_set> take_free(steady_time now, const busy_check& is_busy, bool is_saving);
    /// When to call `begin_slice` and `take_free` (again); nullopt = never.
    std::optional<steady_time> next_look() const { return is_empty() ? std::nullopt : look_at_; }
    bool is_due(steady_time now) const { return !look_at_ || *look_at_ <= now; }

  private:
    struct slice {
        shard_set shards;
        steady_time give_up_at{};
        steady_time part_at{}; ///< then what is free of it goes alone
        bool is_parted = false;
    };

    struct end_of_all {
        steady_time at_once{};
        steady_time deadline{};
    };

    std::size_t room() const;

    shard_set waiting_;
    std::vector<slice> slices_; ///< begun
    std::optional<end_of_all> end_;
    std::optional<steady_time> look_at_;
};

} // namespace prooftrack::track
