#pragma once

// One seed's world: the machine with its clock and disk, Proof, the receivers, and one life of the daemon at a time.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "sim/engine_world.hpp"
#include "sim/promises.hpp"
#include "sim/sim_config.hpp"
#include "sim/swarm.hpp"

namespace prooftrack::sim {

class sim_world {
  public:
    explicit sim_world(std::uint64_t seed);

    random_source random;
    virtual_clock clock;
    swarm_profile profile;
    config::configuration config;
    proof_world proof;
    promises watch;
    fake_disk disk;
    recorded_log log;
    std::unique_ptr<daemon_life> life;
    swarm_figures figures;

    std::function<bool(moment_kind, const std::string&)> at_moment; ///< the generator's; may be empty
    std::function<void(const callback::delivery_job&)> on_attempt;  ///< the engine oracle's

    const steady_time start;
    bool is_safe = false;    ///< nothing fails any more
    bool has_jumped = false; ///< wall time was not always the true time, or passed while nobody could ask
    bool has_changed_rules = false;
    std::uint64_t crashes = 0;
    std::uint64_t restarts = 0;
    std::uint64_t reloads = 0;
    std::uint64_t jumps = 0;
    std::uint64_t faults = 0;
    std::uint64_t attempts = 0;

    bool is_up() const { return life != nullptr && life->is_ready() && !is_stopping_ && watch.has_caught_up(); }
    engine::engine& daemon() { return life->daemon(); }

    void boot();
    /// The daemon dies between this event and the next.
    void crash_soon() { must_crash_ = true; }
    void stop_soon();
    /// Between two events: does what crash_soon and stop_soon wished for.
    void settle_wishes();
    void reload(const config::configuration& wanted);
    void change_token();
    void set_full(bool is_full);
    void jump_clock(milliseconds by);
    void suspend(milliseconds span);
    /// The clock is right, Proof and the receivers work, the disk has room.
    void heal();

    /// A time in the phase in which things fail.
    steady_time some_time(milliseconds before_the_end = milliseconds(0));
    milliseconds some_milliseconds(milliseconds low, milliseconds high) {
        return milliseconds(random.between(low.count(), high.count()));
    }
    proof_truth draw_truth(steady_time added);

  private:
    void trace(const recorded_log::line& line) const;
    scripted_reply receive(const callback::delivery_job& job);
    void replace_life(bool is_crash);

    virtual_clock::group group_ = 0;
    bool must_crash_ = false;
    bool must_boot_ = false;
    bool is_stopping_ = false;
    bool is_full_ = false;
    int last_token_ = 1;
    std::map<std::string, bool> is_failing_; ///< receivers that answer nobody, by callback
    std::map<std::uint64_t, callback::delivery_outcome::verdict> verdicts_; ///< of attempts under way, by delivery
};

inline constexpr std::chrono::minutes safety_phase{50};
inline constexpr std::chrono::minutes liveness_phase{100};

} // namespace prooftrack::sim
