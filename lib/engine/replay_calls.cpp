#include "engine/replay_calls.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "engine/problems.hpp"

namespace prooftrack::engine {
namespace {

bool any_selects(const std::vector<std::string>& patterns, track::event_type type) {
    return std::any_of(
        patterns.begin(), patterns.end(), [type](const std::string& each) { return selects(each, type); });
}

/// What the callback selects and the request does not leave out. It holds for the whole replay, whatever a reload
/// brings.
std::vector<std::string> selected_types(
    const config::callback_config& callback, const std::vector<std::string>& wanted) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < track::event_type_count; ++i) {
        const auto type = static_cast<track::event_type>(i);
        if (!any_selects(callback.events, type)) continue;
        if (wanted.empty() || any_selects(wanted, type)) names.emplace_back(to_string(type));
    }
    return names;
}

api::problem running_already(const op_error& error) {
    return refuse(
        api::problem_code::replay_running,
        fmt::format(
            "{}: wait for its end, or `prooftrackctl replays cancel` it (`prooftrackctl replays` lists them)",
            error.detail));
}

} // namespace

void replay_calls::begin_replay(
    api::replay_request request, api::client_identity who, api::backend_handler<track::replay_view> handler) {
    if (!request.dry_run)
        handler = with_.audit.audited({"replay", "callback", request.query.callback, who}, std::move(handler));
    start(begin(std::move(request)), std::move(handler));
}

task<api::outcome<track::replay_view>> replay_calls::begin(api::replay_request request) {
    const config::callback_config* const callback = with_.driver.callbacks().find(request.query.callback);
    if (callback == nullptr) {
        co_return refuse(
            api::problem_code::unknown_callback,
            fmt::format("no [[callback]] has the name '{}'", request.query.callback));
    }
    track::replay_query query = std::move(request.query);
    query.types = selected_types(*callback, query.types);
    const bool is_dry_run = request.dry_run;
    const wall_time now = with_.clock.now().wall;
    auto begun = co_await call(with_.storage, &store::store::begin_replay, std::move(query), is_dry_run, now);
    if (!begun && begun.error().code == store::store_error::busy) co_return running_already(begun.error());
    if (!begun) co_return store_problem(begun.error());
    if (!is_dry_run) with_.runner.add(*begun);
    co_return std::move(*begun);
}

void replay_calls::replays(api::backend_handler<std::vector<track::replay_view>> handler) {
    start(list(), std::move(handler));
}

task<api::outcome<std::vector<track::replay_view>>> replay_calls::list() {
    auto all = co_await call(with_.storage, &store::store::replays);
    if (!all) co_return store_problem(all.error());
    co_return std::move(*all);
}

void replay_calls::cancel_replay(
    replay_id id, api::client_identity who, api::backend_handler<track::replay_view> handler) {
    start(cancel(id), with_.audit.audited({"cancel replay", "replay", value_of(id), who}, std::move(handler)));
}

task<api::outcome<track::replay_view>> replay_calls::cancel(replay_id id) {
    auto end = co_await call(with_.driver, &delivery_driver::cancel_replay, id);
    if (!end && end.error().code == store::store_error::not_found) {
        co_return refuse(
            api::problem_code::unknown_replay,
            fmt::format("there is no replay {}: `prooftrackctl replays` lists them", value_of(id)));
    }
    if (!end) co_return store_problem(end.error());
    if (!end->was_running) {
        co_return refuse(
            api::problem_code::replay_ended,
            fmt::format("replay {} is {} already", value_of(id), to_string(end->replay.state)));
    }
    with_.runner.end(*end);
    co_return std::move(end->replay);
}

} // namespace prooftrack::engine
