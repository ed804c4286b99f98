#include "engine/delivery/delivery_driver.hpp"

#include <algorithm>
#include <utility>

#include "engine/delivery/delivery_annotation.hpp"
#include "engine/delivery/delivery_log.hpp"

namespace prooftrack::engine {
namespace {

/// An answer about the request, which says nothing about the store.
bool is_refusal(const op_error& error) {
    return error.code == store::store_error::paused || error.code == store::store_error::not_found;
}

bool is_final(const op_error& error) {
    return error.code == store::store_error::failed || error.code == store::store_error::moved ||
           error.code == store::store_error::stopped;
}

} // namespace

delivery_driver::delivery_driver(
    delivery_dependencies deps, callback_table table, std::uint64_t seed, unique_function<void()> wake_changed)
    : context_(deps, std::move(table), seed), wake_changed_(std::move(wake_changed)), failing_(context_, *this),
      keeper_(context_, failing_, *this), attempts_(context_, *this),
      feeder_(context_, {attempts_, failing_, keeper_, *this}), controls_(context_, *this), tester_(context_),
      reports_(context_) {}

// ---- what the engine calls

void delivery_driver::start(const store::store_status& status) {
    const instant now = enter();
    if (status.state != track::store_state::ok) context_.pressure.report_full(false, now.steady);
    controls_.start(status, now);
    for (const config::callback_config& one : context_.table.callbacks()) {
        if (context_.lanes.find(one.name) != nullptr) continue; // a reload was quicker than the store
        const auto summary = status.lanes.find(one.name);
        const bool has_none = summary == status.lanes.end() || summary->second.pending == 0;
        keeper_.open(one.name, has_none ? track::stored_heads::none : track::stored_heads::possible);
    }
    for (const auto& [name, summary] : status.lanes) {
        take_over(summary, now);
        if (is_own_url_lane(name) && summary.pending == 0 && summary.failing_since) {
            context_.deps.storage.set_failing(name, std::nullopt, [](const op_result<std::monostate>&) {});
        }
        warn_if_unconfigured(summary);
    }
    feeder_.feed_all(now);
    leave();
}

void delivery_driver::on_recorded(store::recorded_transition recorded) {
    const instant now = enter();
    for (store::delivery_record& record : recorded.records) {
        const bool is_held = std::any_of(
            recorded.heads.begin(), recorded.heads.end(), [this, &record](const store::delivery_head& head) {
                return head.id == record.view.id && context_.holds(lane_head_of(head));
            });
        if (is_held) keep_fresh(std::move(record));
    }
    for (const store::delivery_head& head : recorded.heads) take_in(head, now);
    leave();
}

void delivery_driver::on_made(const std::vector<store::delivery_head>& heads) {
    const instant now = enter();
    for (const store::delivery_head& head : heads) take_in(head, now);
    leave();
}

void delivery_driver::reconfigure(callback_table table) {
    const instant now = enter();
    // A node that comes or goes is no reason to say again what is not configured.
    const bool warn = table.sharing() == context_.table.sharing();
    context_.table = std::move(table);
    context_.url_attempts.set(context_.table.share_of(most_url_attempts));
    context_.fresh.clear(); // those of a callback that went would stay for ever
    for (const auto& [name, slot] : context_.lanes.slots()) slot->lane.configure(context_.table.settings_for(name));
    for (const config::callback_config& one : context_.table.callbacks()) {
        if (context_.lanes.find(one.name) == nullptr) keeper_.open(one.name, track::stored_heads::possible);
    }
    sync_lanes(warn);
    feeder_.feed_all(now);
    leave();
}

// ---- several nodes

void delivery_driver::let_go(const shard_set& shards) {
    const instant now = enter();
    context_.shards &= ~shards;
    context_.fresh.clear(); // theirs would stay for ever
    attempts_.drop_let_go();
    for (const auto& [name, slot] : context_.lanes.slots()) {
        slot->lane.keep(context_.shards);
        if (slot->refill == delivery_slot::refill_state::asked) slot->read_again();
    }
    feeder_.feed_all(now);
    leave();
}

void delivery_driver::taken_up(const shard_set& shards) {
    const instant now = enter();
    context_.shards |= shards;
    feeder_.allow_refills();
    for (const auto& [name, slot] : context_.lanes.slots()) slot->read_again();
    sync_lanes(false);
    feeder_.feed_all(now);
    leave();
}

void delivery_driver::trust_until(std::optional<steady_duration> until) {
    const instant now = enter();
    const bool was_trusted = context_.is_trusted();
    context_.trusted_until = until;
    if (!was_trusted && context_.is_trusted()) {
        // Others may have changed what was loaded before.
        for (const auto& [name, slot] : context_.lanes.slots()) attempts_.put_back_ready(*slot, now);
        feeder_.feed_all(now);
    }
    leave();
}

void delivery_driver::follow_controls(const store::store_status& status) {
    const instant now = enter();
    controls_.follow(status, now);
    leave();
}

void delivery_driver::on_changed_elsewhere(
    const std::vector<std::string>& lanes, const std::vector<delivery_id>& retried) {
    const instant now = enter();
    for (const std::string& name : lanes) {
        delivery_slot* slot = context_.lanes.find(name);
        if (slot == nullptr && context_.table.settings_for(name))
            slot = keeper_.open(name, track::stored_heads::possible);
        if (slot != nullptr) slot->read_again();
    }
    for (const delivery_id id : retried) attempts_.on_retried_elsewhere(id, now);
    for (const std::string& name : lanes) {
        if (delivery_slot* const slot = context_.lanes.find(name)) feeder_.feed(*slot, now);
    }
    leave();
}

void delivery_driver::on_replays_changed_elsewhere() {
    const instant now = enter();
    read_again_replayed(now);
    leave();
}

std::optional<steady_time> delivery_driver::next_wake() const {
    const auto lanes = context_.lanes.next_wake();
    const auto next_try = context_.pressure.try_at();
    return lanes && next_try ? std::min(lanes, next_try) : (lanes ? lanes : next_try);
}

void delivery_driver::on_wake(instant now) {
    enter();
    if (context_.pressure.take_try(now.steady)) try_store(now);
    for (const track::lane_number number : context_.lanes.due(now.steady)) {
        delivery_slot* const slot = context_.lanes.find(number);
        if (slot == nullptr) continue;
        failing_.log_if_due(*slot, now);
        feeder_.feed(*slot, now);
    }
    leave();
}

void delivery_driver::on_store_state(track::store_state state) {
    const instant now = enter();
    if (state != track::store_state::ok) {
        context_.pressure.report_full(attempts_.any_unrecorded(), now.steady);
    } else {
        on_store_writable(now);
    }
    leave();
}

void delivery_driver::set_held(bool is_held) {
    const instant now = enter();
    if (is_held != context_.is_held && context_.stop.is_running()) {
        context_.is_held = is_held;
        for (const auto& [name, slot] : context_.lanes.slots()) {
            if (is_held) {
                attempts_.put_back_ready(*slot, now);
            } else {
                slot->lane.restrain_if_many_are_due(now.wall);
            }
        }
        if (is_held) {
            feeder_.arm_all(now);
        } else {
            feeder_.feed_all(now);
        }
    }
    leave();
}

void delivery_driver::stop(milliseconds within, unique_function<void()> stopped) {
    const instant now = enter();
    context_.stop.begin(now.steady + within, std::move(stopped));
    context_.pressure.give_up_trying();
    context_.lanes.disarm_all();
    for (const auto& [name, slot] : context_.lanes.slots()) attempts_.abandon_ready(*slot);
    attempts_.record_all();
    context_.deps.sender.stop(within, [this] {
        context_.stop.on_notifier_stopped();
        on_outcome_settled();
    });
    leave();
}

void delivery_driver::retry_delivery(delivery_id id, store::store_handler<std::monostate> handler) {
    const instant now = enter();
    attempts_.prepare_retry(id);
    context_.deps.storage.retry_delivery(
        id, now.wall, [this, id, handler = std::move(handler)](const op_result<store::delivery_head>& head) mutable {
            on_retried(id, head);
            handler(head ? op_result<std::monostate>(std::monostate{}) : op_result<std::monostate>(head.error()));
        });
    leave();
}

void delivery_driver::on_retried(delivery_id id, const op_result<store::delivery_head>& head) {
    const instant now = enter();
    if (head) {
        attempts_.drop_unrecorded(id, now);
        if (!head->waits) take_in(*head, now);
    } else {
        attempts_.cancel_retry(id);
        on_store_error(head.error(), now);
    }
    leave();
}

void delivery_driver::retry_dead(std::optional<std::string> callback, store::store_handler<std::uint64_t> handler) {
    const instant now = enter();
    auto scope = callback;
    context_.deps.storage.retry_dead(
        std::move(callback), now.wall,
        [this, scope = std::move(scope), handler = std::move(handler)](op_result<std::uint64_t> count) mutable {
            on_dead_retried(scope, count);
            handler(std::move(count));
        });
    leave();
}

void delivery_driver::on_dead_retried(
    const std::optional<std::string>& callback, const op_result<std::uint64_t>& count) {
    const instant now = enter();
    if (!count) on_store_error(count.error(), now);
    if (!count || *count > 0) { // after an error a part of it may be done
        for (const auto& [name, slot] : context_.lanes.slots()) {
            if (!callback || slot->shown_name() == *callback) slot->lane.invalidate();
        }
        feeder_.feed_all(now);
        sync_lanes(false);
    }
    leave();
}

void delivery_driver::cancel_replay(replay_id id, store::store_handler<store::replay_end> handler) {
    const instant now = enter();
    context_.deps.storage.cancel_replay(id, attempts_.begun(), now.wall, std::move(handler));
    read_again_replayed(now); // behind the cancel
    leave();
}

bool delivery_driver::test_callback(
    const std::string& name, unique_function<void(callback::delivery_outcome)> handler) {
    if (context_.table.find(name) == nullptr) return false;
    const instant now = enter();
    tester_.test(
        name, now, [this, tested = name, handler = std::move(handler)](callback::delivery_outcome outcome) mutable {
            if (outcome.what == callback::delivery_outcome::verdict::delivered) on_test_taken(tested);
            handler(std::move(outcome));
        });
    leave();
    return true;
}

void delivery_driver::on_test_taken(const std::string& name) {
    const instant now = enter();
    delivery_slot* const slot = context_.lanes.find(name);
    if (slot != nullptr) failing_.on_health(*slot, slot->lane.on_test_taken(), now);
    leave();
}

void delivery_driver::annotate(track::delivery_view& view) const { annotate_delivery(context_, view); }

// ---- what the parts call

instant delivery_driver::enter() {
    const instant now = context_.deps.clock.now();
    if (clocks_.look(now, context_.deps.clock.since_boot())) follow_clock(now);
    return now;
}

void delivery_driver::leave() {
    if (context_.url_attempts.any_waits()) feeder_.feed_waiting(context_.deps.clock.now());
    const auto next = next_wake();
    if (next == announced_) return;
    announced_ = next;
    if (wake_changed_) wake_changed_();
}

void delivery_driver::take_in(const store::delivery_head& head, instant now) {
    const track::lane_head taken = lane_head_of(head);
    delivery_slot* const slot = context_.holds(taken) ? keeper_.find_or_open(head.lane) : nullptr;
    if (slot == nullptr) return;
    slot->lane.insert(taken, now.wall);
    feeder_.feed(*slot, now);
}

void delivery_driver::on_write_refused(instant now) {
    context_.pressure.refuse(now.steady);
    feeder_.arm_all(now);
}

void delivery_driver::on_store_writable(instant now) {
    if (!context_.pressure.relieve()) return;
    feeder_.allow_refills();
    attempts_.record_all();
    failing_.save_refused();
    feeder_.feed_all(now);
}

void delivery_driver::on_store_error(const op_error& error, instant now) {
    if (is_refusal(error)) return;
    if (is_final(error)) {
        context_.pressure.halt();
    } else if (context_.stop.is_running()) {
        context_.pressure.fail(now.steady);
    }
}

// ---- its own

void delivery_driver::follow_clock(instant now) {
    for (const auto& [name, slot] : context_.lanes.slots()) {
        slot->lane.on_clock_jump(now);
        feeder_.arm(*slot, now);
    }
}

/// The time of the next try has come. On a full disk one outcome is written first, to find out whether it has space.
void delivery_driver::try_store(instant now) {
    feeder_.allow_refills();
    if (std::exchange(lane_read_failed_, false)) sync_lanes(false);
    if (!context_.pressure.is_full()) {
        attempts_.record_all();
        feeder_.feed_all(now);
    } else if (attempts_.any_unrecorded()) {
        attempts_.record_oldest();
    } else {
        on_store_writable(now);
    }
}

void delivery_driver::keep_fresh(store::delivery_record record) {
    const delivery_slot* const slot = keeper_.find_or_open(record.lane);
    if (slot == nullptr || !slot->lane.configured() || slot->lane.paused() || slot->lane.health().failing()) return;
    context_.fresh.keep(std::move(record));
}

/// Replays go by the configured callbacks alone.
void delivery_driver::read_again_replayed(instant now) {
    attempts_.put_back_replayed(now);
    for (const auto& [name, slot] : context_.lanes.slots()) {
        if (!slot->is_url) slot->read_again();
    }
    feeder_.feed_all(now);
}

void delivery_driver::sync_lanes(bool warn) {
    keeper_.forget_empty();
    read_lanes(warn);
}

void delivery_driver::read_lanes(bool warn) {
    ++lane_reads_;
    keeper_.expect_more(true);
    context_.deps.storage.status(
        [this, warn](const op_result<store::store_status>& status) { on_lanes(status, warn); });
}

void delivery_driver::on_lanes(const op_result<store::store_status>& status, bool warn) {
    const instant now = enter();
    --lane_reads_;
    if (status) {
        lane_read_failed_ = false;
        keeper_.expect_more(lane_reads_ > 0);
        for (const auto& [name, summary] : status->lanes) {
            take_over(summary, now);
            if (warn) warn_if_unconfigured(summary);
        }
        if (context_.stop.is_running()) feeder_.feed_all(now);
    } else {
        lane_read_failed_ = true;
        on_store_error(status.error(), now);
    }
    leave();
}

void delivery_driver::take_over(const store::lane_summary& summary, instant now) {
    delivery_slot* slot = context_.lanes.find(summary.lane);
    const bool may_have_some = summary.pending > 0 && context_.shards.any() && !keeper_.is_known_empty(summary.lane);
    if (slot == nullptr && may_have_some) slot = keeper_.open(summary.lane, track::stored_heads::possible);
    if (slot != nullptr) failing_.take_over(*slot, summary, now);
}

void delivery_driver::warn_if_unconfigured(const store::lane_summary& summary) {
    if (summary.pending > 0 && !context_.table.settings_for(summary.lane)) log_unconfigured(context_.deps.log, summary);
}

} // namespace prooftrack::engine
