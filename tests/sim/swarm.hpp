#pragma once

// What a run does: each seed draws which kinds of action it uses and how often (swarm testing). About half of the kinds
// are off in a seed: what a kind hides is then found by the seeds that do without it.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.hpp"

namespace prooftrack::sim {

enum class action_kind : std::uint8_t {
    // calls
    post_same,
    post_other,
    import,
    session,
    poll_by_hand,
    hint,
    untrack,
    set_options,
    untrack_matching,
    get,
    wait,
    list,
    read_events,
    consumer,
    retry_delivery,
    retry_dead,
    test_callback,
    // reloads
    reload_callbacks,
    reload_events,
    reload_schedule,
    reload_polls,
    reload_token,
    // the machine
    crash,
    restart,
    disk_full,
    slow_store,
    failing_operation,
    jump_clock,
    suspend,
    // Proof
    proof_fault,
    poison,
    proof_moves,
    // what an operator does to callbacks
    pause_callback,
    resume_callback,
    flush_callback,
    dismiss,
    // operators
    maintenance,
};
inline constexpr std::size_t action_kind_count = 37;
std::string_view to_string(action_kind kind);

/// Between which two steps an action was put.
enum class moment_kind : std::uint8_t {
    timed, ///< at a time drawn before
    poll_started,
    answer_due,
    change_handed,
    change_committed,
    change_answered,
    attempt_started,
    attempt_answering,
};
inline constexpr std::size_t moment_kind_count = 8;
std::string_view to_string(moment_kind moment);

/// What a seed uses.
struct swarm_profile {
    std::array<double, action_kind_count> weight{}; ///< 0 = off
    double moment_chance = 0;                       ///< that a moment of an id gets an action
    double focus_chance = 0;                        ///< likewise for the next moments of an id that was just acted on
    std::int64_t timed_actions = 0;
    std::int64_t transactions = 0;
    bool is_impatient = false; ///< give_up_after is a few minutes: many are abandoned, asked by hand, tracked anew

    bool uses(action_kind kind) const { return weight[static_cast<std::size_t>(kind)] > 0; }
};
swarm_profile draw_profile(random_source& random);

/// One of the kinds that `profile` uses, by weight; nullopt when there is none.
enum class action_choice : std::uint8_t {
    any,
    at_a_moment, ///< what happens at once
    about_an_id, ///< what concerns one id, and what ends the daemon
};
std::optional<action_kind> pick_action(const swarm_profile& profile, action_choice choice, random_source& random);

/// How often which action was made where, over any number of runs.
struct swarm_figures {
    std::array<std::array<std::uint64_t, moment_kind_count>, action_kind_count> made{};
    std::array<std::uint64_t, action_kind_count> seeds{}; ///< that used the kind

    void count(action_kind kind, moment_kind moment) {
        ++made[static_cast<std::size_t>(kind)][static_cast<std::size_t>(moment)];
    }
    void add(const swarm_figures& other);
    std::string table() const;
};

} // namespace prooftrack::sim
