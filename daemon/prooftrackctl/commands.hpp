#pragma once

// The commands as values: what the arguments said, checked. Each is run by the function of the same name.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/time.hpp"
#include "prooftrackctl/bridge/broker_url.hpp"
#include "prooftrackctl/command_context.hpp"

namespace prooftrack::ctl {

/// What may be said about a transaction when it is tracked.
struct tracking_arguments {
    std::vector<std::pair<std::string, std::string>> metadata; ///< become JSON strings, in the order given
    std::optional<std::string> callback_url;
    std::optional<std::string> overdue_after; ///< a duration as written
};

struct track_command {
    std::string id;
    tracking_arguments options;
    bool wait = false;
    std::optional<milliseconds> timeout; ///< only with `wait`
};
struct import_command {
    std::string file; ///< "-" = standard input
};
struct get_command {
    std::string id;
};
struct explain_command {
    std::string id;
};
struct wait_command {
    std::string id;
    std::optional<milliseconds> timeout; ///< nullopt = as long as it takes
};
struct list_command {
    std::string state;
    std::string status;
    std::vector<std::pair<std::string, std::string>> metadata; ///< members that are looked for
    std::string tracked_after;                                 ///< times as `resolved_time` reads them, "" = none
    std::string tracked_before;
    std::string settled_after;
    std::string settled_before;
    std::string not_delivered_to; ///< a callback's name
    std::string id_prefix;
    std::uint64_t limit = 100;
    bool all = false;
};
struct set_command {
    std::string id;
    std::vector<std::pair<std::string, std::string>> metadata; ///< in place of all that it has; empty = it stays
    std::optional<std::string> callback_url;
    bool removes_callback_url = false;
};
struct untrack_command {
    std::string id;                  ///< "" with a filter
    std::vector<std::string> states; ///< each is a call of its own; empty = any
    std::string status;
    std::vector<std::pair<std::string, std::string>> metadata;
    std::string tracked_before;
    bool dry_run = false;
    bool yes = false; ///< without a question, also on a terminal
};
struct poll_command {
    std::string id;
};
struct session_command {
    std::vector<std::pair<std::string, std::string>> fields; ///< Proof's, in the order of the option table
    std::string body_file;                                   ///< sent as it is; "-" = standard input, "" = none
    tracking_arguments tracking;
    std::string idempotency_key;
};
struct kyc_command {
    std::string user;
};
struct events_command {
    bool follow = false;
    std::optional<std::uint64_t> after;
    std::optional<std::uint64_t> limit; ///< end after that many
    std::string since;                  ///< without `follow`; "" = none
    std::string until;
};
struct deliveries_command {
    std::string state;
    std::string callback;
    std::string transaction;
    std::string since;
    std::string until;
    std::uint64_t limit = 100;
    bool all = false;
};
struct redeliver_command {
    std::string id; ///< of a delivery or a transaction; "" with `dead`
    bool dead = false;
    std::string callback;
    bool dry_run = false; ///< only with `dead`
};
struct replay_command {
    std::string callback;
    std::string since; ///< times as `resolved_time` reads them, "" = none
    std::string until;
    std::optional<std::uint64_t> after;
    std::optional<std::uint64_t> before;
    std::vector<std::string> types;
    bool missing = false; ///< which is the default
    bool all = false;
    bool dry_run = false;
    bool wait = false;
};
struct replays_command {
    std::optional<std::uint64_t> cancel; ///< nullopt = the list
};
struct callback_test_command {
    std::string name;
};
struct callback_control_command {
    enum class action : std::uint8_t { pause, resume, flush };
    action what = action::pause;
    std::string name;
};
struct dismiss_command {
    std::string delivery; ///< its number; "" with `dead`
    bool dead = false;
    std::string callback; ///< with `dead` alone; "" = all
    std::string note;     ///< "" = none
};
struct secret_new_command {};
struct consumers_command {
    enum class action : std::uint8_t { list, add, ack, remove };
    action what = action::list;
    std::string name;
    std::optional<std::uint64_t> seq;
};
struct listen_command {
    std::string address = "127.0.0.1:0";
    std::string secret_file;
    std::optional<std::uint64_t> count; ///< end after that many different events
    int answer = 204;                   ///< status given to a verified event
};
struct status_command {
    bool check = false; ///< only whether all is well: exit status 1 with the reasons when it is not
};
struct cluster_command {};
struct top_command {
    milliseconds interval{1000};
};
struct backup_command {
    std::string file;
    bool force = false;
};
struct export_command {
    std::string list;   ///< transactions, events, deliveries
    std::string format; ///< "" = csv, and with --json ndjson
    std::string since;
    std::string until;
};
struct log_level_command {
    std::string level;
};
struct reconcile_command {
    std::string file;  ///< "-" = standard input
    std::string since; ///< as the API writes times; "" = no limit
    std::string until;
    std::string report; ///< a file of HTML; "" = none
    bool force = false;
};
struct bridge_command {
    std::string consumer;
    broker_url amqp;                    ///< used when `stream` is empty
    std::string exchange;               ///< "" = the default one
    std::string routing_key = "{type}"; ///< as `routing_key_of` reads it
    broker_url redis;                   ///< used with `stream`
    std::string stream;
    std::optional<std::uint64_t> max_length;
    std::uint64_t replicas = 0;
    std::string credentials_file; ///< "" = none
    std::string ca_file;          ///< "" = the system's authorities
    bool from_oldest = false;
    bool allow_plain = false;
};

struct maintenance_command {
    enum class action : std::uint8_t { status, on, off };
    action what = action::status;
    std::string note;
};
struct doctor_command {
    std::string config; ///< "" = the running daemon's, else the default
    bool test = false;  ///< each callback gets a test event
};

using any_command = std::variant<
    track_command, import_command, get_command, explain_command, wait_command, list_command, untrack_command,
    poll_command, session_command, kyc_command, events_command, deliveries_command, redeliver_command, replay_command,
    replays_command, callback_test_command, callback_control_command, dismiss_command, secret_new_command,
    consumers_command, listen_command, status_command, cluster_command, top_command, backup_command, export_command,
    log_level_command, reconcile_command, set_command, maintenance_command, doctor_command, bridge_command>;

/// Each gives the exit status, or throws command_failure, output_closed, stop_requested.
int run(command_context& context, const track_command& what);
int run(command_context& context, const import_command& what);
int run(command_context& context, const get_command& what);
int run(command_context& context, const explain_command& what);
int run(command_context& context, const wait_command& what);
int run(command_context& context, const list_command& what);
int run(command_context& context, const untrack_command& what);
int run(command_context& context, const poll_command& what);
int run(command_context& context, const session_command& what);
int run(command_context& context, const kyc_command& what);
int run(command_context& context, const events_command& what);
int run(command_context& context, const deliveries_command& what);
int run(command_context& context, const redeliver_command& what);
int run(command_context& context, const replay_command& what);
int run(command_context& context, const replays_command& what);
int run(command_context& context, const callback_test_command& what);
int run(command_context& context, const callback_control_command& what);
int run(command_context& context, const dismiss_command& what);
int run(command_context& context, const secret_new_command& what);
int run(command_context& context, const consumers_command& what);
int run(command_context& context, const listen_command& what);
int run(command_context& context, const status_command& what);
int run(command_context& context, const cluster_command& what);
int run(command_context& context, const top_command& what);
int run(command_context& context, const backup_command& what);
int run(command_context& context, const export_command& what);
int run(command_context& context, const log_level_command& what);
int run(command_context& context, const reconcile_command& what);
int run(command_context& context, const set_command& what);
int run(command_context& context, const maintenance_command& what);
int run(command_context& context, const doctor_command& what);
int run(command_context& context, const bridge_command& what);

} // namespace prooftrack::ctl
