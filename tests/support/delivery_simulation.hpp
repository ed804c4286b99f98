#pragma once

// What the simulations of deliveries share: a world with random times from one seed, a phase of faults, then one
// without, at whose end nothing may be left over; and runs over many seeds.

#include <array>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/delivery_oracle.hpp"

namespace prooftrack {

inline delivery_world& deliveries_of(delivery_world& world) { return world; }

struct simulation_spans {
    milliseconds short_pause; ///< between two actions, at most
    milliseconds long_pause;
    milliseconds outage;    ///< behind a crash, at most
    std::chrono::hours end; ///< until when nothing may be left over
};

/// One run. `World` boots and crashes, and `deliveries_of` it is a delivery_world, which this watches.
template <class World>
class delivery_simulation {
  public:
    delivery_simulation(const delivery_simulation&) = delete;
    delivery_simulation& operator=(const delivery_simulation&) = delete;
    virtual ~delivery_simulation() = default;

    void run() {
        boot();
        for (std::int64_t left = random_.between(50, 300); left > 0; --left) {
            act();
            world_.clock.run_for(pause());
        }
        calm();
        const steady_time end = now() + spans_.end;
        while (!is_over() && now() < end) world_.clock.run_for(std::chrono::minutes(1));
        world_.clock.run_for(std::chrono::minutes(1));
        oracle_.check_end();
        check();
    }

    std::vector<std::string> broken() const {
        std::vector<std::string> all = oracle_.broken_promises();
        all.insert(all.end(), broken_.begin(), broken_.end());
        return all;
    }
    const delivery_world& world() const { return world_; }
    std::uint64_t attempts() const { return oracle_.attempts(); }
    std::uint64_t crashes() const { return crashes_; }

  protected:
    delivery_simulation(std::uint64_t seed, const simulation_spans& spans) : random_(seed), spans_(spans) {
        world_.seed = random_.next();
        world_.ids = random_source(random_.next());
        world_.options.seed = random_.next();
        world_.options.commit_time = {milliseconds(1), milliseconds(random_.between(1, 40))};
        world_.options.answer_time = {milliseconds(0), milliseconds(random_.between(0, 20))};
        world_.options.recovery_slice = static_cast<std::size_t>(random_.between(1, 4));
        oracle_.receive = [this](const callback::delivery_job& job) { return answer(job); };
    }

    virtual scripted_reply answer(const callback::delivery_job& job) = 0;
    virtual void act() = 0;  ///< one random action
    virtual void calm() = 0; ///< no more faults, everything is configured again
    virtual bool is_over() const { return world_.count(track::delivery_state::pending) == 0; }
    virtual void check() {} ///< what the oracle does not
    virtual void boot() { whole_.boot(); }
    virtual void on_crash() {}

    void restart() {
        whole_.crash();
        oracle_.on_restart();
        on_crash();
        if (is_one_in(3)) world_.clock.run_for(up_to(spans_.outage));
        boot();
        ++crashes_;
    }
    void stop() {
        world_.driver->stop(up_to(milliseconds(3'000)), [] {});
        world_.clock.run_for(up_to(milliseconds(4'000)));
        restart();
    }
    void retry() {
        if (world_.disk.rows.empty()) return;
        const auto id =
            static_cast<std::uint64_t>(random_.between(1, static_cast<std::int64_t>(world_.disk.last_delivery)));
        oracle_.on_retry(id);
        world_.driver->retry_delivery(delivery_id{id}, [](const op_result<std::monostate>&) {});
    }
    /// The configuration as it was at first, without some of its callbacks.
    void reload_some() {
        world_.callbacks.clear();
        for (const config::callback_config& one : all_) {
            if (!is_one_in(4)) world_.callbacks.push_back(one);
        }
        world_.reload();
    }
    void fill_disk() { world_.memory->set_full(is_one_in(2)); }

    steady_time now() const { return world_.clock.now().steady; }
    milliseconds up_to(milliseconds most) { return milliseconds(random_.between(0, most.count())); }
    bool is_one_in(std::int64_t number) { return random_.between(1, number) == 1; }
    template <class... Args>
    void add_broken(fmt::format_string<Args...> text, Args&&... args) {
        if (broken_.size() < 20) broken_.push_back(fmt::format(text, std::forward<Args>(args)...));
    }

    random_source random_;
    World whole_;
    delivery_world& world_ = deliveries_of(whole_);
    delivery_oracle oracle_{world_};
    std::vector<config::callback_config> all_; ///< callbacks

  private:
    milliseconds pause() {
        const std::array most{milliseconds(0), milliseconds(30), spans_.short_pause, spans_.long_pause};
        return up_to(most.at(static_cast<std::size_t>(random_.between(0, 3))));
    }

    simulation_spans spans_;
    std::vector<std::string> broken_;
    std::uint64_t crashes_ = 0;
};

inline std::uint64_t number_from(const std::string& variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable.c_str());
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// PROOFTRACK_name_SEED=N replays one seed, PROOFTRACK_name_SEEDS=N runs so many (else 300); the first that breaks a
/// promise is printed and ends them. `take` gets each run; gives how many there were.
template <class Simulation, class Take>
std::uint64_t run_seeds(const std::string& name, Take take) {
    const std::uint64_t only = number_from("PROOFTRACK_" + name + "_SEED", 0);
    const std::uint64_t seeds = only != 0 ? 1 : number_from("PROOFTRACK_" + name + "_SEEDS", 300);
    std::uint64_t run = 0;
    for (std::uint64_t seed = only != 0 ? only : 1; run < seeds && !testing::Test::HasFailure(); ++seed, ++run) {
        Simulation simulation(seed);
        simulation.run();
        take(simulation);
        for (const std::string& promise : simulation.broken()) ADD_FAILURE() << "seed " << seed << ": " << promise;
    }
    return run;
}

} // namespace prooftrack
