#pragma once

// The merchant's side: makes each call of the API and reports requests and answers to the second oracle.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/sim_world.hpp"

namespace prooftrack::sim {

/// What a client requests, before defaults.
struct wanted_options {
    int metadata = 1;
    int url = 0;
    std::optional<milliseconds> overdue_after;
};

class sim_client {
  public:
    explicit sim_client(sim_world& world) : world_(world) {}

    wanted_options draw_options();
    const wanted_options& last_options(const std::string& id) { return options_[id]; }
    bool is_acknowledged(const std::string& id) const { return acknowledged_.contains(id); }

    /// Repeats the POST until it is acknowledged, as clients may: posting an id again is safe.
    void post_until_acknowledged(const std::string& id, const wanted_options& options);
    void post(const std::string& id, const wanted_options& options);
    void import(const std::vector<std::string>& ids);
    void session(bool has_key);
    void poll(const std::string& id);
    void hint(const std::string& id);
    void untrack(const std::string& id);
    void set_options(const std::string& id);
    void untrack_matching();
    void get(const std::string& id);
    void wait(const std::string& id);
    void list();
    void read_events();
    void consumer();
    void learn_deliveries();
    void retry_delivery(const std::string& id); ///< of this transaction, or any ("")
    void retry_dead();
    void retry_pending_urls();
    void test_callback();
    void pause_callback(); ///< any of them
    void resume_callback();
    void resume_all();
    void flush_callback();
    void dismiss(); ///< one delivery, or all that are dead
    /// Turns it on, and off again some time later.
    void begin_maintenance();
    /// Until that is acknowledged.
    void end_maintenance();

    /// At the end: every delivery that the API lists as dead goes to `seen`; what is still pending is a broken promise.
    void list_deliveries_at_end(std::set<std::pair<std::string, std::string>>& dead);

  private:
    struct known_delivery {
        delivery_id id{};
        std::string event;
        std::string callback;
        std::string transaction;
    };
    struct known_consumer {
        std::optional<std::uint64_t> seq; ///< as acknowledged last
        bool is_known = false;            ///< else a crash or an overlap left it open
        int under_way = 0;
    };

    api::tracking_options to_tracking(const wanted_options& options) const;
    asked_options to_asked(const wanted_options& options) const;
    void on_tracked(
        const promises::call& call, const std::string& id, const wanted_options& options,
        const api::outcome<api::tracked>& done);
    void on_imported(
        const std::vector<std::pair<std::string, promises::call>>& lines, const wanted_options& options,
        const api::outcome<api::import_summary>& done);
    std::string any_callback();
    void resume(const std::string& name);
    void acknowledge(const std::string& id, const wanted_options& options);
    void put_maintenance(bool wants_on);
    void put_consumer(const std::string& name);
    void acknowledge_consumer(const std::string& name);
    void delete_consumer(const std::string& name);
    void end_consumer(
        const std::string& name, const promises::call& call, const std::optional<track::consumer_view>& view);

    sim_world& world_;
    std::map<std::string, wanted_options> options_;
    std::set<std::string> acknowledged_;
    std::map<std::uint64_t, known_delivery> deliveries_;
    std::map<std::string, known_consumer> consumers_;
    std::uint64_t lives_ = 0; ///< of the daemon, when the consumers were used last
    std::vector<std::string> session_tags_;
    int last_session_ = 0;
};

} // namespace prooftrack::sim
