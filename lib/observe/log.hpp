#pragma once

// Event-named log lines: one event a line, a stable name, stable keys.

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace prooftrack::observe {

/// Importance, as journald's PRIORITY has it.
enum class log_level : std::uint8_t {
    critical = 2, ///< a promise is at risk
    error = 3,    ///< the operator must act
    warning = 4,  ///< degraded, but healing itself
    notice = 5,   ///< life cycle
    info = 6,     ///< facts
    debug = 7,
};
std::string_view to_string(log_level level);
std::optional<log_level> parse_log_level(std::string_view name);

/// Every event that the programs log; the table with level, keys and meaning is in event_table.cpp.
enum class log_event_id : std::uint8_t {
    daemon_started,
    daemon_stopping,
    daemon_stopped,
    daemon_heartbeat,
    daemon_clock_skew,
    daemon_clock_jump,
    config_reloaded,
    config_refused,
    config_warning,
    config_restart_required,
    config_insecure_file,
    config_no_listener,
    config_proxy,
    config_base_url_changed,
    transaction_tracked,
    transaction_status,
    transaction_settled,
    transaction_reversed,
    transaction_overdue,
    transaction_not_found,
    transaction_rejected,
    transaction_abandoned,
    transaction_untracked,
    transaction_downgrade, ///< a non-terminal reply after settling: changes nothing
    poll_error,
    poll_behind,
    proof_throttled,
    proof_unauthorized,
    proof_forbidden,
    proof_unreachable,
    proof_recovered,
    proof_unknown_status,
    proof_token_changed,
    proof_connected,
    callback_delivered,
    callback_failed,
    callback_failing,
    callback_recovered,
    callback_dead,
    callback_paused,
    callback_resumed,
    callback_unconfigured,
    callback_address_refused,
    callback_secret_changed,
    callback_headers_changed,
    consumer_overtaken,
    replay_started,
    replay_done,
    replay_cancelled,
    store_error,
    store_moved,   ///< the file of the running daemon was moved, removed or replaced
    store_rewound, ///< PostgreSQL has less than was acknowledged
    store_failed_over,
    store_recovered,
    store_nearly_full,
    store_has_space,
    store_pruned,
    cluster_joined,
    cluster_left,
    cluster_taken_over,
    cluster_fenced,
    export_failed, ///< an export or a reconciliation broke
    api_change,
    api_request,
    daemon_maintenance,
    log_suppressed, ///< summary of repeats
};

/// One key and its value, already text. Values from outside are escaped and cut by the renderer. `is_text` is false for
/// a number or a boolean, which JSON writes without quotes: the type of the argument decides, not what the text looks
/// like.
struct log_field {
    std::string_view key;
    std::string value;
    bool is_text = true;

    log_field(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
    log_field(std::string_view k, std::string_view v) : key(k), value(v) {}
    log_field(std::string_view k, const char* v) : key(k), value(v) {}
    log_field(std::string_view k, bool v) : key(k), value(v ? "true" : "false"), is_text(false) {}
    log_field(std::string_view k, std::integral auto v) : key(k), value(std::to_string(v)), is_text(false) {}
    /// One digit behind the point. Requires a finite number.
    log_field(std::string_view k, double v);
};

/// Where log lines go. The engine's tests put a recorder behind it. Never blocks, never throws.
class event_log {
  public:
    virtual ~event_log() = default;
    virtual void write(log_event_id event, std::span<const log_field> fields) = 0;
    void write(log_event_id event, std::initializer_list<log_field> fields) {
        write(event, std::span<const log_field>(fields.begin(), fields.size()));
    }
};

} // namespace prooftrack::observe
