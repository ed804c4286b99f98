#include "engine/shard_handover.hpp"

#include <algorithm>

namespace prooftrack::engine {
namespace {

constexpr std::size_t most_in_a_slice = 32;
constexpr milliseconds between_looks{20};
constexpr seconds longest_wait{30};

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
    while (waiting_.any()) begin_slice(now, deadline);
    look(now);
    around_.wake_changed();
}

void shard_handover::begin_slice(instant now, steady_time give_up_at) {
    const shard_set shards = first_of(waiting_, most_in_a_slice);
    waiting_ &= ~shards;
    slices_.push_back({shards, std::max(give_up_at, now.steady)});
    let_go_(shards);
}

void shard_handover::forget(const shard_set& shards) {
    waiting_ &= ~shards;
    for (slice& one : slices_) one.shards &= ~shards;
    std::erase_if(slices_, [](const slice& one) { return one.shards.none(); });
}

void shard_handover::on_wake(instant now) {
    if (is_idle() || (look_at_ && now.steady < *look_at_)) return;
    if (slices_.empty()) begin_slice(now, now.steady + longest_wait);
    look(now);
}

void shard_handover::look(instant now) {
    std::erase_if(slices_, [this, now](const slice& one) {
        const bool may_go = now.steady >= one.give_up_at || !around_.work.is_busy(one.shards);
        if (may_go) around_.cluster->hand_over(one.shards);
        return may_go;
    });
    look_at_ = now.steady + between_looks;
}

} // namespace prooftrack::engine
