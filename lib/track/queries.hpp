#pragma once

// Queries of what is stored, and their results: the same values in the API and in the store.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "track/types.hpp"

namespace prooftrack::track {

/// Most members of the metadata that one search may name.
inline constexpr std::size_t most_metadata_filters = 16;

/// A top-level member of the metadata. A string matches by its content, any other value by its spelling.
struct metadata_filter {
    std::string key;
    std::string value;
    bool operator==(const metadata_filter&) const = default;
};

/// Filters are joined by "and".
struct transaction_query {
    std::optional<tracking_state> state;
    std::optional<std::string> status;
    std::optional<wall_time> settled_after;  ///< later than this, not at it
    std::optional<wall_time> settled_before; ///< likewise
    std::optional<wall_time> tracked_after;  ///< likewise, of the present tracking
    std::optional<wall_time> tracked_before;
    std::vector<metadata_filter> metadata;       ///< at most `most_metadata_filters`
    std::optional<std::string> not_delivered_to; ///< a callback that is owed an event of it and does not have it:
                                                 ///< the delivery is pending, dead or dismissed
    std::optional<std::string> id_prefix;        ///< how its id begins
    bool only_open = false;                      ///< none that has ended (`is_ended`)
    std::size_t limit = 100;
    std::string cursor; ///< "" = from the newest; else a `next_cursor` that this list gave out before
};
/// A page may hold fewer than `limit` while more follow: the bodies of one are about 8 MiB at most, and the work for it
/// is bounded.
struct transaction_page {
    std::vector<transaction_view> transactions; ///< the newest first, by their first `add`
    std::string next_cursor;                    ///< "" = no more; else the next page, which may be empty
};

struct delivery_query {
    std::optional<delivery_state> state;
    std::optional<std::string> callback;
    std::optional<std::string> transaction;
    std::optional<wall_time> since; ///< of the event's timestamp: at this or later
    std::optional<wall_time> until; ///< earlier than this
    std::size_t limit = 100;
    std::string cursor;
};
struct delivery_page {
    std::vector<delivery_view> deliveries; ///< the newest first
    std::string next_cursor;               ///< as in a `transaction_page`
};

/// Events of a time, in the order of seq.
struct event_query {
    event_seq after{};              ///< behind this one
    std::optional<wall_time> since; ///< of the timestamp: at this or later
    std::optional<wall_time> until; ///< earlier than this
    std::size_t limit = 100;
};

/// What an export has rows of.
enum class export_list : std::uint8_t { transactions, events, deliveries };

/// Rows in the order in which they were made, and how they are written. The functions are values' functions: they run
/// on a thread of the store's. Only that of `list` is called.
struct export_query {
    export_list list = export_list::transactions;
    std::optional<wall_time> since; ///< `tracked_at`, the event's timestamp, or that of the delivery's event: at this
                                    ///< or later
    std::optional<wall_time> until; ///< earlier than this
    std::string head;               ///< before the first row
    std::function<void(std::string& out, const transaction_view& row)> write_transaction;
    std::function<void(std::string& out, std::string_view row)> write_event; ///< as the log shows it, with its seq
    std::function<void(std::string& out, const delivery_view& row)> write_delivery;
};

/// The events of the log that a replay owes to a callback again.
struct replay_query {
    std::string callback;
    event_seq after{};               ///< behind this one
    std::optional<event_seq> before; ///< before this one; nullopt = all that are recorded by now
    std::optional<wall_time> since;  ///< of the timestamp: at this or later
    std::optional<wall_time> until;  ///< earlier than this
    std::vector<std::string> types;  ///< full names of those it is about
    bool only_missing = true;        ///< those that were never owed to the callback, by whichever delivery is kept
    bool operator==(const replay_query&) const = default;
};

enum class replay_state : std::uint8_t { running, done, cancelled };
std::string_view to_string(replay_state state);

/// A replay and how far it has come.
struct replay_view {
    replay_id id{};
    replay_query query; ///< with `before`
    replay_state state = replay_state::running;
    std::uint64_t events = 0;    ///< counted before it began; some may be pruned before their turn
    std::uint64_t made = 0;      ///< deliveries made so far, without those that a cancel took away
    std::uint64_t delivered = 0; ///< of these
    std::uint64_t pending = 0;   ///< of these; the others are dead, or were retried by hand
    event_seq next{};            ///< every event before this one was looked at
    wall_time created_at{};
    std::optional<wall_time> ended_at;
};

/// The latest 1,000 of both, the oldest of them first.
struct transaction_history {
    std::vector<history_entry> changes;
    std::vector<delivery_view> deliveries;
};

} // namespace prooftrack::track
