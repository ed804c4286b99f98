#include "engine/shard_handover.hpp"

#include <algorithm>

namespace prooftrack::engine {
namespace {

constexpr std::size_t most_in_a_slice = 32;
constexpr milliseconds between_looks{20};
constexpr milliseconds between_parts{250};
constexpr seconds longest_wait{30};
/// An attempt that has had its time is recorded.
constexpr seconds after_attempt{5};

/// A delivery in flight is not made a second time by the next owner.
milliseconds wait_for(const config::configuration& config) {
    milliseconds longest = longest_wait;
    for (const config::callback_config& one : config.callbacks)
        longest = std::max<milliseconds>(longest, one.timeout + after_attempt);
    return longest;
}

shard_set first_of(const shard_set& shards, std::size_t most) {
    shard_set taken;
    for (std::size_t i = 0; i < shard_count && taken.count() < most; ++i) taken.set(i, shards.test(i));
    return taken;
}

} // namespace

void shard_handover::hand_over(const shard_set& shards) {
    waiting_ = shards;
    const instant now = around_.clock.now();
    if (!look_at_ || *look_at_ <= now.steady) on_wake(now);
    around_.wake_changed();
}

void shard_handover::hand_over_all(const shard_set& shards, steady_time deadline) {
    waiting_ = shards;
    const instant now = around_.clock.now();
    for (slice& one : slices_) one.give_up_at = std::min(one.give_up_at, deadline);
    while (waiting_.any()) begin_slice(now, deadline, most_in_a_slice);
    look(now);
    around_.wake_changed();
}

void shard_handover::begin_slice(instant now, steady_time give_up_at, std::size_t most) {
    const shard_set shards = first_of(waiting_, most);
    waiting_ &= ~shards;
    slices_.push_back({shards, std::max(give_up_at, now.steady), now.steady + between_parts});
    let_go_(shards);
}

void shard_handover::forget(const shard_set& shards) {
    waiting_ &= ~shards;
    for (slice& one : slices_) one.shards &= ~shards;
    std::erase_if(slices_, [](const slice& one) { return one.shards.none(); });
}

void shard_handover::on_wake(instant now) {
    if (is_idle() || (look_at_ && now.steady < *look_at_)) return;
    if (const std::size_t most = room(); most > 0 && waiting_.any())
        begin_slice(now, now.steady + wait_for(around_.config), most);
    look(now);
}

/// For the next slice: none while one goes that is not known to be held up.
std::size_t shard_handover::room() const {
    std::size_t held_up = 0;
    for (const slice& one : slices_) {
        if (!one.is_parted) return 0;
        held_up += one.shards.count();
    }
    return most_in_a_slice - std::min(held_up, most_in_a_slice);
}

void shard_handover::look(instant now) {
    std::erase_if(slices_, [this, now](slice& one) {
        const shard_set free = take_free(one, now);
        if (free.any()) around_.cluster->hand_over(free);
        return one.shards.none();
    });
    look_at_ = now.steady + between_looks;
}

shard_set shard_handover::take_free(slice& one, instant now) {
    if (now.steady >= one.give_up_at || !around_.work.is_busy(one.shards)) return std::exchange(one.shards, {});
    if (now.steady < one.part_at) return {};
    one.part_at = now.steady + between_parts;
    one.is_parted = true;
    shard_set free;
    for (std::size_t i = 0; i < shard_count; ++i)
        free[i] = one.shards[i] && !around_.work.is_busy(shard_set().set(i));
    one.shards &= ~free;
    return free;
}

} // namespace prooftrack::engine
