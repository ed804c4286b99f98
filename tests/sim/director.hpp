#pragma once

// The generator: plans a seed's transactions and actions, and puts actions between any two steps of one id.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "sim/sim_client.hpp"
#include "sim/sim_world.hpp"

namespace prooftrack::sim {

class director {
  public:
    director(sim_world& world, sim_client& client) : world_(world), client_(client) {}

    void plan();
    /// An instant of this id: perhaps an action is posted, to run before what comes next; then true.
    bool at_moment(moment_kind moment, const std::string& id);
    std::uint64_t transactions() const { return ids_.size(); }

  private:
    void plan_transaction();
    void act(action_kind kind, const std::string& id, moment_kind moment);
    bool call(action_kind kind, const std::string& id);
    void reload(action_kind kind);
    void fill_disk();
    void begin_fault();
    void poison(const std::string& id);
    void move_proof(const std::string& id);
    void jump_clock();
    std::string pick_id(action_kind kind);

    sim_world& world_;
    sim_client& client_;
    std::vector<std::string> ids_;
    std::map<std::string, int> focus_; ///< how many more moments of an id have a better chance
    int at_moments_ = 0;
    bool is_pending_ = false; ///< an action is posted and has not run: one at a time
};

} // namespace prooftrack::sim
