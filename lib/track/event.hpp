#pragma once

// The bytes of an event, and which callbacks select it. The bytes are frozen when the transition is recorded: every
// attempt sends the same ones.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.hpp"
#include "base/json_string.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "track/types.hpp"

namespace prooftrack::track {

/// In the order of `selectable_events`.
enum class event_type : std::uint8_t {
    completed, ///< Proof's terminal statuses
    failed,
    cancelled,
    overdue, ///< ours
    not_found,
    rejected,
    abandoned,
    reversed, ///< another terminal status of Proof after settling
    updated,  ///< one non-terminal status to another; selected only by its full name
    test,     ///< `callback.test`: sent by hand, never recorded, never selected
};
inline constexpr std::size_t event_type_count = 10;

std::string_view to_string(event_type type); ///< "transaction.completed" …
std::optional<event_type> parse_event_type(std::string_view name);

/// True for Proof's own terminal statuses: completed, failed, cancelled, reversed.
bool is_final(event_type type);

/// Whether a callback's `events` pattern selects `type`: the rule of base/event_names.hpp.
bool selects(std::string_view pattern, event_type type);

/// The content of an event.
struct event_facts {
    std::string id;
    event_type type = event_type::completed;
    wall_time timestamp{};
    std::string_view transaction; ///< the merchant_transaction_id
    tracking_state state = tracking_state::tracking;
    std::string_view status;          ///< "" = null
    std::string_view previous_status; ///< "" = null
    std::string_view metadata = "{}"; ///< embedded as it is
    std::string_view proof;           ///< last good reply, embedded as it is; "" = null
};

/// Length of every event id: `evt_` and 32 hex digits.
inline constexpr std::size_t event_id_length = 36;

/// A new event id: time-ordered like a UUIDv7 (48 bits of milliseconds, the rest random).
std::string make_event_id(wall_time now, random_source& random);

/// The frozen bytes: a JSON object without `seq`. Statuses are escaped, metadata and reply embedded byte for byte.
std::string format_event(const event_facts& facts);

/// The same with `"seq": n` behind the id, as the event log shows it. Requires bytes made by `format_event`.
std::string insert_seq(std::string_view frozen, event_seq seq);

/// The merchant_transaction_id that an event is about; "" when these are not the bytes of an event.
std::string_view event_transaction(std::string_view frozen);

/// The header `webhook-sequence`: the timestamp in milliseconds since 1970. Like the timestamp it strictly increases
/// within a transaction, and it goes on increasing in a restored backup, where `seq` starts again at what it was.
std::uint64_t event_sequence(wall_time timestamp);

/// The traceparent of an event's deliveries and log lines: the trace of `tracked_by`, which the tracking came with
/// (base/traceparent), under a parent id of the event's own, the end of its id. "" when `tracked_by` is.
std::string event_traceparent(std::string_view tracked_by, std::string_view event_id);

/// An event's timestamp: now, or a millisecond after the transaction's last event when the clock stands still or
/// stepped back.
wall_time next_event_time(wall_time now, std::optional<wall_time> last);

} // namespace prooftrack::track
