// What of the polling depends on which shards this daemon holds, and for how long.

#include <algorithm>
#include <iterator>

#include "engine/poll_driver.hpp"
#include "store/cluster.hpp"

namespace prooftrack::engine {
namespace {

/// So many rows go to the store in one call.
constexpr std::size_t rows_a_save = 1'000;
/// Each 429 of what was in flight makes a pause longer by moments: that is worth no commit.
constexpr milliseconds worth_telling{250};

} // namespace

void poll_driver::hold(const shard_set& shards) {
    held_ |= shards;
    step(track::held_event{shards});
}

void poll_driver::let_go(const shard_set& shards, bool keep_facts) {
    held_ &= ~shards;
    step(track::let_go_event{shards, keep_facts});
}

void poll_driver::trust_until(std::optional<steady_duration> until) {
    const bool was_open = may_poll();
    trusted_until_ = until;
    if (!was_open) around_.listener.on_stepped(); // polls may have become due behind the closed gate
}

void poll_driver::take_in(track::active_transaction row, bool once) {
    if (once || holds(row.shard)) step(track::tracked_event{std::move(row), once});
}

void poll_driver::refresh(track::active_transaction row) {
    if (holds(row.shard)) step(track::refreshed_event{std::move(row)});
}

bool poll_driver::may_repeat(const track::poll_ticket& /*ticket*/) { return is_trusted() && tracker_.may_repeat(); }

void poll_driver::pause_as_elsewhere(milliseconds pause) {
    step(track::throttled_elsewhere_event{pause});
    told_until_ = std::max(told_until_, tracker_.health().pause_end());
}

/// Of an own 429 alone.
void poll_driver::tell_of_pause(steady_time now) {
    const steady_time end = tracker_.health().pause_end();
    store::cluster_store* const cluster = around_.storage.cluster();
    if (cluster == nullptr || end <= now || end <= told_until_ + worth_telling) return;
    told_until_ = end;
    cluster->tell_throttled(std::chrono::ceil<milliseconds>(end - now));
}

void poll_driver::perform(track::save_action& saved) {
    std::vector<transaction_id> wanted;
    for (const track::active_transaction& row : saved.transactions) {
        if (row.is_wanted) wanted.push_back(row.id);
    }
    save(std::move(saved.transactions));
    store::cluster_store* const cluster = around_.storage.cluster();
    if (cluster == nullptr) return;
    for (transaction_id& id : wanted)
        cluster->want_poll(std::move(id), [](const op_result<std::monostate>& /*else it comes in its turn*/) {});
}

void poll_driver::save(std::vector<track::active_transaction> rows) {
    for (std::size_t first = 0; first < rows.size(); first += rows_a_save) {
        const std::size_t last = std::min(rows.size(), first + rows_a_save);
        std::vector<track::active_transaction> part(
            std::make_move_iterator(rows.begin() + static_cast<std::ptrdiff_t>(first)),
            std::make_move_iterator(rows.begin() + static_cast<std::ptrdiff_t>(last)));
        ++saves_;
        around_.storage.save_facts(
            std::move(part), [this](const op_result<std::monostate>& /*counters may fall back*/) { --saves_; });
    }
}

} // namespace prooftrack::engine
