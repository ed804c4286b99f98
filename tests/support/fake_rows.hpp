#pragma once

// The rows of a fake_disk.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/store.hpp"

namespace prooftrack {

struct fake_rows {
    struct transaction_row {
        std::uint64_t number = 0; ///< order of adding
        row_revision revision{};  ///< raised by each write
        track::tracking_facts facts;
        std::string metadata;
        std::optional<std::string> callback_url;
        std::string callback_lane;
        store::digest options_digest{};
        std::string proof;
        std::string traceparent;
        std::optional<wall_time> last_event_at;
        std::optional<wall_time> ended_at;
        std::vector<track::history_entry> history;
    };
    struct event_row {
        std::string id;
        track::event_type type = track::event_type::completed;
        wall_time timestamp{};
        std::string transaction;
        std::uint64_t transaction_number = 0; ///< distinguishes it from a later one with the same id
        std::shared_ptr<const std::string> body;
        std::string state{}; ///< of the transaction, then
        std::string status{};
        std::string traceparent{}; ///< of its tracking, then
    };
    struct delivery_row {
        track::delivery_view view;
        event_seq seq{};
        std::string lane;
        std::string url;
        std::string state;
        std::string status;
        std::shared_ptr<const std::string> body;
        wall_time recorded_at{}; ///< the event's timestamp
        std::string traceparent; ///< of the tracking that the event belongs to
        bool is_head = false;
        std::optional<replay_id> replay{}; ///< that made it; a retry by hand ends that
    };
    struct lane_row {
        std::string callback;
        std::optional<wall_time> failing_since;
    };
    struct consumer_row {
        event_seq seq{};
    };
    struct session_row {
        store::digest body{};
        wall_time claimed_at{};
        std::string transaction; ///< "" until its outcome is recorded
    };
};

} // namespace prooftrack
