#pragma once

// The first oracle: what the engine and its disk must hold by themselves, seen from inside.

#include <string>

#include "sim/sim_world.hpp"

namespace prooftrack::sim {

class engine_oracle {
  public:
    explicit engine_oracle(sim_world& world) : world_(world) {}

    /// After each event.
    void check_step();
    /// An attempt begins: its event is durable, with these bytes.
    void check_attempt(const callback::delivery_job& job);
    /// Nothing is on its way any more.
    void check_end();

  private:
    void check_transaction(const std::string& id, const fake_disk::transaction_row& row);
    void check_memory();

    sim_world& world_;
};

} // namespace prooftrack::sim
