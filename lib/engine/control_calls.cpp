#include "engine/control_calls.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/problems.hpp"
#include "engine/status_report.hpp"

namespace prooftrack::engine {
namespace {

bool is_owed_something(const std::string& callback, const store::store_status& status) {
    return std::any_of(status.lanes.begin(), status.lanes.end(), [&](const auto& lane) {
        return lane.second.callback == callback && lane.second.pending + lane.second.dead > 0;
    });
}

api::problem dismissal_problem(delivery_id id, const op_error& error) {
    if (error.code == store::store_error::not_found) return unknown_delivery(id);
    if (error.code == store::store_error::not_dead) {
        return refuse(
            api::problem_code::not_dead, fmt::format(
                                             "delivery {} is {}: only a dead one is dismissed, one that used its whole "
                                             "schedule or got 410",
                                             value_of(id), error.detail.empty() ? "not dead" : error.detail));
    }
    return store_problem(error);
}

} // namespace

task<std::optional<api::problem>> refuse_unknown_callback(
    store::store& storage, const delivery_driver& driver, std::string name) {
    if (driver.callbacks().is_configured(name)) co_return std::nullopt;
    const auto status = co_await call(storage, &store::store::status);
    if (!status) co_return store_problem(status.error());
    if (is_owed_something(name, *status) || status->pauses.contains(name)) co_return std::nullopt;
    co_return unknown_callback(name);
}

api::problem callback_paused(const std::string& name) {
    return refuse(
        api::problem_code::callback_paused,
        fmt::format("callback '{0}' is paused and nothing was changed: `prooftrackctl resume {0}` first", name));
}

// ---- pause and resume

void control_calls::pause_callback(
    std::string name, api::client_identity who, api::backend_handler<std::string> handler) {
    auto audited = audit_.audited({"pause callback", "callback", name, who}, std::move(handler));
    start(pause(std::move(name)), std::move(audited));
}

task<api::outcome<std::string>> control_calls::pause(std::string name) {
    const auto unknown = co_await refuse_unknown_callback(store_, driver_, name);
    if (unknown) co_return *unknown;
    const auto done = co_await call(driver_, &delivery_driver::pause_callback, name);
    if (!done) co_return store_problem(done.error());
    auto shown = co_await show(std::move(name));
    co_return shown;
}

void control_calls::resume_callback(
    std::string name, api::client_identity who, api::backend_handler<std::string> handler) {
    auto audited = audit_.audited({"resume callback", "callback", name, who}, std::move(handler));
    start(resume(std::move(name)), std::move(audited));
}

task<api::outcome<std::string>> control_calls::resume(std::string name) {
    const auto unknown = co_await refuse_unknown_callback(store_, driver_, name);
    if (unknown) co_return *unknown;
    const auto done = co_await call(driver_, &delivery_driver::resume_callback, name);
    if (!done) co_return store_problem(done.error());
    auto shown = co_await show(std::move(name));
    co_return shown;
}

/// As the status shows it.
task<api::outcome<std::string>> control_calls::show(std::string name) {
    const auto status = co_await call(store_, &store::store::status);
    if (!status) co_return store_problem(status.error());
    for (const callback_view& view : driver_.views(*status, clock_.now().wall)) {
        if (view.name == name) co_return format_callback(view);
    }
    // One that is not configured and that nothing is owed to any more.
    callback_view gone;
    gone.name = std::move(name);
    gone.state = callback_view::condition::unconfigured;
    co_return format_callback(gone);
}

// ---- flush

void control_calls::flush_callback(
    std::string name, api::client_identity who, api::backend_handler<std::uint64_t> handler) {
    auto audited = audit_.audited({"flush callback", "callback", name, who}, std::move(handler));
    start(flush(std::move(name)), std::move(audited));
}

task<api::outcome<std::uint64_t>> control_calls::flush(std::string name) {
    const auto unknown = co_await refuse_unknown_callback(store_, driver_, name);
    if (unknown) co_return *unknown;
    const auto due = co_await call(driver_, &delivery_driver::flush_callback, name);
    if (due) co_return *due;
    if (due.error().code == store::store_error::paused) co_return callback_paused(name);
    co_return store_problem(due.error());
}

// ---- dismiss

void control_calls::dismiss_delivery(
    delivery_id id, std::string note, api::client_identity who, api::backend_handler<track::delivery_view> handler) {
    auto audited = audit_.audited({"dismiss delivery", "delivery", value_of(id), who}, std::move(handler));
    start(dismiss(id, std::move(note)), std::move(audited));
}

task<api::outcome<track::delivery_view>> control_calls::dismiss(delivery_id id, std::string note) {
    auto done = co_await call(store_, &store::store::dismiss_delivery, id, std::move(note));
    if (!done) co_return dismissal_problem(id, done.error());
    co_return std::move(*done);
}

void control_calls::dismiss_dead(
    std::optional<std::string> callback, std::string note, api::client_identity who,
    api::backend_handler<std::uint64_t> handler) {
    auto audited =
        audit_.audited({"dismiss dead deliveries", "callback", callback.value_or("*"), who}, std::move(handler));
    start(dismiss_all_dead(std::move(callback), std::move(note)), std::move(audited));
}

task<api::outcome<std::uint64_t>> control_calls::dismiss_all_dead(
    std::optional<std::string> callback, std::string note) {
    if (callback) {
        const std::string name = *callback;
        const auto unknown = co_await refuse_unknown_callback(store_, driver_, name);
        if (unknown) co_return *unknown;
    }
    const auto count = co_await call(store_, &store::store::dismiss_dead, std::move(callback), std::move(note));
    if (!count) co_return store_problem(count.error());
    co_return *count;
}

} // namespace prooftrack::engine
