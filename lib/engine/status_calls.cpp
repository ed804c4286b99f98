#include "engine/status_calls.hpp"

#include <fmt/format.h>

#include "engine/full_status.hpp"
#include "engine/problems.hpp"

namespace prooftrack::engine {

task<api::outcome<std::string>> status_calls::format() {
    auto status = co_await read_full_status(shown_.storage);
    if (!status) co_return store_problem(status.error());
    status->stored.state = shown_.state.disk;
    const instant now = shown_.clock.now();
    const std::vector<callback_view> callbacks = shown_.deliveries.views(status->stored, now.wall);
    co_return format_status(
        {version_, now.steady - started_at_, status->stored, shown_.core, shown_.counts.poll_lag_p99(), now, callbacks,
         status->consumers, shown_.config, secrets_, protocol_, process_, cluster()});
}

task<api::outcome<std::string>> status_calls::serialize() {
    const auto status = co_await read_full_status(shown_.storage);
    if (status) shown_.upkeep.publish(status->stored, status->consumers, shown_.clock.now());
    if (shown_.cluster != nullptr) shown_.cluster->report();
    co_return shown_.counts.serialize();
}

const store::cluster_view* status_calls::cluster() const {
    return shown_.cluster != nullptr && shown_.cluster->view() ? &*shown_.cluster->view() : nullptr;
}

api::health_report status_calls::ready() const {
    api::health_report report;
    if (shown_.state.life == daemon_state::phase::loading)
        report.reasons.emplace_back("starting: the database is being read");
    if (shown_.state.life == daemon_state::phase::stopping) report.reasons.emplace_back("stopping");
    if (shown_.state.disk == track::store_state::full)
        report.reasons.emplace_back("the disk is full: new work is refused until there is room");
    if (shown_.state.disk == track::store_state::unreachable)
        report.reasons.emplace_back("PostgreSQL cannot be reached: new work is refused until it can");
    if (const std::string idle = shown_.cluster == nullptr ? "" : shown_.cluster->why_idle(); !idle.empty())
        report.reasons.push_back(idle);
    report.ok = report.reasons.empty();
    report.proof = proof_standing();
    return report;
}

api::health_report status_calls::healthy() const { return {}; } // an answer shows that the loop runs

std::string status_calls::proof_standing() const {
    const track::proof_health& health = shown_.core.health();
    std::string standing = health.standing();
    if (health.kind() == track::health_kind::ok) return standing.empty() ? "ok" : standing;
    const std::string_view kind = to_string(health.kind());
    return standing.empty() ? std::string(kind) : fmt::format("{}: {}", kind, standing);
}

std::string status_calls::summary() const {
    std::string line = fmt::format(
        "{} pending, {:.0f} polls/s, Proof {}", shown_.core.open(), shown_.core.made_rate(), proof_standing());
    if (shown_.core.is_held()) line += ", MAINTENANCE";
    if (shown_.state.disk == track::store_state::full) line += ", THE DISK IS FULL";
    if (shown_.state.disk == track::store_state::unreachable) line += ", POSTGRESQL CANNOT BE REACHED";
    if (!shown_.config.refusal.empty()) line += ", THE CONFIGURATION WAS REFUSED";
    return line;
}

} // namespace prooftrack::engine
