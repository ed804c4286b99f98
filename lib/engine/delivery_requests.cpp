// What people ask of the delivery driver: retries, tests, and how it stands.

#include <algorithm>
#include <utility>

#include "engine/delivery_driver.hpp"
#include "track/event.hpp"

namespace prooftrack {
namespace {

/// What a `callback.test` event says instead of a transaction's id.
constexpr std::string_view test_transaction = "callback-test";

std::uint64_t age_in_seconds(wall_time since, wall_time now) {
    const auto age = std::chrono::floor<seconds>(now - since).count();
    return age > 0 ? static_cast<std::uint64_t>(age) : 0;
}

/// One failing lane; of several (callback_urls) what failed first, and the first try of all.
void add_failing(callback_view& view, const delivery_slot& place, instant now) {
    view.state = callback_view::condition::failing;
    if (!view.failing_since || place.failing_from < *view.failing_since) {
        view.failing_since = place.failing_from;
        view.last_error = place.last_error;
        if (place.is_url && !place.last_error.empty()) view.last_error = place.name + ": " + place.last_error;
    }
    if (const auto next = place.lane.next_wake(now)) {
        const wall_time at = now.wall + std::chrono::ceil<milliseconds>(*next - now.steady);
        view.next_try_at = std::min(view.next_try_at.value_or(at), at);
    }
}

} // namespace

std::string_view to_string(callback_view::condition state) {
    switch (state) {
    case callback_view::condition::ok:
        return "ok";
    case callback_view::condition::failing:
        return "failing";
    case callback_view::condition::unconfigured:
        return "unconfigured";
    }
    return "ok";
}

void delivery_driver::retry_delivery(delivery_id id, store_handler<std::monostate> handler) {
    const instant now = enter();
    const auto busy = attempts_.find(id);
    if (busy != attempts_.end()) {
        busy->second.place->lane.restart(id);
        const auto refused = std::find(unrecorded_.begin(), unrecorded_.end(), id);
        if (refused != unrecorded_.end()) {
            // Its old outcome must not be written behind the retry.
            unrecorded_.erase(refused);
            record(busy->second);
        }
    }
    doors_.memory.retry_delivery(id, now.wall,
                                 [this, id, handler = std::move(handler)](op_result<delivery_head> head) mutable {
                                     const instant then = enter();
                                     if (!head) {
                                         on_store_failure(head.error(), then);
                                         leave();
                                         handler(head.error());
                                         return;
                                     }
                                     const auto refused = std::find(unrecorded_.begin(), unrecorded_.end(), id);
                                     if (refused != unrecorded_.end()) {
                                         unrecorded_.erase(refused);
                                         release(id, then);
                                     }
                                     if (!head->waits) insert_head(*head, then);
                                     leave();
                                     handler(std::monostate{});
                                 });
    leave();
}

void delivery_driver::retry_dead(std::optional<std::string> callback, store_handler<std::uint64_t> handler) {
    const instant now = enter();
    auto scope = callback;
    doors_.memory.retry_dead(
        std::move(callback), now.wall,
        [this, scope = std::move(scope), handler = std::move(handler)](op_result<std::uint64_t> count) mutable {
            const instant then = enter();
            if (!count) {
                on_store_failure(count.error(), then);
            } else if (*count > 0) {
                for (const auto& [name, place] : slots_) {
                    if (!scope || place->shown_name() == *scope) place->lane.invalidate();
                }
                pump_all(then);
                sync_lanes(false);
            }
            leave();
            handler(std::move(count));
        });
    leave();
}

bool delivery_driver::test_callback(const std::string& name, unique_function<void(delivery_outcome)> handler) {
    if (table_.find(name) == nullptr) return false;
    const instant now = enter();
    if (stopping_ || tests_ >= most_callback_tests) {
        delivery_outcome busy;
        busy.error = stopping_ ? "the daemon is stopping" : "too many tests are under way";
        handler(std::move(busy));
        return true;
    }
    ++tests_;
    event_facts facts;
    facts.id = make_event_id(now.wall, random_);
    facts.type = event_type::test;
    facts.timestamp = now.wall;
    facts.transaction = test_transaction;
    delivery_job job;
    job.callback = name;
    job.event_id = facts.id;
    job.event_type = std::string(to_string(facts.type));
    job.transaction = std::string(test_transaction);
    job.state = std::string(to_string(facts.state));
    job.body = std::make_shared<const std::string>(format_event(facts));
    job.now = now.wall;
    job.wants_reply = true;
    doors_.sender.deliver(std::move(job), [this, handler = std::move(handler)](delivery_outcome outcome) mutable {
        --tests_;
        handler(std::move(outcome));
    });
    leave();
    return true;
}

std::vector<callback_view> delivery_driver::views(const store_status& status, wall_time now) const {
    std::vector<callback_view> views;
    const auto row = [&](std::string_view name) -> callback_view& {
        const auto found =
            std::find_if(views.begin(), views.end(), [&](const callback_view& view) { return view.name == name; });
        if (found != views.end()) return *found;
        views.emplace_back().name = std::string(name);
        return views.back();
    };
    for (const callback_config& one : table_.callbacks()) row(one.name);
    if (table_.has_url_rules()) row(own_url_callback);
    for (const auto& [name, summary] : status.lanes) {
        const bool configured = table_.settings_for(name).has_value();
        if (!configured && summary.pending == 0 && summary.dead == 0) continue;
        callback_view& view = row(summary.callback);
        view.backlog += summary.pending;
        view.dead += summary.dead;
        if (summary.pending > 0 && summary.oldest_pending) {
            view.oldest_undelivered_seconds =
                std::max(view.oldest_undelivered_seconds, age_in_seconds(*summary.oldest_pending, now));
        }
        if (!configured && view.state == callback_view::condition::ok)
            view.state = callback_view::condition::unconfigured;
    }
    const instant at{doors_.clock.now().steady, now};
    for (const auto& [name, place] : slots_) {
        if (place->lane.configured() && place->lane.health().failing())
            add_failing(row(place->shown_name()), *place, at);
    }
    return views;
}

void delivery_driver::report(const store_status& status, wall_time now) {
    std::set<std::string> vanished = std::exchange(reported_, {});
    for (const callback_view& view : views(status, now)) {
        doors_.metrics.on_callback(view);
        vanished.erase(view.name);
        reported_.insert(view.name);
    }
    for (const std::string& name : vanished) {
        callback_view gone;
        gone.name = name;
        doors_.metrics.on_callback(gone);
    }
}

/// Its callback fails and is tried with another one.
bool delivery_driver::waits_for_recovery(const delivery_view& due) const {
    const auto waits = [](const slot& place) { return place.lane.configured() && place.lane.health().failing(); };
    if (due.callback != own_url_callback) {
        const auto place = slots_.find(due.callback);
        return place != slots_.end() && waits(*place->second) && !place->second->lane.is_busy(due.id);
    }
    return std::any_of(slots_.begin(), slots_.end(), [&](const auto& named) {
        return named.second->is_url && waits(*named.second) && named.second->lane.due_of(due.id);
    });
}

void delivery_driver::annotate(delivery_view& view) const {
    if (view.state != delivery_state::pending) return;
    if (!table_.is_configured(view.callback)) {
        view.last_error = "callback not configured";
        view.next_attempt_at.reset();
        return;
    }
    if (!view.next_attempt_at) return;
    const wall_time now = doors_.clock.now().wall;
    if (*view.next_attempt_at <= now && waits_for_recovery(view)) {
        view.next_attempt_at.reset();
        return;
    }
    const auto settings = table_.settings_for(view.callback);
    const std::vector<milliseconds> schedule = settings ? settings->retry_schedule : callback_config{}.retry_schedule;
    if (is_explained(view, schedule, now)) return;
    view.next_attempt_at = look_at(*view.next_attempt_at, view.attempts, schedule, now);
    for (const auto& [name, place] : slots_) {
        if (place->shown_name() != view.callback) continue;
        if (const auto due = place->lane.due_of(view.id)) view.next_attempt_at = std::min(*view.next_attempt_at, *due);
    }
}

} // namespace prooftrack
