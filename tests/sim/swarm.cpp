#include "sim/swarm.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include <fmt/format.h>

namespace prooftrack::sim {
namespace {

constexpr std::array<std::string_view, action_kind_count> kind_names{
    "post_same",
    "post_other",
    "import",
    "session",
    "poll_by_hand",
    "hint",
    "untrack",
    "set_options",
    "untrack_matching",
    "get",
    "wait",
    "list",
    "read_events",
    "consumer",
    "retry_delivery",
    "retry_dead",
    "test_callback",
    "reload_callbacks",
    "reload_events",
    "reload_schedule",
    "reload_polls",
    "reload_token",
    "crash",
    "restart",
    "disk_full",
    "slow_store",
    "failing_operation",
    "jump_clock",
    "suspend",
    "proof_fault",
    "poison",
    "proof_moves",
    "pause_callback",
    "resume_callback",
    "flush_callback",
    "dismiss",
    "maintenance"};

constexpr std::array<std::string_view, moment_kind_count> moment_names{
    "timed",           "poll_started",    "answer_due",       "change_handed", "change_committed",
    "change_answered", "attempt_started", "attempt_answering"};

/// What happens at an instant, rather than for a while.
bool suits_a_moment(action_kind kind) {
    switch (kind) {
    case action_kind::disk_full:
    case action_kind::proof_fault:
    case action_kind::poison:
    case action_kind::list:
        return false;
    default:
        return true;
    }
}

bool concerns_an_id(action_kind kind) {
    switch (kind) {
    case action_kind::post_same:
    case action_kind::post_other:
    case action_kind::import:
    case action_kind::poll_by_hand:
    case action_kind::hint:
    case action_kind::untrack:
    case action_kind::set_options:
    case action_kind::retry_delivery:
    case action_kind::proof_moves:
    case action_kind::crash:
    case action_kind::restart:
    case action_kind::slow_store:
    case action_kind::failing_operation:
        return true;
    default:
        return false;
    }
}

/// Rare in every seed: a run that is one restart after another sees nothing else.
double usual_weight(action_kind kind) {
    switch (kind) {
    case action_kind::crash:
    case action_kind::restart:
    case action_kind::untrack_matching: // it ends most of what there is
        return 0.3;
    case action_kind::suspend:
    case action_kind::disk_full:
    case action_kind::proof_fault:
    case action_kind::failing_operation:
    case action_kind::maintenance:
        return 0.4;
    default:
        return 1;
    }
}

} // namespace

std::string_view to_string(action_kind kind) { return kind_names.at(static_cast<std::size_t>(kind)); }
std::string_view to_string(moment_kind moment) { return moment_names.at(static_cast<std::size_t>(moment)); }

swarm_profile draw_profile(random_source& random) {
    swarm_profile profile;
    for (std::size_t kind = 0; kind < action_kind_count; ++kind) {
        const bool is_off = random.between(0, 1) == 0;
        const double weight = std::exp2(4 * random.unit() - 2); // a quarter to four times the usual
        if (is_off) continue;
        profile.weight[kind] = weight * usual_weight(static_cast<action_kind>(kind));
    }
    constexpr std::array chances{0.0, 0.003, 0.01, 0.03, 0.1};
    profile.moment_chance = chances.at(static_cast<std::size_t>(random.between(0, 4)));
    profile.focus_chance = random.between(0, 2) == 0 ? 0 : 0.1 + 0.4 * random.unit();
    profile.timed_actions = random.between(0, 3) == 0 ? random.between(60, 150) : random.between(0, 40);
    profile.transactions = random.between(0, 3) == 0 ? random.between(8, 16) : random.between(1, 7);
    profile.is_impatient = random.between(0, 1) == 0;
    return profile;
}

std::optional<action_kind> pick_action(const swarm_profile& profile, action_choice choice, random_source& random) {
    const auto counts = [&](std::size_t number) {
        const auto kind = static_cast<action_kind>(number);
        const bool is_wanted = choice == action_choice::any ||
                               (choice == action_choice::at_a_moment && suits_a_moment(kind)) ||
                               (choice == action_choice::about_an_id && concerns_an_id(kind));
        // What is on its way is lost only if the daemon dies right now.
        const bool is_end = choice == action_choice::about_an_id && kind == action_kind::crash;
        return is_wanted ? profile.weight[number] * (is_end ? 3 : 1) : 0.0;
    };
    double sum = 0;
    for (std::size_t kind = 0; kind < action_kind_count; ++kind) sum += counts(kind);
    double place = random.unit() * sum;
    for (std::size_t kind = 0; kind < action_kind_count; ++kind) {
        const double weight = counts(kind);
        if (weight > 0 && place < weight) return static_cast<action_kind>(kind);
        place -= weight;
    }
    return std::nullopt;
}

void swarm_figures::add(const swarm_figures& other) {
    for (std::size_t kind = 0; kind < action_kind_count; ++kind) {
        seeds[kind] += other.seeds[kind];
        for (std::size_t moment = 0; moment < moment_kind_count; ++moment)
            made[kind][moment] += other.made[kind][moment];
    }
}

std::string swarm_figures::table() const {
    std::string table = fmt::format("{:<18}{:>9}{:>10}", "action", "seeds", "made");
    for (const std::string_view name : moment_names) table += fmt::format("{:>18}", name);
    table += '\n';
    for (std::size_t kind = 0; kind < action_kind_count; ++kind) {
        const std::uint64_t all = std::accumulate(made[kind].begin(), made[kind].end(), std::uint64_t{0});
        table += fmt::format("{:<18}{:>9}{:>10}", kind_names[kind], seeds[kind], all);
        for (const std::uint64_t count : made[kind]) table += fmt::format("{:>18}", count);
        table += '\n';
    }
    return table;
}

} // namespace prooftrack::sim
