#pragma once

// What several daemons on one database promise, judged from outside: the calls and their replies, what the database
// holds after each commit, what Proof was asked and by whom, what receivers got, and what the readers of each node see.

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/backend.hpp"
#include "config/config.hpp"
#include "sim/delivery_promises.hpp"
#include "sim/episode_model.hpp"
#include "sim/proof_world.hpp"
#include "sim/violations.hpp"
#include "support/fake_nodes.hpp"

namespace prooftrack::sim {

/// Where something happens: a start of a node.
struct node_ref {
    std::string name;
    std::string boot;
    std::uint64_t life = 0; ///< of all nodes
};

class cluster_oracle {
  public:
    cluster_oracle(
        const virtual_clock& clock, const fake_disk& disk, const store::fake_nodes& cluster, const proof_world& proof)
        : broken_(clock), clock_(clock), disk_(disk), cluster_(cluster), proof_(proof), deliveries_(clock, broken_) {}

    bool checks_gaps = true; ///< Proof answers everybody, always

    // ---- calls
    struct call {
        std::uint64_t number = 0;
        std::optional<std::size_t> place;
    };
    call begin(const node_ref& node, const std::string& what, const std::string& id);
    call begin_post(const node_ref& node, const std::string& id, const asked_options& options);
    call begin_untrack(const node_ref& node, const std::string& id);
    call begin_change(const node_ref& node, const std::string& id, std::optional<int> metadata, std::optional<int> url);
    bool has_room(const std::string& id) { return ids_[id].model.open_calls() + 1 < most_open_calls; }
    /// False: its node is gone, so that there is nobody who could have answered.
    void end(const call& done, call_effect effect);
    void end_unknown(const call& done); ///< it had its effect or none
    void refuse(const call& done);      ///< it had none
    void end(const call& done);         ///< it has none
    void look(const call& done, const std::optional<track::transaction_view>& view);
    void on_pause_asked(const std::string& callback) { paused_.erase(callback); }
    void on_paused(const std::string& callback) { paused_[callback] = clock_.now().steady; }
    void on_resume(const std::string& callback) { paused_.erase(callback); }
    void on_maintenance(bool is_on) { held_since_ = is_on ? std::optional(clock_.now().steady) : std::nullopt; }
    /// The node is gone, and with it its calls: they have had their effects or never will.
    void on_lost(const node_ref& node);
    bool has_open_calls() const { return !calls_.empty(); }

    // ---- readers
    void on_streamed(const node_ref& node, const api::log_event& event);
    /// The event is there, and every node that could hear of it has.
    bool is_known_everywhere(std::uint64_t seq) const;
    void on_page(std::uint64_t after, const api::event_list& page, const std::string& node);

    // ---- what is seen elsewhere
    void on_configured(const config::configuration& config);
    /// After each step: what was committed in it.
    void check_step();
    /// Each second.
    void check_gaps(bool is_anybody_well);
    void on_disturbance() { disturbed_at_ = clock_.now().steady; }
    /// A node stopped running, or lost the database.
    void on_trouble();
    void on_poll_started(const node_ref& node, const std::string& id);
    void on_poll_answered(const node_ref& node, const std::string& id, const proof_answer& answer);
    void on_attempt(const node_ref& node, const callback::delivery_job& job);
    void on_attempt_answered(const callback::delivery_job& job, callback::delivery_outcome::verdict verdict);

    delivery_promises& deliveries() { return deliveries_; }
    violations& broken() { return broken_; }
    std::uint64_t gaps_checked() const { return gaps_checked_; }
    milliseconds longest_gap() const { return longest_gap_; }
    void blame(const std::string& id, const std::string& what);
    void note(const std::string& id, const std::string& happened);

    /// Nothing fails any more, and everything has had its time.
    void check_end();
    static std::string log_bytes(const fake_disk& disk, std::uint64_t seq);

  private:
    struct id_record {
        episode_model model;
        std::vector<std::pair<std::uint64_t, episode_model>> past; ///< (step, as it was until then)
        std::array<std::uint64_t, 7> last_of_word{};
        std::optional<std::pair<std::uint64_t, steady_time>> last_poll; ///< life, start
        std::set<std::uint64_t> polled_by;                              ///< lives with a poll in flight
        steady_time asked_at{};                                         ///< last poll, or change of the row
        row_revision revision{};
        std::vector<std::string> story;
    };
    struct open_call {
        node_ref node;
        std::string id;
        std::optional<std::size_t> place;
        std::uint64_t since = 0; ///< step
    };

    call begin(const node_ref& node, const std::string& id, std::optional<std::size_t> place);
    std::optional<open_call> take(const call& done);
    id_record& changing(const std::string& id);
    void take_event(std::uint64_t seq);
    void check_hold(const node_ref& node, const std::string& what);
    bool is_caused(const id_record& record, const reported_event& event, const possible_state& state) const;

    violations broken_;
    const virtual_clock& clock_;
    const fake_disk& disk_;
    const store::fake_nodes& cluster_;
    const proof_world& proof_;
    delivery_promises deliveries_;
    std::map<std::string, id_record> ids_;
    std::map<std::uint64_t, open_call> calls_;
    std::map<std::string, std::uint64_t> event_ids_;
    std::map<std::uint64_t, steady_time> committed_at_; ///< by seq
    std::map<std::uint64_t, std::uint64_t> read_up_to_; ///< life -> seq
    std::map<std::string, steady_time> paused_;         ///< acknowledged then
    std::optional<steady_time> held_since_;             ///< maintenance, acknowledged then
    std::uint64_t seen_seq_ = 0;
    std::uint64_t seen_takeovers_ = 0;
    std::uint64_t step_ = 1;
    std::uint64_t last_call_ = 0;
    steady_time disturbed_at_{};
    milliseconds longest_interval_{0};
    milliseconds longest_gap_{0};
    std::uint64_t gaps_checked_ = 0;
    bool is_traced_ = std::getenv("PROOFTRACK_TRACE") != nullptr;
};

} // namespace prooftrack::sim
