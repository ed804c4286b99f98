#pragma once

// A merchant with several daemons: makes each call on any node that takes it, and reports requests and answers to the
// oracle.

#include <map>
#include <string>
#include <vector>

#include "sim/cluster_world.hpp"

namespace prooftrack::sim {

class cluster_client {
  public:
    explicit cluster_client(cluster_world& world) : world_(world) {}

    /// Repeated on other nodes until one acknowledges it.
    void post_until_acknowledged(const std::string& id);
    /// Any call, on any node.
    void call_something();
    void resume_all();
    /// On any node, until it is off.
    void end_maintenance();
    void retry_all();
    /// At the end: each node says the same of every id, and gives the same log.
    void compare_nodes();
    std::uint64_t calls() const { return calls_; }
    std::size_t transactions() const { return ids_.size(); }

  private:
    using node = cluster_world::node;

    struct options {
        int metadata = 1;
        int url = 0;
    };
    options draw_options();
    static api::tracking_options to_tracking(const options& wanted);
    std::string any_id();
    std::string any_callback();

    void post(node& at, const std::string& id, const options& wanted);
    void untrack(node& at, const std::string& id);
    void change(node& at, const std::string& id);
    void get(node& at, const std::string& id);
    void wait(node& at, const std::string& id);
    void poll(node& at, const std::string& id);
    void hint(node& at, const std::string& id);
    void read_events(node& at);
    void learn_deliveries(node& at);
    void retry(node& at);
    void retry_dead(node& at);
    void pause(node& at, const std::string& callback);
    void resume(node& at, const std::string& callback);
    void flush(node& at, const std::string& callback);
    void dismiss(node& at);
    void replay(node& at);
    void cancel_replay(node& at);
    void maintain(node& at, bool wants_on);
    void check_log(node& at);
    void check_look(node& at, const std::string& id);
    void on_changed(
        const cluster_oracle::call& call, call_effect good, const api::outcome<track::transaction_view>& done);

    cluster_world& world_;
    std::vector<std::string> ids_;
    std::map<std::string, options> options_; ///< as posted first
    std::map<std::string, bool> acknowledged_;
    std::vector<track::delivery_view> deliveries_;
    std::uint64_t calls_ = 0;
};

} // namespace prooftrack::sim
