#include "sim/simulation.hpp"

#include <set>
#include <utility>

#include "sim/director.hpp"
#include "sim/engine_oracle.hpp"

namespace prooftrack::sim {
namespace {

/// One seed's world, its generator and its two oracles.
class simulation {
  public:
    explicit simulation(std::uint64_t seed)
        : world_(seed), client_(world_), director_(world_, client_), oracle_(world_) {
        world_.at_moment = [this](moment_kind moment, const std::string& id) {
            return director_.at_moment(moment, id);
        };
        world_.on_attempt = [this](const callback::delivery_job& job) { oracle_.check_attempt(job); };
        director_.plan();
        world_.boot();
    }

    simulation_result run() {
        run_until(world_.start + safety_phase);
        world_.heal();
        client_.end_maintenance();
        world_.reload(final_configuration(world_.config));
        world_.clock.after(seconds(60), [this] { retry_deliveries(); });
        run_until(world_.start + safety_phase + liveness_phase);
        client_.list_deliveries_at_end(dead_);
        run_until(world_.start + safety_phase + liveness_phase + seconds(30));
        world_.watch.check_end(world_.config);
        world_.watch.deliveries().check_end(dead_);
        oracle_.check_end();
        return result();
    }

  private:
    /// Support's work after the outage; a daemon that is down just now is waited for.
    void retry_deliveries() {
        if (!world_.is_up()) {
            world_.clock.after(seconds(60), [this] { retry_deliveries(); });
            return;
        }
        client_.resume_all();
        client_.end_maintenance();
        client_.learn_deliveries();
        client_.retry_dead();
        client_.retry_pending_urls();
    }

    void run_until(steady_time end) {
        virtual_clock& clock = world_.clock;
        while (!clock.idle() && clock.next() <= end) {
            clock.step();
            world_.settle_wishes();
            oracle_.check_step();
        }
        if (clock.now().steady < end) clock.run_until(end);
    }

    simulation_result result() {
        simulation_result made;
        made.broken = world_.watch.broken().all();
        made.broken.insert(made.broken.end(), world_.proof.broken.begin(), world_.proof.broken.end());
        made.figures = world_.figures;
        made.transactions = director_.transactions();
        made.polls = world_.proof.polls;
        made.bands = world_.watch.bands().checked();
        made.faults = world_.faults + world_.proof.faults_served;
        made.crashes = world_.crashes;
        made.restarts = world_.restarts;
        made.reloads = world_.reloads;
        made.jumps = world_.jumps;
        made.events = world_.disk.events.size();
        made.attempts = world_.attempts;
        made.virtual_time = world_.clock.now().steady - world_.start;
        return made;
    }

    sim_world world_;
    sim_client client_;
    director director_;
    engine_oracle oracle_;
    std::set<std::pair<std::string, std::string>> dead_;
};

} // namespace

void simulation_result::add(const simulation_result& other) {
    figures.add(other.figures);
    transactions += other.transactions;
    polls += other.polls;
    bands += other.bands;
    faults += other.faults;
    crashes += other.crashes;
    restarts += other.restarts;
    reloads += other.reloads;
    jumps += other.jumps;
    events += other.events;
    attempts += other.attempts;
    virtual_time += other.virtual_time;
}

simulation_result run_simulation(std::uint64_t seed) {
    simulation one(seed);
    return one.run();
}

} // namespace prooftrack::sim
