#pragma once

// One seed's world of several daemons: three nodes with lives of their own on one database, one Proof, one receiver,
// and what happens to a node.

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/cluster_oracle.hpp"
#include "sim/engine_world.hpp"

namespace prooftrack::sim {

enum class node_fault : std::uint8_t {
    kill,
    pause,      ///< nothing of it runs for a while, then all that is late does
    cut,        ///< it cannot reach the database
    unsure,     ///< its next commit is lost on the way, or its answer is
    leave,      ///< it is stopped cleanly, and comes back
    slow,       ///< its next commits or answers take long
    deaf,       ///< notifications do not reach it for a while
    proof_fault ///< Proof fails for a while, for everybody
};
inline constexpr std::size_t node_fault_count = 8;
std::string_view to_string(node_fault fault);

/// What a seed does.
struct cluster_profile {
    std::array<double, node_fault_count> weight{}; ///< 0 = never
    double moment_chance = 0;                      ///< that a moment of an id gets a fault at its node
    milliseconds between_faults{0};                ///< most of it; 0 = they come one at a time, each when all is well
    std::int64_t transactions = 0;
    milliseconds between_calls{0};
};

/// A machine's clock, which may be wrong.
class skewed_clock final : public clock_source {
  public:
    explicit skewed_clock(const virtual_clock& right) : right_(right) {}
    instant now() const override {
        instant shown = right_.now();
        shown.wall += skew;
        return shown;
    }
    steady_duration since_boot() const override { return right_.since_boot(); }
    milliseconds skew{0};

  private:
    const virtual_clock& right_;
};

class cluster_world {
  public:
    struct node;

    explicit cluster_world(std::uint64_t seed);
    ~cluster_world();

    random_source random;
    virtual_clock clock;
    cluster_profile profile;
    config::configuration config;
    proof_world proof;
    fake_disk disk;
    store::fake_nodes cluster;
    cluster_oracle watch;
    std::vector<std::unique_ptr<node>> nodes;
    const steady_time start;

    std::array<std::uint64_t, node_fault_count> faults{};
    std::uint64_t attempts = 0;
    std::uint64_t fences = 0;
    bool is_safe = false; ///< nothing fails any more

    void boot_all();
    /// A node that takes calls (it may be paused, or without the database); nullptr = there is none.
    node* any_node();
    /// Runs `call` on the node, once it runs; `lost` if it is gone by then.
    void on_node(node& at, unique_function<void(node&)> call);
    void make_fault();
    bool is_anybody_well() const;
    bool are_all_well() const;
    /// From now on nothing fails, and all come back.
    void heal();
    void settle_wishes();
    milliseconds some_milliseconds(milliseconds low, milliseconds high) {
        return milliseconds(random.between(low.count(), high.count()));
    }

  private:
    void boot(node& one);
    life_surroundings surroundings_of(node& one);
    void make_fault(node& one, node_fault fault);
    void end_life(node& one, milliseconds down);
    void kill(node& one);
    void pause(node& one);
    void cut(node& one, milliseconds span);
    void leave(node& one);
    scripted_reply receive(const node_ref& node, const callback::delivery_job& job);
    bool at_moment(node& one);
    proof_truth draw_truth(steady_time added);
    void trace(const std::string& text) const;

    virtual_clock::group last_group_ = 0;
    std::uint64_t last_life_ = 0;
    std::map<std::string, bool> is_failing_; ///< receivers, by callback
};

/// Its machine outlives the daemon's lives.
struct cluster_world::node {
    node(cluster_world& around, std::string called) : world(around), local(around.clock), reader(*this), asked(*this) {
        self.name = std::move(called);
    }

    /// Of its streams.
    struct stream final : api::event_listener {
        explicit stream(node& of) : at(of) {}
        void on_event(const api::log_event& event) override { at.world.watch.on_streamed(at.self, event); }
        node& at;
    };
    /// Of its polls.
    struct proof_side final : proof_observer {
        explicit proof_side(node& of) : at(of) {}
        void on_poll_started(const std::string& id) override { at.world.watch.on_poll_started(at.now(), id); }
        void on_poll_answered(const std::string& id, const proof_answer& answer) override {
            at.world.watch.on_poll_answered(at.now(), id, answer);
        }
        void on_session_made(const std::string&, const std::string&, const std::string&) override {}
        node& at;
    };

    /// As the database knows it now.
    node_ref now() const { return {self.name, life->node().boot(), self.life}; }
    bool is_up() const { return life != nullptr && life->is_ready() && !is_stopping; }
    bool is_paused() const { return world.clock.now().steady < paused_until; }

    cluster_world& world;
    node_ref self;
    skewed_clock local;
    store::fake_node_faults faults;
    stream reader;
    proof_side asked;
    recorded_log log;
    std::unique_ptr<daemon_life> life;
    virtual_clock::group group = 0;
    steady_time paused_until{};
    bool is_stopping = false;
    bool has_stopped = false;         ///< cleanly
    std::optional<node_fault> wished; ///< between two events
    std::map<std::uint64_t, callback::delivery_outcome::verdict> verdicts;
};

} // namespace prooftrack::sim
