#include "sim/cluster_simulation.hpp"

#include <numeric>
#include <stdexcept>

#include "sim/cluster_client.hpp"
#include "sim/cluster_world.hpp"

namespace prooftrack::sim {
namespace {

constexpr std::chrono::minutes fault_phase{4};
constexpr std::chrono::minutes calm_phase{4};

class cluster_simulation {
  public:
    explicit cluster_simulation(std::uint64_t seed) : world_(seed), client_(world_) {
        for (std::int64_t number = 1; number <= world_.profile.transactions; ++number) {
            const std::string id = "t" + std::to_string(number);
            const auto wait = world_.some_milliseconds(milliseconds(0), milliseconds(fault_phase) * 2 / 3);
            world_.clock.after(wait, [this, id] { client_.post_until_acknowledged(id); });
        }
        world_.boot_all();
        plan_call();
        plan_fault();
        tick();
    }

    cluster_result run() {
        run_until(world_.start + fault_phase);
        world_.heal();
        run_until(world_.start + fault_phase + seconds(50)); // the longest pause and cut end, all are up
        client_.resume_all();
        client_.end_maintenance();
        run_until(world_.start + fault_phase + seconds(60));
        client_.retry_all();
        run_until(world_.start + fault_phase + calm_phase);
        client_.compare_nodes();
        run_until(world_.start + fault_phase + calm_phase + seconds(10));
        check_memory();
        world_.watch.check_end();
        return result();
    }

  private:
    void plan_call() {
        const auto wait = world_.some_milliseconds(milliseconds(1), world_.profile.between_calls * 2);
        world_.clock.after(wait, [this] {
            if (world_.is_safe) return;
            client_.call_something();
            plan_call();
        });
    }

    /// One at a time, or in whatever order they come.
    void plan_fault() {
        const milliseconds between = world_.profile.between_faults;
        const bool comes_alone = between == milliseconds(0);
        const auto wait = comes_alone ? world_.some_milliseconds(seconds(16), seconds(25))
                                      : world_.some_milliseconds(milliseconds(1), between * 2);
        world_.clock.after(wait, [this, comes_alone] {
            if (world_.is_safe) return;
            if (!comes_alone || world_.are_all_well()) world_.make_fault();
            plan_fault();
        });
    }

    void tick() {
        world_.clock.after(seconds(1), [this] { tick(); });
        world_.watch.check_gaps(world_.is_anybody_well());
    }

    void run_until(steady_time end) {
        virtual_clock& clock = world_.clock;
        while (!clock.idle() && clock.next() <= end) {
            clock.step();
            world_.watch.check_step();
            world_.settle_wishes();
            check_invariants();
        }
        if (clock.now().steady < end) clock.run_until(end);
    }

    void check_invariants() {
        for (const auto& one : world_.nodes) {
            if (!one->life) continue;
            try {
                one->life->daemon().core().check_invariants();
            } catch (const std::logic_error& failed) {
                world_.watch.broken().add("invariant on {}: {}", one->self.name, failed.what());
            }
        }
    }

    /// What the nodes watch together is what the database has to be watched, each by its owner.
    void check_memory() {
        violations& broken = world_.watch.broken();
        std::size_t watched = 0;
        for (const auto& [id, row] : world_.disk.transactions) {
            const std::uint8_t shard = fake_disk::shard_of(row);
            const std::string& owner = world_.cluster.owner_of(shard);
            if (owner.empty()) broken.add("nobody owns shard {}", shard);
            watched += row.facts.watched ? 1 : 0;
            for (const auto& one : world_.nodes) {
                if (!one->life) continue;
                const bool is_there = one->life->daemon().core().find(id).has_value();
                const bool should_be = row.facts.watched && one->self.name == owner;
                if (is_there != should_be)
                    world_.watch.blame(
                        id, fmt::format(
                                "is {} of {}, owned by {} and {} in the database",
                                is_there ? "in the memory" : "not in the memory", one->self.name, owner,
                                row.facts.watched ? "watched" : "not watched"));
            }
        }
        std::size_t remembered = 0;
        for (const auto& one : world_.nodes) {
            if (!one->life) continue;
            remembered += one->life->daemon().core().size();
            if (one->life->daemon().deliverer().in_flight() != 0) broken.add("a delivery is left over");
        }
        if (remembered != watched) broken.add("{} are remembered, and {} watched", remembered, watched);
    }

    cluster_result result() {
        cluster_result made;
        made.broken = world_.watch.broken().all();
        made.broken.insert(made.broken.end(), world_.proof.broken.begin(), world_.proof.broken.end());
        made.faults = world_.faults;
        made.transactions = client_.transactions();
        made.calls = client_.calls();
        made.polls = world_.proof.polls;
        made.events = world_.disk.events.size();
        made.attempts = world_.attempts;
        made.takeovers = world_.cluster.takeovers();
        made.fences = world_.fences;
        made.steps = world_.clock.steps();
        made.longest_gap = world_.watch.longest_gap();
        if (world_.profile.between_faults == milliseconds(0)) made.longest_single_gap = made.longest_gap;
        return made;
    }

    cluster_world world_;
    cluster_client client_;
};

} // namespace

void cluster_result::add(const cluster_result& other) {
    for (std::size_t kind = 0; kind < faults.size(); ++kind) faults[kind] += other.faults[kind];
    transactions += other.transactions;
    calls += other.calls;
    polls += other.polls;
    events += other.events;
    attempts += other.attempts;
    takeovers += other.takeovers;
    fences += other.fences;
    steps += other.steps;
    longest_gap = std::max(longest_gap, other.longest_gap);
    longest_single_gap = std::max(longest_single_gap, other.longest_single_gap);
}

std::uint64_t cluster_result::all_faults() const {
    return std::accumulate(faults.begin(), faults.end(), std::uint64_t{0});
}

std::string cluster_result::text() const {
    std::string by_kind;
    for (std::size_t kind = 0; kind < faults.size(); ++kind)
        by_kind += fmt::format(" {} {}", to_string(static_cast<node_fault>(kind)), faults[kind]);
    return fmt::format(
        "{} faults ({} ), {} shards taken over, {} fences, {} transactions, {} calls, {} polls, {} events, {} delivery "
        "attempts, {} steps, longest gap {} ms, {} ms with one fault at a time",
        all_faults(), by_kind, takeovers, fences, transactions, calls, polls, events, attempts, steps,
        longest_gap.count(), longest_single_gap.count());
}

cluster_result run_cluster_simulation(std::uint64_t seed) {
    cluster_simulation one(seed);
    return one.run();
}

} // namespace prooftrack::sim
