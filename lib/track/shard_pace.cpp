#include "track/shard_pace.hpp"

#include <algorithm>

namespace prooftrack::track {
namespace {

/// After a daemon was lost the first polls begin within so long of its last sign: 10 s are promised, and the polls
/// themselves and a slow machine take time as well.
constexpr milliseconds longest_silence{7'500};

constexpr std::size_t most_in_a_slice = 32;
/// Written, and read again by others, in a few tenths of a second.
constexpr std::size_t most_rows_in_a_slice = 4'000;
constexpr std::size_t most_taken_up_at_once = 64;
constexpr milliseconds between_looks{20};
constexpr milliseconds between_parts{250};
constexpr milliseconds shortest_patience{30'000};
/// An attempt that has had its time is recorded.
constexpr milliseconds after_attempt{5'000};

shard_set first_of(const shard_set& shards, std::size_t most) {
    shard_set taken;
    for (std::size_t i = 0; i < shard_count && taken.count() < most; ++i) taken.set(i, shards.test(i));
    return taken;
}

/// At least one.
shard_set first_of(const shard_set& shards, std::size_t most, const shards_to_go::row_count& count) {
    shard_set taken;
    std::size_t rows = 0;
    for (std::size_t i = 0; i < shard_count && taken.count() < most; ++i) {
        if (!shards.test(i)) continue;
        rows += count(shard_set().set(i));
        if (taken.any() && rows > most_rows_in_a_slice) break;
        taken.set(i);
    }
    return taken;
}

} // namespace

milliseconds spread_of_idle(const std::pair<milliseconds, milliseconds>& interval) {
    return (interval.first + interval.second) / 2;
}

milliseconds spread_of_lost(steady_duration silent) {
    const auto left = longest_silence - std::chrono::duration_cast<milliseconds>(silent);
    return std::max(spread_of_handed_over, left);
}

shard_set next_to_take_up(const shard_set& shards) { return first_of(shards, most_taken_up_at_once); }

milliseconds handover_patience(milliseconds longest_attempt) {
    return std::max(shortest_patience, longest_attempt + after_attempt);
}

void shards_to_go::forget(const shard_set& shards) {
    waiting_ &= ~shards;
    for (slice& one : slices_) one.shards &= ~shards;
    std::erase_if(slices_, [](const slice& one) { return one.shards.none(); });
}

void shards_to_go::hurry(steady_time now, steady_time deadline) {
    end_ = end_of_all{now + (deadline - now) / 2, deadline};
    for (slice& one : slices_) one.give_up_at = std::min(one.give_up_at, deadline);
}

std::optional<shard_set> shards_to_go::begin_slice(steady_time now, milliseconds patience, const row_count& count) {
    if (waiting_.none()) return std::nullopt;
    shard_set shards = waiting_;
    if (!is_late(now)) {
        const std::size_t most = room();
        if (most == 0) return std::nullopt;
        shards = first_of(waiting_, most, count);
    }
    waiting_ &= ~shards;
    const steady_time give_up_at = end_ ? std::min<steady_time>(now + patience, end_->deadline) : now + patience;
    slices_.push_back({shards, give_up_at, now + between_parts});
    return shards;
}

/// For the next slice: none while one goes that is not known to be held up.
std::size_t shards_to_go::room() const {
    std::size_t held_up = 0;
    for (const slice& one : slices_) {
        if (!one.is_parted) return 0;
        held_up += one.shards.count();
    }
    return most_in_a_slice - std::min(held_up, most_in_a_slice);
}

std::vector<shard_set> shards_to_go::take_free(steady_time now, const busy_check& is_busy, bool is_saving) {
    std::vector<shard_set> free;
    for (slice& one : slices_) {
        if (now >= one.give_up_at || (!is_saving && !is_busy(one.shards))) {
            free.push_back(std::exchange(one.shards, {}));
            continue;
        }
        if (is_saving || now < one.part_at) continue;
        one.part_at = now + between_parts;
        one.is_parted = true;
        shard_set parted;
        for (std::size_t i = 0; i < shard_count; ++i) parted[i] = one.shards[i] && !is_busy(shard_set().set(i));
        one.shards &= ~parted;
        if (parted.any()) free.push_back(parted);
    }
    std::erase_if(slices_, [](const slice& one) { return one.shards.none(); });
    look_at_ = now + between_looks;
    return free;
}

} // namespace prooftrack::track
