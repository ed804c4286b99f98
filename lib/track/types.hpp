#pragma once

// The values that modules pass to each other. No behaviour beyond naming and comparing; see tracker.hpp for the
// decisions.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace prooftrack::track {

/// Ours. A give-up of ours is never called failed.
enum class tracking_state : std::uint8_t {
    tracking,  ///< not terminal yet, polled every `poll.interval`
    settled,   ///< Proof reported a terminal status
    overdue,   ///< `overdue_after` passed without one; polled every `tail_interval`
    not_found, ///< 404 with Proof's body for longer than the grace; polled every `tail_interval`
    rejected,  ///< three 400s in a row with Proof's body; polled every `tail_interval`
    abandoned, ///< an answer after `give_up_after`, still not terminal; no longer polled
    untracked, ///< a user ended the tracking
};
inline constexpr std::size_t tracking_state_count = 7;

std::string_view to_string(tracking_state state);
std::optional<tracking_state> parse_tracking_state(std::string_view text);

/// Settled, abandoned, untracked: no longer tracked; only then a transaction may be pruned, or untracked no more.
bool is_ended(tracking_state state);
/// True for the states in which `GET …?wait=` answers at once: settled, rejected, abandoned, untracked.
bool ends_wait(tracking_state state);

/// Proof's words, matched exactly, case included.
enum class status_kind : std::uint8_t { none, pending, processing, completed, failed, cancelled, other };

std::string_view to_string(status_kind kind);       ///< "" for none, "other" for an unknown word
status_kind classify_status(std::string_view word); ///< none for ""
bool is_terminal(status_kind kind);                 ///< completed, failed, cancelled

/// Most bytes of a status word that is kept; a longer one makes the reply unusable.
inline constexpr std::size_t max_status_length = 64;

/// What the core keeps durable about a transaction; written as one row with each change.
struct tracking_facts {
    tracking_state state = tracking_state::tracking;
    std::string status;                  ///< Proof's word, verbatim; empty until the first good reply
    wall_time tracked_at{};              ///< when this tracking began (anew for a renewed one)
    wall_time overdue_at{};              ///< when it becomes overdue
    std::optional<wall_time> settled_at; ///< the first settlement of this tracking
    std::optional<wall_time>
        not_found_since; ///< first 404 of the present series, shifted by the time in which Proof was unwell
    std::optional<wall_time>
        recheck_until; ///< settled as failed or cancelled, then non-terminal: polled in the tail until this
    std::optional<wall_time> last_polled_at; ///< may fall back after a crash
    std::uint64_t polls = 0;                 ///< may fall back after a crash
    std::uint8_t bad_requests = 0;           ///< 400s in a row
    std::uint8_t verifications_done = 0;     ///< times of `verify_after` already polled
    bool was_overdue = false;                ///< `transaction.overdue` was emitted in this tracking
    bool watched = true;                     ///< a poll is still planned: the row is loaded at start
    bool operator==(const tracking_facts&) const = default;
};

/// A user's request to track a transaction, validated.
struct new_transaction {
    transaction_id id;
    std::string metadata = "{}";             ///< a JSON object's bytes as they came
    std::optional<std::string> callback_url; ///< as it came
    std::string callback_lane;               ///< `scheme://host:port` of callback_url, "" without one
    wall_time now{};                         ///< becomes tracked_at
    milliseconds overdue_after{};            ///< after defaults
    std::array<std::uint8_t, 32>
        options_digest{};      ///< of all options after defaults, metadata as JSON values: equal = "same options"
    std::string traceparent{}; ///< of the request that tracks it (base/traceparent), "" = none; no option
};

/// One tracked transaction as the core takes it over.
struct active_transaction {
    transaction_id id;
    tracking_facts facts;
    row_revision revision{}; ///< of the stored row that the facts are of
    std::uint8_t shard = 0;  ///< base/shards.hpp
    bool is_wanted = false;  ///< a hint or a user's wish asked for a poll that nobody has made yet
};

/// A poll that a connection has taken: exactly one answer must come back for it.
struct poll_ticket {
    std::uint32_t slot = 0;       ///< the core's row
    std::uint32_t generation = 0; ///< distinguishes a reused row
    std::string id;               ///< a valid transaction_id
    std::uint64_t known_body =
        0; ///< hash of the last good reply, 0 = none: an equal one is `unchanged` without being parsed
};

/// What a reply (or its absence) means. The table is in lib/proof/README.md.
enum class reply_class : std::uint8_t {
    good,         ///< usable, about our id, with a status word
    unchanged,    ///< good, and byte for byte the last known one
    not_found,    ///< 404 with Proof's own error body
    bad_request,  ///< 400 with Proof's own error body
    unauthorized, ///< 401 with Proof's own error body; the other answers show whether all are refused
    forbidden,    ///< 403 with Proof's own error body; likewise
    throttled,    ///< 429: all polls slow down
    server_error, ///< 5xx and any other status without a meaning of its own
    unusable, ///< a reply that breaks the rules of a good one: wrong id, not JSON, truncated, too large, a redirect …
    no_reply, ///< silence: DNS, connect, TLS, timeout, close
};
std::string_view to_string(reply_class what);

/// The answer to one poll.
struct poll_answer {
    reply_class what = reply_class::no_reply;
    int http_status = 0;         ///< 0 = none came
    std::string status;          ///< good: Proof's word (also for `unchanged`: empty, it is the known one)
    std::string body;            ///< the reply's body, bounded; empty for `unchanged` and `no_reply`
    std::uint64_t body_hash = 0; ///< good: never 0
    std::string request_id;      ///< X-Request-Id, printable ASCII, at most 128
    std::string error;   ///< for people and `last_error`: "404 transaction_not_found", "connect: Connection refused"
    std::string message; ///< 401 and 403: Proof's words, cut, without control characters; for people, on no log line
    std::optional<milliseconds> retry_after; ///< throttled: clamped to 1 s … 15 min
    std::optional<wall_time> server_date;    ///< the reply's Date
    std::optional<wall_time> updated_at;     ///< good: Proof's updated_at
    steady_duration took{};                  ///< from the first byte written to the answer
};

enum class delivery_state : std::uint8_t { pending, delivered, dead, dismissed };
std::string_view to_string(delivery_state state);
std::optional<delivery_state> parse_delivery_state(std::string_view text);

/// A transaction as the API shows it.
struct transaction_view {
    transaction_id id;
    tracking_facts facts;
    std::string metadata = "{}";
    std::optional<std::string> callback_url;
    std::string proof;                     ///< last good reply, verbatim; "" = null
    std::optional<wall_time> next_poll_at; ///< null when none is planned
    std::uint32_t consecutive_errors = 0;
    std::string last_error; ///< "" = null
    row_revision revision{};
    std::uint8_t shard = 0; ///< base/shards.hpp
    std::string node{};     ///< that owns it, "" = there is one daemon alone, or no owner just now
};

/// One change of state or status.
struct history_entry {
    wall_time at{};
    std::optional<tracking_state> from_state; ///< nullopt = the tracking began
    tracking_state to_state = tracking_state::tracking;
    std::string from_status;
    std::string to_status;
    std::string request_id;   ///< Proof's, "" when no reply caused it
    std::string reply_sha256; ///< hex, "" when no reply caused it
};

/// One delivery as the API shows it.
struct delivery_view {
    delivery_id id{};
    std::string event_id;
    std::string event_type;
    transaction_id transaction;
    std::string callback; ///< the callback's name, or "callback_url"
    delivery_state state = delivery_state::pending;
    std::uint32_t attempts = 0;
    std::optional<wall_time> last_attempt_at;
    std::string last_error;
    int last_status = 0; ///< HTTP status of the last attempt, or a command's exit code; 0 = none
    std::optional<wall_time> next_attempt_at;
    std::string note{}; ///< of its dismissal, "" = none
    bool operator==(const delivery_view&) const = default;
};

/// A pending delivery that waits for its next attempt.
struct waiting_delivery {
    std::uint32_t attempts = 0;
    std::optional<wall_time> last_attempt_at;
    wall_time next_attempt_at{};
};

/// A recorded event: the frozen bytes that every attempt sends (without seq).
struct stored_event {
    event_seq seq{};
    std::string body;
};

/// A durable cursor of a named reader.
struct consumer_view {
    std::string name;
    event_seq seq{};
    std::uint64_t lag = 0;                   ///< events not acknowledged
    std::optional<wall_time> oldest_pending; ///< timestamp of the oldest of them
};

/// While it is on, nothing is polled and nothing is delivered; ids are taken as ever.
struct maintenance_mark {
    wall_time since{}; ///< by the wall clock of that moment
    std::string note;  ///< the operator's words, "" = none
    bool operator==(const maintenance_mark&) const = default;
};

/// Whether the store can take changes.
enum class store_state : std::uint8_t {
    ok,
    full,
    unreachable, ///< PostgreSQL is away
};
std::string_view to_string(store_state state);

} // namespace prooftrack::track
