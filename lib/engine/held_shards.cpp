#include "engine/held_shards.hpp"

namespace prooftrack::engine {

void held_shards::load(std::vector<track::active_transaction> rows, milliseconds within) {
    around_.polls.step(track::loaded_event{std::move(rows), within});
}

void held_shards::on_loaded(const shard_set& shards) {
    around_.deliveries.taken_up(shards);
    around_.replays.reload(); // some may be this node's now
}

void held_shards::let_go(const shard_set& shards, bool keeps_facts) {
    around_.polls.let_go(shards, keeps_facts);
    around_.deliveries.let_go(shards);
    around_.replays.reload();
}

std::size_t held_shards::count_in(const shard_set& shards) const { return around_.polls.count_in(shards); }

bool held_shards::is_busy(const shard_set& shards) const {
    return count_in(shards) > 0 || around_.deliveries.busy_in(shards) > 0;
}

void held_shards::trust_until(steady_duration until) {
    around_.polls.trust_until(until);
    around_.deliveries.trust_until(until);
}

void held_shards::poll_soon(const transaction_id& id) {
    if (const auto row = around_.polls.follow_clock().find(id.str()))
        around_.polls.step_at_once(track::poll_wanted_event{*row});
}

void held_shards::reread_lanes(const std::vector<std::string>& lanes, const std::vector<delivery_id>& retried) {
    around_.deliveries.on_changed_elsewhere(lanes, retried);
}

void held_shards::reread_controls(unique_function<void()> failed) {
    around_.storage.status(
        alive_.guarded([this, failed = std::move(failed)](const op_result<store::store_status>& status) mutable {
            if (!status) return failed();
            around_.deliveries.follow_controls(*status);
            around_.maintenance.follow(status->maintenance, "");
        }));
}

void held_shards::reread_replays() {
    around_.deliveries.on_replays_changed_elsewhere();
    around_.replays.reload();
}

} // namespace prooftrack::engine
