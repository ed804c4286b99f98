#include "engine/shard_handover.hpp"

#include <algorithm>

namespace prooftrack::engine {
namespace {

milliseconds longest_attempt(const config::configuration& config) {
    milliseconds longest{0};
    for (const config::callback_config& one : config.callbacks) longest = std::max(longest, one.timeout);
    return longest;
}

} // namespace

void shard_handover::hand_over(const shard_set& shards) {
    going_.want(shards);
    on_wake(around_.clock.now());
    around_.wake_changed();
}

void shard_handover::hand_over_all(const shard_set& shards, steady_time deadline) {
    going_.hurry(around_.clock.now().steady, deadline);
    hand_over(shards);
}

void shard_handover::on_wake(instant now) {
    if (going_.is_empty() || !going_.is_due(now.steady)) return;
    const milliseconds patience = track::handover_patience(longest_attempt(around_.config));
    const auto count = [this](const shard_set& shards) { return around_.work.count_in(shards); };
    const bool keeps_facts = !going_.is_late(now.steady);
    if (const auto slice = going_.begin_slice(now.steady, patience, count)) let_go_(*slice, keeps_facts);
    look(now.steady);
}

void shard_handover::look(steady_time now) {
    const auto is_busy = [this](const shard_set& shards) { return around_.work.is_busy(shards); };
    const bool is_saving = around_.work.is_saving();
    for (const shard_set& free : going_.take_free(now, is_busy, is_saving)) around_.cluster->hand_over(free);
}

} // namespace prooftrack::engine
