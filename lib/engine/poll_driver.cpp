#include "engine/poll_driver.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/expects.hpp"
#include "track/event.hpp"
#include "track/transaction_rules.hpp"

namespace prooftrack::engine {
namespace {

observe::log_event_id event_name(const track::change_action& change) {
    if (change.event == track::event_type::reversed) return observe::log_event_id::transaction_reversed;
    if (change.from_state == change.facts.state) return observe::log_event_id::transaction_status;
    switch (change.facts.state) {
    case track::tracking_state::tracking:
        return observe::log_event_id::transaction_status;
    case track::tracking_state::settled:
        return observe::log_event_id::transaction_settled;
    case track::tracking_state::overdue:
        return observe::log_event_id::transaction_overdue;
    case track::tracking_state::not_found:
        return observe::log_event_id::transaction_not_found;
    case track::tracking_state::rejected:
        return observe::log_event_id::transaction_rejected;
    case track::tracking_state::abandoned:
        return observe::log_event_id::transaction_abandoned;
    case track::tracking_state::untracked:
        return observe::log_event_id::transaction_untracked;
    }
    return observe::log_event_id::transaction_status;
}

observe::log_event_id event_name(track::health_kind kind) {
    switch (kind) {
    case track::health_kind::ok:
        return observe::log_event_id::proof_recovered;
    case track::health_kind::throttled:
        return observe::log_event_id::proof_throttled;
    case track::health_kind::unauthorized:
        return observe::log_event_id::proof_unauthorized;
    case track::health_kind::forbidden:
        return observe::log_event_id::proof_forbidden;
    case track::health_kind::unreachable:
        return observe::log_event_id::proof_unreachable;
    }
    return observe::log_event_id::proof_recovered;
}

std::string_view advice(track::health_kind kind, std::string_view detail) {
    const bool answers_404 = detail.starts_with("404") || detail.starts_with("400");
    if (kind == track::health_kind::unreachable && answers_404) {
        return "Proof refuses most ids: check proof.base_url and whose account and environment the ids are of";
    }
    if (kind == track::health_kind::unreachable && (detail.starts_with("401") || detail.starts_with("403"))) {
        return "a proxy or firewall before Proof refuses everything: ask whoever runs it, and check proof.base_url";
    }
    switch (kind) {
    case track::health_kind::ok:
        return "";
    case track::health_kind::throttled:
        return "nothing to do: everybody waits, then polls go up slowly";
    case track::health_kind::unauthorized:
        return "put the client_token that Proof issued last into proof.token_file; it is noticed by itself";
    case track::health_kind::forbidden:
        return "ask Proof to allow this server's address";
    case track::health_kind::unreachable:
        return "nothing to do if Proof is down; else check the network, DNS and proof.base_url";
    }
    return "";
}

std::string_view advice_for(track::capacity_limit limit) {
    switch (limit) {
    case track::capacity_limit::store:
        return "changes wait for the disk: nothing to do after an import, else a faster disk";
    case track::capacity_limit::max_rate:
        return "raise poll.max_rate if Proof allows it, or lengthen poll.interval";
    case track::capacity_limit::connections:
        return "raise proof.connections, or lengthen poll.interval";
    case track::capacity_limit::machine:
        return "nothing to do after an import, else a faster machine, or lengthen poll.interval";
    }
    return "";
}

track::record_result result_of(const op_result<store::recorded_transition>& result) {
    if (result) return track::record_result::durable;
    const bool is_stale =
        result.error().code == store::store_error::stale || result.error().code == store::store_error::not_found;
    return is_stale ? track::record_result::stale : track::record_result::refused;
}

store::transition make_transition(const track::change_action& change) {
    store::transition row{
        .id = change.id,
        .revision = change.revision,
        .at = change.at,
        .from_state = change.from_state,
        .from_status = change.from_status,
        .facts = change.facts,
        .is_history = change.is_history,
        .reply = change.reply,
        .reply_is_good = change.reply_is_good,
        .request_id = change.request_id,
        .event = std::nullopt};
    return row;
}

} // namespace

void poll_driver::step(track::tracker_event event) { step(std::move(event), around_.clock.now()); }

const track::tracker& poll_driver::follow_clock() {
    followed_at_ = around_.clock.now();
    if (const auto jumped = clocks_.look(followed_at_, around_.clock.since_boot()))
        perform_step(track::clock_jumped_event{jumped->set_by}, followed_at_);
    return tracker_;
}

void poll_driver::step(track::tracker_event event, instant now) {
    // Before anything is judged by a clock that has just been set.
    if (const auto jumped = clocks_.look(now, around_.clock.since_boot()))
        perform_step(track::clock_jumped_event{jumped->set_by}, now);
    perform_step(std::move(event), now);
}

void poll_driver::perform_step(track::tracker_event event, instant now) {
    std::vector<track::tracker_action> actions = std::exchange(spare_actions_, {});
    tracker_.step(std::move(event), now, actions);
    for (track::tracker_action& action : actions) {
        std::visit([this](auto& wanted) { perform(wanted); }, action);
    }
    actions.clear();
    spare_actions_ = std::move(actions);
    around_.listener.on_stepped();
}

std::optional<steady_time> poll_driver::wake_due(instant now) {
    if (!may_poll()) return std::nullopt;
    if (proof_ != nullptr && tracker_.has_poll(now)) proof_->wake(tracker_.needed_at_once(now));
    return tracker_.next_wake(now);
}

std::optional<track::poll_ticket> poll_driver::next_poll() {
    const instant now = around_.clock.now();
    if (!may_poll()) return std::nullopt;
    auto poll = tracker_.next_poll(now);
    if (!poll) {
        around_.listener.on_stepped(); // the first one that is not due yet is another one than before the pull
        return std::nullopt;
    }
    around_.counts.on_poll_started(poll->lateness, now.steady);
    return std::move(poll->ticket);
}

bool poll_driver::has_poll() {
    const instant now = around_.clock.now();
    return may_poll() && tracker_.has_poll(now);
}

void poll_driver::on_answer(track::poll_ticket ticket, track::poll_answer answer) {
    const instant now = around_.clock.now();
    around_.counts.on_poll_answered(answer.what, answer.took, now.wall);
    const bool is_throttled = answer.what == track::reply_class::throttled;
    step(track::answered_event{std::move(ticket), std::move(answer)}, now);
    if (is_throttled) tell_of_pause(now.steady);
}

void poll_driver::after_change(track::row_ref row, unique_function<void(op_result<std::monostate>)> then) {
    after_change_.emplace(tracker_.recording_change(row), std::move(then));
}

void poll_driver::perform(track::change_action& change) {
    auto then = [this](track::change_action recorded, const std::string& event_id, auto result) {
        on_record_result(std::move(recorded), event_id, std::move(result));
    };
    record(std::move(change), std::move(then));
}

void poll_driver::record(
    track::change_action change,
    unique_function<void(track::change_action, std::string, op_result<store::recorded_transition>)> then) {
    store::transition row = make_transition(change);
    std::string event_id;
    if (change.event) {
        event_id = track::make_event_id(change.at, around_.random);
        row.event =
            store::owed_event{event_id, *change.event, change.previous_status, around_.selecting(*change.event)};
    }
    around_.storage.record(
        std::move(row), [then = std::move(then), recorded = std::move(change),
                         event_id = std::move(event_id)](op_result<store::recorded_transition> result) mutable {
            then(std::move(recorded), std::move(event_id), std::move(result));
        });
}

void poll_driver::end_stored(track::active_transaction row, unique_function<void(op_result<std::monostate>)> then) {
    auto verdict = track::judge_untrack(row.facts);
    expects(verdict.has_value(), "poll_driver: the tracking of a stored row was ended twice");
    track::change_action change{
        .slot = 0,
        .number = {},
        .revision = row.revision,
        .id = std::move(row.id),
        .at = vouched_now(),
        .from_state = row.facts.state,
        .from_status = std::move(row.facts.status),
        .facts = std::move(verdict->facts),
        .is_history = true,
        .reply = "",
        .reply_is_good = false,
        .request_id = "",
        .event = verdict->event,
        .previous_status = std::move(verdict->previous_status),
        .updated_at = std::nullopt};
    auto on_result = [this, then = std::move(then)](
                         const track::change_action& ended, const std::string& event_id, auto result) mutable {
        op_result<std::monostate> outcome = std::monostate{};
        if (!result) outcome = result.error();
        if (result) tell(ended, event_id, *std::move(result));
        then(std::move(outcome));
    };
    record(std::move(change), std::move(on_result));
}

void poll_driver::tell(
    const track::change_action& change, const std::string& event_id, store::recorded_transition recorded) {
    log_change(change, event_id, recorded);
    if (change.event && change.updated_at)
        around_.counts.on_detected(std::max(milliseconds(0), around_.clock.now().wall - *change.updated_at));
    if (change.is_history) around_.counts.on_transition(change.from_state, change.facts.state);
    around_.listener.on_recorded(change, std::move(recorded));
}

void poll_driver::on_record_result(
    track::change_action change, const std::string& event_id, op_result<store::recorded_transition> result) {
    const track::record_result what = result_of(result);
    const row_revision revision = result ? result->revision : row_revision{};
    step(track::recorded_event{change.slot, change.number, what, revision});
    op_result<std::monostate> outcome = std::monostate{};
    if (!result) outcome = result.error();
    if (result) {
        tell(change, event_id, *std::move(result));
    } else if (what == track::record_result::refused && result.error().code != store::store_error::stopped) {
        around_.log.write(
            observe::log_event_id::store_error, {{"operation", "record a change"},
                                                 {"merchant_transaction_id", change.id.str()},
                                                 {"error", result.error().message()}});
    }
    if (reloading_.contains(change.number)) return; // it has ended when the row is loaded again
    end_change(change.number, outcome);
}

void poll_driver::end_change(track::change_number number, const op_result<std::monostate>& how) {
    std::vector<unique_function<void(op_result<std::monostate>)>> waiting;
    const auto [first, last] = after_change_.equal_range(number);
    for (auto at = first; at != last; ++at) waiting.push_back(std::move(at->second));
    after_change_.erase(first, last);
    for (auto& then : waiting) then(how);
}

void poll_driver::perform(track::reload_action& reload) {
    transaction_id id = reload.id;
    reloading_.insert(reload.number);
    around_.storage.find(
        std::move(id),
        [this, slot = reload.slot, number = reload.number](op_result<std::optional<track::transaction_view>> found) {
            std::optional<track::active_transaction> row;
            if (found && *found && holds((*found)->shard)) {
                const track::transaction_view& view = **found;
                row = track::active_transaction{view.id, view.facts, view.revision, view.shard};
            }
            step(
                found ? track::tracker_event(track::reloaded_event{slot, number, std::move(row)})
                      : track::tracker_event(track::recorded_event{slot, number, track::record_result::refused, {}}));
            reloading_.erase(number);
            end_change(
                number,
                op_error{make_error_code(store::store_error::stale), "record a change", "the row is another one"});
        });
}

void poll_driver::log_change(
    const track::change_action& change, std::string_view event_id, const store::recorded_transition& recorded) {
    if (!change.is_history) return;
    std::vector<observe::log_field> fields{
        {"merchant_transaction_id", change.id.str()},
        {"from", change.from_status},
        {"to", change.facts.status},
        {"from_state", to_string(change.from_state)},
        {"state", to_string(change.facts.state)},
        {"request_id", change.request_id}};
    std::string trace = recorded.traceparent;
    if (change.event && recorded.seq) {
        fields.emplace_back("event", to_string(*change.event));
        fields.emplace_back("event_id", event_id);
        fields.emplace_back("seq", value_of(*recorded.seq));
        trace = track::event_traceparent(trace, event_id);
    }
    if (!trace.empty()) fields.emplace_back("traceparent", std::move(trace));
    around_.log.write(event_name(change), std::span<const observe::log_field>(fields));
}

void poll_driver::perform(track::reread_token_action& /*wanted*/) { around_.listener.on_token_wanted(); }

void poll_driver::perform(track::health_action& health) {
    around_.counts.set_proof_up(health.to == track::health_kind::ok || health.to == track::health_kind::throttled);
    std::vector<observe::log_field> fields{
        {"error", health.detail}, {"detail", advice(health.to, health.detail)}, {"request_id", health.request_id}};
    if (health.to == track::health_kind::throttled) fields.emplace_back("retry_after_ms", health.pause.count());
    if (health.to == track::health_kind::ok) fields.emplace_back("from", to_string(health.from));
    around_.log.write(event_name(health.to), std::span<const observe::log_field>(fields));
}

void poll_driver::perform(track::poll_error_action& error) {
    std::vector<observe::log_field> fields{
        {"error", error.error},
        {"merchant_transaction_id", error.id},
        {"result", to_string(error.what)},
        {"consecutive", error.errors_in_row},
        {"request_id", error.request_id}};
    const bool is_denied =
        error.what == track::reply_class::unauthorized || error.what == track::reply_class::forbidden;
    if (is_denied) fields.emplace_back("advice", "if others are answered, look for what is special in this id");
    around_.log.write(observe::log_event_id::poll_error, std::span<const observe::log_field>(fields));
}

void poll_driver::perform(track::odd_status_action& odd) {
    if (odd.is_downgrade) {
        around_.log.write(
            observe::log_event_id::transaction_downgrade, {{"merchant_transaction_id", odd.id},
                                                           {"status", odd.status},
                                                           {"word", odd.word},
                                                           {"request_id", odd.request_id}});
        return;
    }
    around_.counts.on_unknown_status();
    around_.log.write(
        observe::log_event_id::proof_unknown_status,
        {{"word", odd.word}, {"merchant_transaction_id", odd.id}, {"request_id", odd.request_id}});
}

void poll_driver::perform(track::behind_action& behind) {
    const std::size_t possible = proof_ == nullptr ? 0 : proof_->most_at_once();
    const track::capacity_limit limit = track::what_limits(behind.facts, possible);
    around_.log.write(
        observe::log_event_id::poll_behind, {{"wanted_per_second", behind.wanted},
                                             {"made_per_second", behind.made},
                                             {"oldest_due_ms", behind.oldest_due.count()},
                                             {"limit", to_string(limit)},
                                             {"advice", advice_for(limit)}});
}

void poll_driver::perform(track::clock_skew_action& skew) {
    around_.log.write(
        observe::log_event_id::daemon_clock_skew,
        {{"skew_ms", skew.skew.count()}, {"advice", "check NTP on this machine"}});
}

void poll_driver::perform(track::burst_action& burst) {
    if (!burst.has_begun) return;
    around_.log.write(
        observe::log_event_id::poll_error,
        {{"error", "400 or 404 for many ids at once: taken as Proof's trouble, not held against the ids"}});
}

} // namespace prooftrack::engine
