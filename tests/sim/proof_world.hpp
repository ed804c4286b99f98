#pragma once

// Proof on virtual time: what is true of each transaction, how Proof answers (or fails to), and what a poller may never
// do to it. It outlives every crash of the daemon.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/random.hpp"
#include "proof/proof_client.hpp"
#include "support/virtual_time.hpp"

namespace prooftrack::sim {

/// One transaction as Proof knows it.
struct proof_truth {
    enum class kind : std::uint8_t { normal, unknown, refused } what = kind::normal;
    steady_time visible_at{};                                  ///< 404 until then
    std::vector<std::pair<steady_time, std::string>> statuses; ///< in order of time

    std::string status_at(steady_time now) const;
    /// From now on it is `word`, whatever was planned.
    void move_to(const std::string& word, steady_time now);
};

/// How Proof fails for a while: for everybody, or for one id.
struct proof_fault {
    enum class kind : std::uint8_t {
        none,
        silence,
        slow,
        server_error,
        throttled,
        unauthorized,
        forbidden,
        unusable,
        not_found,
        unknown_word,
        bad_request
    } what = kind::none;
    steady_time from{};
    steady_time until{};
    double share = 1; ///< of the replies
};

/// A reply on its way.
struct proof_answer {
    track::poll_answer answer;
    std::string word; ///< that it stands for, also when the bytes are the known ones; "" = no good reply
    steady_duration took{};
};

/// Sees what goes in and out of Proof, as its operators would.
class proof_observer {
  public:
    virtual ~proof_observer() = default;
    virtual void on_poll_started(const std::string& id) = 0;
    /// The answer to a poll reaches the daemon.
    virtual void on_poll_answered(const std::string& id, const proof_answer& answer) = 0;
    /// A session that the request with this tag made.
    virtual void on_session_made(const std::string& tag, const std::string& id, const std::string& reply) = 0;
};

/// The cadence that nobody may exceed.
class cadence_watch {
  public:
    cadence_watch(const virtual_clock& clock, std::vector<std::string>& broken) : clock_(clock), broken_(broken) {}

    std::uint32_t max_rate = 0;

    void set_interval(std::pair<milliseconds, milliseconds> interval);
    /// Somebody asked for a poll: one may come sooner.
    void allow_sooner(const std::string& id) { ++exempt_[id]; }
    /// Tracked anew: its first poll comes at once, beside one that the ended tracking left in flight.
    void begin_anew(const std::string& id);
    void on_restart();
    void on_start(const std::string& id);
    void on_end(const std::string& id) { --in_flight_[id]; }

  private:
    template <class... Args>
    void complain(fmt::format_string<Args...> text, Args&&... args) {
        if (broken_.size() < 20)
            broken_.push_back(
                format_wall_time(clock_.true_wall()) + ": " + fmt::format(text, std::forward<Args>(args)...));
    }
    void watch_rate(steady_time now);

    const virtual_clock& clock_;
    std::vector<std::string>& broken_;
    milliseconds interval_{5'000};
    std::map<std::string, std::pair<steady_time, milliseconds>> last_start_; ///< and the shortest interval since
    std::map<std::string, int> exempt_;                                      ///< how many polls may come sooner
    std::map<std::string, int> in_flight_;
    std::vector<steady_time> recent_;
};

class proof_world {
  public:
    proof_world(virtual_clock& clock, random_source& random) : cadence(clock, broken), clock_(clock), random_(random) {}

    std::vector<std::string> broken; ///< before `cadence`, which writes to it
    bool watches_cadence = true;     ///< of one daemon
    cadence_watch cadence;
    std::map<std::string, proof_truth> transactions;
    std::vector<proof_fault> faults;
    std::multimap<std::string, proof_fault> poisoned; ///< by id
    std::string valid_token = "token-1";
    std::uint64_t polls = 0;
    std::uint64_t faults_served = 0;
    std::map<std::string, int> sessions_made; ///< by tag
    std::function<proof_truth(steady_time)> draw_truth;

    void on_start(const std::string& id);
    proof_answer reply(const track::poll_ticket& ticket, const std::string& token);
    /// POST /widget/session; the tag is the body's member "tag".
    std::pair<op_result<proof::proof_reply>, steady_duration> session(
        const std::string& body, const std::string& token, proof_observer& observer);
    /// Whether a fault for everybody holds at some time from `since` to now.
    bool was_at_fault_since(steady_time since) const;
    void heal();

  private:
    proof_fault::kind fault_for(const std::string& id, steady_time now);
    std::optional<proof_answer> refuse(proof_fault::kind fault, track::poll_answer answer);
    proof_answer tell(const track::poll_ticket& ticket, track::poll_answer answer, const std::string& word);

    virtual_clock& clock_;
    random_source& random_;
    int last_session_ = 0;
};

} // namespace prooftrack::sim
