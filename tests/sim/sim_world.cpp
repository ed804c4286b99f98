#include "sim/sim_world.hpp"

#include <cstdlib>

#include "observe/event_table.hpp"

namespace prooftrack::sim {

using std::chrono::minutes;

sim_world::sim_world(std::uint64_t seed)
    : random(seed), profile(draw_profile(random)), config(draw_configuration(profile, random)), proof(clock, random),
      watch(clock, proof), start(clock.now().steady) {
    proof.draw_truth = [this](steady_time added) { return draw_truth(added); };
    log.keeps_lines = false;
    disk.ignores_revisions = std::getenv("PROOFTRACK_SIM_NO_REVISION") != nullptr;
    if (std::getenv("PROOFTRACK_TRACE") != nullptr)
        log.on_line = [this](const recorded_log::line& line) { trace(line); };
}

void sim_world::trace(const recorded_log::line& line) const {
    fmt::print("{} {}", format_wall_time(clock.true_wall()), info_of(line.event).name);
    for (const auto& [key, value] : line.fields) fmt::print(" {}={}", key, value);
    fmt::print("\n");
}

steady_time sim_world::some_time(milliseconds before_the_end) {
    return start + some_milliseconds(milliseconds(0), milliseconds(safety_phase) - before_the_end);
}

proof_truth sim_world::draw_truth(steady_time added) {
    proof_truth truth;
    truth.visible_at = added + milliseconds(random.between(0, 3) == 0 ? random.between(0, 120'000) : 0);
    const auto dice = random.between(0, 19);
    if (dice == 0) truth.what = proof_truth::kind::unknown;
    if (dice == 1) truth.what = proof_truth::kind::refused;
    truth.statuses.emplace_back(start, "pending");
    steady_time at = added + milliseconds(random.between(0, 600'000));
    if (random.between(0, 3) != 0) truth.statuses.emplace_back(at, "processing");
    at += milliseconds(random.between(0, profile.is_impatient ? 30 * 60'000 : 15 * 60'000));
    const auto end = random.between(0, 9);
    if (end <= 5) truth.statuses.emplace_back(at, "completed");
    if (end == 6) truth.statuses.emplace_back(at, "cancelled");
    if (end == 7 || end == 8) truth.statuses.emplace_back(at, "failed");
    if (end != 8) return truth;
    const bool goes_back = random.between(0, 1) == 0; // retried under the same id
    at += milliseconds(random.between(1, 3 * 60'000));
    if (goes_back) {
        truth.statuses.emplace_back(at, "pending");
        at += minutes(1);
    }
    truth.statuses.emplace_back(at, "completed");
    return truth;
}

// ---- lives

void sim_world::boot() {
    ++group_;
    is_stopping_ = false;
    proof.cadence.on_restart();
    proof.cadence.max_rate = config.poll.max_rate;
    proof.cadence.set_interval(config.poll.interval);
    watch.on_boot();
    watch.on_configured(config);
    verdicts_.clear();
    life_surroundings around{clock, group_, disk, proof, log, watch, watch, {}, {}, {}, {}, random.next()};
    around.receiver = [this](const callback::delivery_job& job) { return receive(job); };
    around.at_moment = [this](moment_kind moment, const std::string& id) { return at_moment && at_moment(moment, id); };
    around.on_attempt_answered = [this](const callback::delivery_job& job) {
        watch.deliveries().on_answer(job, verdicts_[value_of(job.id)]);
    };
    around.on_ready = [this] {
        constexpr std::size_t more_than_ever = 100'000;
        daemon().calls().events(
            event_seq{watch.cursor()}, more_than_ever, milliseconds(0), [this](api::outcome<api::event_list> page) {
                if (const auto* events = std::get_if<api::event_list>(&page)) watch.on_caught_up(*events);
            });
    };
    life = std::make_unique<daemon_life>(config, std::move(around));
    if (is_full_) life->disk_side().set_full(true);
}

void sim_world::stop_soon() {
    if (!is_up()) return;
    is_stopping_ = true;
    daemon().stop(seconds(10), [this] { must_boot_ = true; });
}

void sim_world::settle_wishes() {
    if (must_crash_) {
        replace_life(true);
    } else if (must_boot_) {
        replace_life(false);
    }
}

void sim_world::replace_life(bool is_crash) {
    must_crash_ = false;
    must_boot_ = false;
    ++(is_crash ? crashes : restarts);
    clock.drop_group(group_);
    if (log.on_line)
        fmt::print("{} the daemon {}\n", format_wall_time(clock.true_wall()), is_crash ? "crashes" : "has stopped");
    life->disk_side().crash();
    life.reset();
    watch.on_crash();
    const milliseconds down = random.between(0, 2) == 0 ? milliseconds(0) : milliseconds(random.between(0, 60'000));
    const bool may_jump = !is_safe && profile.uses(action_kind::jump_clock) && random.between(0, 2) == 0;
    if (may_jump) jump_clock(std::chrono::days(random.between(1, 90)) * (random.between(0, 1) == 0 ? 1 : -1));
    clock.run_for(down);
    must_crash_ = false;
    boot();
}

void sim_world::reload(const config::configuration& wanted) {
    ++reloads;
    if (log.on_line) {
        fmt::print(
            "{} reload: overdue_after {} tail {} give_up {} interval {} verify {} max_rate {} callbacks",
            format_wall_time(clock.true_wall()), wanted.poll.overdue_after.count(), wanted.poll.tail_interval.count(),
            wanted.poll.give_up_after.count(), wanted.poll.interval.first.count(), wanted.poll.verify_after.size(),
            wanted.poll.max_rate);
        for (const config::callback_config& one : wanted.callbacks) fmt::print(" {}", one.name);
        fmt::print("\n");
    }
    has_changed_rules = has_changed_rules || !(wanted.poll == config.poll);
    config = wanted;
    proof.cadence.max_rate = std::max(proof.cadence.max_rate, config.poll.max_rate);
    if (config.poll.max_rate == 0) proof.cadence.max_rate = 0;
    proof.cadence.set_interval(config.poll.interval);
    watch.on_configured(config);
    if (life) life->reload(config);
}

void sim_world::change_token() {
    proof.valid_token = fmt::format("token-{}", ++last_token_);
    watch.bands().on_disturbance();
    const auto reread = [this] {
        watch.bands().on_disturbance();
        if (life) life->reread_token();
    };
    if (random.between(0, 2) == 0) {
        reread();
    } else {
        clock.after(some_milliseconds(milliseconds(1), seconds(10)), reread);
    }
}

void sim_world::set_full(bool is_full) {
    if (is_full) ++faults;
    is_full_ = is_full;
    watch.bands().on_disturbance();
    if (life) life->set_full(is_full);
}

void sim_world::jump_clock(milliseconds by) {
    ++jumps;
    if (log.on_line)
        fmt::print(
            "{} the clock is put by {} s to {}\n", format_wall_time(clock.true_wall()), by.count() / 1'000,
            format_wall_time(clock.now().wall + by));
    has_jumped = true;
    clock.jump_wall(by);
    watch.bands().on_disturbance();
}

void sim_world::suspend(milliseconds span) {
    if (log.on_line) fmt::print("{} sleep of {} ms\n", format_wall_time(clock.true_wall()), span.count());
    has_jumped = true; // wall time passes over the times of verify_after while nobody can ask
    clock.suspend(span);
    watch.bands().on_disturbance();
}

void sim_world::heal() {
    is_safe = true;
    proof.heal();
    if (is_full_) set_full(false);
    clock.jump_wall(-clock.wall_error());
    is_failing_.clear();
    watch.bands().on_disturbance();
}

// ---- receivers

scripted_reply sim_world::receive(const callback::delivery_job& job) {
    ++attempts;
    if (on_attempt) on_attempt(job);
    if (job.event_type != to_string(track::event_type::test)) watch.holds().check("is attempted", job.event_id);
    watch.deliveries().on_attempt(job, life == nullptr || life->is_target(job.callback));
    scripted_reply reply = reply_delivered(milliseconds(random.between(1, 200)));
    if (!is_safe) {
        bool& fails = is_failing_[job.callback];
        if (random.between(0, 19) == 0) fails = !fails;
        const auto dice = random.between(0, 99);
        if (dice < (fails ? 90 : 15))
            reply = reply_failed(random.between(0, 1) == 0 ? 500 : 0, milliseconds(random.between(1, 14'000)));
        if (dice == 99) reply = reply_gone(milliseconds(random.between(1, 200)));
    }
    verdicts_[value_of(job.id)] = reply.outcome.what;
    return reply;
}

} // namespace prooftrack::sim
