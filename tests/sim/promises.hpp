#pragma once

// The second oracle. It knows nothing of the engine: it sees the calls and their replies, Proof's history and the
// replies that were served, what receivers got, and what a reader of the event log reads. From these alone it judges
// the five promises of prooftrackd(8).

#include <array>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/backend.hpp"
#include "config/config.hpp"
#include "sim/band_promises.hpp"
#include "sim/delivery_promises.hpp"
#include "sim/episode_model.hpp"
#include "sim/hold_promises.hpp"
#include "sim/proof_world.hpp"
#include "sim/seen_event.hpp"
#include "sim/violations.hpp"

namespace prooftrack::sim {

class promises final : public proof_observer, public api::event_listener {
  public:
    promises(const virtual_clock& clock, const proof_world& proof)
        : broken_(clock), clock_(clock), proof_(proof), deliveries_(clock, broken_), bands_(clock, broken_),
          holds_(broken_) {
        bands_.was_disturbed_since = [this](steady_time since) { return proof_.was_at_fault_since(since); };
    }

    // ---- the life of the daemon
    void on_configured(const config::configuration& config);
    /// The store refuses changes, or may, until then.
    void on_store_trouble(steady_duration span) {
        store_trouble_until_ = std::max(store_trouble_until_, clock_.now().steady + span);
        bands_.on_disturbance(span);
    }
    void on_boot();  ///< a daemon starts
    void on_crash(); ///< it is gone, and with it every call under way
    /// The first page after a start: what a crash left unseen.
    void on_caught_up(const api::event_list& page);
    bool has_caught_up() const { return !is_catching_up_; }
    std::uint64_t cursor() const { return last_seq_; }
    /// Whether the id ended, or may have, since that step: a wait for it may have been answered.
    bool may_have_ended_since(const std::string& id, std::uint64_t since);

    // ---- calls
    struct call {
        std::uint64_t number = 0;
        std::optional<std::size_t> place; ///< in the model of its id
    };
    call begin(std::string_view what, const std::string& id);
    call begin_post(const std::string& id, const asked_options& options);
    call begin_untrack(const std::string& id);
    call begin_change(const std::string& id, std::optional<int> metadata, std::optional<int> url);
    /// An untracking of many: it may end any id that is named before it is answered.
    call begin_untrack_of(std::optional<int> metadata);
    void end_untrack_of(const call& done, bool is_known);
    bool has_room_everywhere() const;
    void end(const call& done) { open_calls_.erase(done.number); }
    void end(const call& done, const std::string& id, call_effect effect);
    void end_somehow(const call& done, const std::string& id); ///< it had one of its effects
    void end_unknown(const call& done, const std::string& id); ///< an error: it had one or none
    void refuse(const call& done, const std::string& id);
    void look(const std::string& id, const std::optional<track::transaction_view>& view);
    void on_session_call(const std::string& tag, const asked_options& options);
    std::vector<std::string> session_ids(const std::string& tag) const;
    void on_session_reply(const call& done, const std::string& tag, const api::outcome<api::proxied_reply>& reply);
    bool has_room(const std::string& id) { return ids_[id].model.open_calls() + 1 < most_open_calls; }

    // ---- readers
    void on_event(const api::log_event& event) override;
    void on_page(std::uint64_t after, const api::event_list& page);

    // ---- Proof
    void on_poll_started(const std::string& id) override;
    void on_poll_answered(const std::string& id, const proof_answer& answer) override;
    std::uint64_t step() const { return step_; } ///< counts what happens
    void on_session_made(const std::string& tag, const std::string& id, const std::string& reply) override;

    delivery_promises& deliveries() { return deliveries_; }
    band_promises& bands() { return bands_; }
    hold_promises& holds() { return holds_; }
    violations& broken() { return broken_; }
    const episode_model& model(const std::string& id) { return ids_[id].model; }
    std::size_t events() const { return log_.size(); }

    /// Nothing fails any more and everything has had its time.
    void check_end(const config::configuration& config);

  private:
    struct id_record {
        episode_model model;
        std::array<std::uint64_t, 7> last_of_word{};      ///< step at which such a word was served last
        std::vector<std::uint64_t> refusals;              ///< steps of the last 400s in a row
        std::uint64_t last_answer = 0;                    ///< step of the last answer that was not silence
        std::optional<wall_time> not_found_since;         ///< true time of the first 404 since a good reply
        std::pair<wall_time, wall_time> not_found_before; ///< the last such span that a good reply ended
        std::optional<steady_time> last_poll;
        std::optional<steady_time> last_word_at; ///< a good reply came that may not be recorded yet
        bool is_word_doubtful = false;           ///< the last one came while the store was in trouble
        bool may_have_lost_word = false;         ///< because the daemon died then
        std::uint64_t last_end = 0;              ///< step of the last event or reply with which a wait may end
        std::vector<std::string> story;          ///< the last happenings, for messages
    };
    struct session {
        std::map<std::string, std::string> replies; ///< id -> Proof's bytes
        std::map<std::string, std::size_t> places;  ///< id -> call in its model
        asked_options options;
        int successes = 0;
    };

    struct bulk_call {
        std::optional<int> metadata;                              ///< of those that it ends
        std::map<std::string, std::optional<std::size_t>> places; ///< in the model of each id
    };

    void join_bulk_calls(const std::string& id);
    void note(const std::string& id, std::string happened);
    void take(seen_event event);
    bool is_caused(const id_record& record, const reported_event& event, const possible_state& state) const;
    void check_id(const std::string& id, id_record& record, const config::configuration& config);
    void blame(const std::string& id, const std::string& what);

    violations broken_;
    const virtual_clock& clock_;
    const proof_world& proof_;
    delivery_promises deliveries_;
    band_promises bands_;
    hold_promises holds_;
    std::map<std::string, id_record> ids_;
    std::map<std::string, session> sessions_;         ///< by tag
    std::map<std::uint64_t, std::string> log_;        ///< seq -> bytes with seq
    std::map<std::string, std::uint64_t> event_ids_;  ///< -> seq
    std::map<std::uint64_t, std::string> open_calls_; ///< number -> what
    std::map<std::uint64_t, bulk_call> bulk_calls_;   ///< by the call's number
    std::map<wall_time, config::poll_config> poll_history_;
    std::vector<api::log_event> unread_; ///< shown while the first page was on its way
    bool is_catching_up_ = false;
    bool has_crashed_ = false;
    steady_time store_trouble_until_{};
    bool is_traced_ = std::getenv("PROOFTRACK_TRACE") != nullptr;
    std::uint64_t last_seq_ = 0;
    std::uint64_t step_ = 1;
    std::uint64_t last_call_ = 0;
};

} // namespace prooftrack::sim
