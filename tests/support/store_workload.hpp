#pragma once

// A life of a store in miniature, with an oracle: it remembers what was acknowledged and checks a reopened store
// against it.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "support/store_world.hpp"

namespace prooftrack {

/// Adds, transitions, attempts, renewals, consumers and pruning in waves, all from one seed. Transactions are posted
/// without waiting and acknowledged by their handlers, as the engine does it.
class store_workload {
  public:
    explicit store_workload(std::uint64_t seed) : random_(seed) {}

    /// One wave of operations, and the loop until all have been answered. False when the store has failed.
    bool run_wave(store_world& world);

    /// What must hold in a store that was opened again, whatever happened to the last one. Returns what does not.
    std::vector<std::string> check(store_world& world);

    std::uint64_t acknowledged_adds() const { return acknowledged_adds_; }
    std::uint64_t acknowledged_events() const { return events_.size(); }
    std::uint64_t acknowledged_attempts() const { return acknowledged_attempts_; }

  private:
    struct known_transaction {
        bool is_acknowledged = false;
        bool is_busy = false;        ///< something was asked for that is not answered yet
        bool is_uncertain = false;   ///< something was asked for and never answered
        track::tracking_facts facts; ///< as acknowledged
        row_revision revision{};
        std::uint64_t settlements = 0; ///< acknowledged
    };

    void add(store_world& world);
    void settle(store_world& world);
    void change(store_world& world);
    void untrack(store_world& world);
    void attempt(store_world& world);
    void save(store_world& world);
    void note_recorded(
        const std::string& id, const track::tracking_facts& facts, bool settles,
        const op_result<store::recorded_transition>& recorded);
    known_transaction* pick_idle(std::string& id);

    random_source random_;
    std::map<std::string, known_transaction> transactions_;
    std::vector<std::string> ids_;
    std::map<std::uint64_t, std::string> events_;  ///< acknowledged: seq to bytes
    std::map<std::uint64_t, std::uint32_t> heads_; ///< deliveries that may be attempted, and their attempts
    std::set<std::uint64_t> delivered_;            ///< acknowledged
    std::uint64_t acknowledged_adds_ = 0;
    std::uint64_t acknowledged_attempts_ = 0;
    std::int64_t now_ = 0;
    bool has_failed_ = false;
};

} // namespace prooftrack
