#include "engine/maintenance_calls.hpp"

#include <utility>

#include "engine/problems.hpp"

namespace prooftrack::engine {

void maintenance_calls::set_maintenance(
    bool is_on, std::string note, api::client_identity who,
    api::backend_handler<std::optional<track::maintenance_mark>> handler) {
    auto audited = audit_.audited({"maintenance", "state", is_on ? "on" : "off", who}, std::move(handler));
    start(set(is_on, std::move(note)), std::move(audited));
}

task<api::outcome<std::optional<track::maintenance_mark>>> maintenance_calls::set(bool is_on, std::string note) {
    // Its end moves the times of those that are in memory: who is loaded later would keep his.
    if (state_.life == daemon_state::phase::loading)
        co_return refuse(api::problem_code::unavailable, "the daemon is starting: try again in a moment");
    std::optional<track::maintenance_mark> wanted;
    if (is_on) wanted = track::maintenance_mark{clock_.now().wall, note};
    const auto stored = co_await call(store_, &store::store::set_maintenance, std::move(wanted));
    if (!stored) co_return store_problem(stored.error());
    hold_.follow(*stored, note);
    co_return *stored;
}

} // namespace prooftrack::engine
