#pragma once

// The event log's live end: the newest events in memory, readers that wait for the next one, the one listener of the
// streams.

#include <cstdint>
#include <optional>
#include <string>

#include "api/backend.hpp"
#include "base/clock.hpp"
#include "base/recent_window.hpp"
#include "engine/wait_list.hpp"
#include "store/store.hpp"

namespace prooftrack {

/// Publishes events in the order of seq, only once they are durable. Serves readers near the end from memory, others
/// from the store. At most 1,024 events and 8 MiB are kept in memory.
class event_feed {
  public:
    event_feed(store& remembered, const clock_source& clock) : store_(remembered), clock_(clock) {}

    /// At start, before anything is published.
    void restore(const store_status& status);
    void on_pruned(event_seq first_kept);
    /// `frozen` are the event's bytes without seq.
    void publish(event_seq seq, const std::string& frozen);

    /// See backend::events. False when the handler has run or will run without waiting under `id`.
    bool read(event_seq after, std::size_t limit, milliseconds wait, wait_id id, backend_handler<event_list> handler);
    void cancel(wait_id wait) { waits_.take(wait); }

    void set_listener(event_listener* listener) { listener_ = listener; }
    event_seq first_seq() const { return first_seq_; }
    event_seq last_seq() const { return last_seq_; }
    const std::string& log_id() const { return log_id_; }

    std::optional<steady_time> next_wake() const { return waits_.next_deadline(); }
    void on_wake(instant now);

  private:
    struct waiting_reader {
        event_seq after{};
        std::size_t limit = 0;
        backend_handler<event_list> handler;
    };
    event_list page(event_seq after, std::size_t limit) const;
    bool is_in_memory(event_seq after) const;
    void read_from_store(event_seq after, std::size_t limit, backend_handler<event_list> handler);

    store& store_;
    const clock_source& clock_;
    recent_window<log_event> recent_{1'024, std::size_t{8} << 20U}; ///< events, bytes
    event_seq first_seq_{1};
    event_seq last_seq_{0};
    std::string log_id_;
    event_listener* listener_ = nullptr;
    wait_list<waiting_reader> waits_;
};

} // namespace prooftrack
