#pragma once

// Promises 3 to 5 from the receivers' side: every event to everybody who selected it, in order for each transaction,
// the same bytes each time, to nobody else.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "callback/notifier.hpp"
#include "config/config.hpp"
#include "sim/seen_event.hpp"
#include "sim/violations.hpp"

namespace prooftrack::sim {

class delivery_promises {
  public:
    delivery_promises(const virtual_clock& clock, violations& broken) : clock_(clock), broken_(broken) {}

    /// From now on these are the callbacks.
    void on_configured(const std::vector<config::callback_config>& callbacks);
    void on_restart();
    /// An event became visible. `has_url`: its transaction may have, or certainly has, a callback_url.
    void on_event(const seen_event& event, bool may_have_url, bool has_url);
    /// An attempt begins; `is_configured`: its callback has a target now.
    void on_attempt(const callback::delivery_job& job, bool is_configured);
    void on_answer(const callback::delivery_job& job, callback::delivery_outcome::verdict verdict);
    /// Somebody asked for a delivery again by hand: it may come out of order.
    void on_retry(const std::string& event_id, const std::string& callback) { by_hand_.insert({event_id, callback}); }
    void on_retry_of_dead() { has_retried_dead_ = true; }
    /// A pause is asked for; `on_paused` with what that gave when it is answered. From then on no attempt begins, also
    /// after a crash, until somebody asks for its end.
    std::uint64_t pause_asked(const std::string& callback) const;
    void on_paused(const std::string& callback, std::uint64_t asked);
    void on_resume(const std::string& callback);
    /// At the end: what the API lists as dead or dismissed.
    void check_end(const std::set<std::pair<std::string, std::string>>& dead);

  private:
    struct owed {
        bool is_certain = false; ///< selected it whenever it was recorded
        bool is_delivered = false;
        bool is_gone = false;       ///< answered with 410
        std::uint32_t attempts = 0; ///< most of one round of its schedule
    };
    struct known_event {
        std::uint64_t seq = 0;
        std::string transaction;
        track::event_type type = track::event_type::completed;
        std::map<std::string, owed> by_callback;
        bool is_visible = false;
    };
    struct configured {
        steady_time since{};
        std::vector<config::callback_config> callbacks;
    };
    struct lane_of_one {
        std::map<std::uint64_t, std::string> events; ///< by seq
        std::string under_way;                       ///< event whose attempt is open, "" = none
    };

    /// With the shortest schedule that its callback ever had: whether it may have been given up.
    bool may_be_dead(const owed& one, const std::string& callback) const;
    bool is_free(const std::string& event_id, const std::string& callback) const;
    void check_order(const known_event& event, const callback::delivery_job& job);
    std::pair<bool, bool> selects_it(const std::string& callback, track::event_type type) const;

    const virtual_clock& clock_;
    violations& broken_;
    std::vector<configured> history_;
    std::map<std::string, std::size_t> shortest_schedule_;
    std::map<std::string, known_event> events_;
    std::map<std::string, std::string> bytes_; ///< by event id
    std::map<std::pair<std::string, std::string>, lane_of_one> lanes_;
    std::set<std::pair<std::string, std::string>> by_hand_;
    bool has_retried_dead_ = false;
    std::set<std::string> paused_;
    std::map<std::string, std::uint64_t> resumes_; ///< how often each was asked for
};

} // namespace prooftrack::sim
