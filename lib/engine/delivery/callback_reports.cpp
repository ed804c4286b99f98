#include "engine/delivery/callback_reports.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace prooftrack::engine {
namespace {

constexpr std::array<std::string_view, 4> condition_names{"ok", "failing", "paused", "unconfigured"};

std::uint64_t age_in_seconds(wall_time since, wall_time now) {
    const auto age = std::chrono::floor<seconds>(now - since).count();
    return age > 0 ? static_cast<std::uint64_t>(age) : 0;
}

/// The row of that name, made when there is none.
callback_view& row_of(std::vector<callback_view>& views, std::string_view name) {
    const auto found =
        std::find_if(views.begin(), views.end(), [&](const callback_view& view) { return view.name == name; });
    if (found != views.end()) return *found;
    views.emplace_back().name = std::string(name);
    return views.back();
}

void add_owed(callback_view& view, const store::lane_summary& summary, bool configured, wall_time now) {
    view.backlog += summary.pending;
    view.dead += summary.dead;
    if (summary.pending > 0 && summary.oldest_pending) {
        view.oldest_undelivered_seconds =
            std::max(view.oldest_undelivered_seconds, age_in_seconds(*summary.oldest_pending, now));
    }
    if (!configured && view.state == callback_view::condition::ok) view.state = callback_view::condition::unconfigured;
}

/// What is not configured stays that: it would not go on without its pause either.
void add_pause(callback_view& view, wall_time since, bool configured) {
    view.state = configured ? callback_view::condition::paused : callback_view::condition::unconfigured;
    view.paused_since = since;
}

/// One failing lane; of several (callback_urls) what failed first, and the first try of all.
void add_failing(callback_view& view, const delivery_slot& slot, instant now) {
    view.state = callback_view::condition::failing;
    if (!view.failing_since || slot.failing_from < *view.failing_since) {
        view.failing_since = slot.failing_from;
        view.last_error = slot.last_error;
        if (slot.is_url && !slot.last_error.empty()) view.last_error = slot.name + ": " + slot.last_error;
    }
    if (const auto next = slot.lane.next_wake(now)) {
        const wall_time at = now.wall + std::chrono::ceil<milliseconds>(*next - now.steady);
        view.next_try_at = std::min(view.next_try_at.value_or(at), at);
    }
}

} // namespace

std::string_view to_string(callback_view::condition state) {
    return condition_names.at(static_cast<std::size_t>(state));
}

std::vector<callback_view> callback_reports::views(const store::store_status& status, wall_time now) const {
    std::vector<callback_view> views;
    const callback_table& table = context_.table;
    for (const config::callback_config& one : table.callbacks()) row_of(views, one.name);
    if (table.has_url_rules()) row_of(views, own_url_callback);
    for (const auto& [name, summary] : status.lanes) {
        const bool configured = table.settings_for(name).has_value();
        if (!configured && summary.pending == 0 && summary.dead == 0) continue;
        add_owed(row_of(views, summary.callback), summary, configured, now);
    }
    const instant at{context_.deps.clock.now().steady, now};
    for (const auto& [name, slot] : context_.lanes.slots()) {
        if (slot->lane.configured() && slot->lane.health().failing())
            add_failing(row_of(views, slot->shown_name()), *slot, at);
    }
    for (const auto& [name, since] : context_.pauses.all())
        add_pause(row_of(views, name), since, table.is_configured(name));
    return views;
}

void callback_reports::report(const store::store_status& status, wall_time now) {
    std::set<std::string> vanished = std::exchange(reported_, {});
    for (const callback_view& view : views(status, now)) {
        context_.deps.metrics.on_callback(view);
        vanished.erase(view.name);
        reported_.insert(view.name);
    }
    for (const std::string& name : vanished) {
        callback_view gone;
        gone.name = name;
        context_.deps.metrics.on_callback(gone);
    }
}

} // namespace prooftrack::engine
