#pragma once

// The event log's live end: the newest events in memory, readers that wait for the next one, the one listener of the
// streams.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "api/backend.hpp"
#include "base/clock.hpp"
#include "base/lifetime.hpp"
#include "base/recent_window.hpp"
#include "base/task.hpp"
#include "engine/wait_list.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

/// Publishes events in the order of seq, only once they are durable. Serves readers near the end from memory, others
/// from the store. At most 1,024 events and 8 MiB are kept in memory.
class event_feed final : public api::event_backend {
  public:
    /// `wake_changed` runs when `next_wake` has become earlier.
    event_feed(
        store::store& storage, const clock_source& clock, wait_numbers& numbers, std::function<void()> wake_changed)
        : store_(storage), clock_(clock), numbers_(numbers), wake_changed_(std::move(wake_changed)) {}
    lifetime::watch observe() const { return alive_.observe(); }

    /// At start, before anything is published.
    void restore(const store::store_status& status);
    void on_pruned(event_seq first_kept);
    /// `frozen` are the event's bytes without seq.
    void publish(event_seq seq, const std::string& frozen);

    api::wait_id events(
        event_seq after, std::size_t limit, milliseconds wait, api::backend_handler<api::event_list> handler) override;
    void events_between(track::event_query query, api::backend_handler<api::event_list> handler) override;
    void cancel(api::wait_id wait) { waits_.take(wait); }
    event_seq last_seq() const override { return last_seq_; }
    void set_event_listener(api::event_listener* listener) override { listener_ = listener; }

    event_seq first_seq() const { return first_seq_; }
    const std::string& log_id() const { return log_id_; }

    std::optional<steady_time> next_wake() const { return waits_.next_deadline(); }
    void on_wake(instant now);

  private:
    struct waiting_reader {
        event_seq after{};
        std::size_t limit = 0;
        api::backend_handler<api::event_list> handler;
    };
    api::event_list page(event_seq after, std::size_t limit) const;
    bool is_in_memory(event_seq after) const;
    /// The events behind it are those that its position stands for; false: they are not there.
    bool begins(event_seq& after) const;
    task<api::outcome<api::event_list>> read_from_store(event_seq after, std::size_t limit);
    task<api::outcome<api::event_list>> search_store(track::event_query query);
    /// Those of the page that have been published, at most `limit`, as readers get them.
    api::event_list published(const store::event_page& page, event_seq after, std::size_t limit) const;

    store::store& store_;
    const clock_source& clock_;
    wait_numbers& numbers_;
    std::function<void()> wake_changed_;
    recent_window<api::log_event> recent_{1'024, std::size_t{8} << 20U}; ///< events, bytes
    event_seq first_seq_{1};
    event_seq last_seq_{0};
    std::string log_id_;
    api::event_listener* listener_ = nullptr;
    wait_list<waiting_reader> waits_;
    lifetime alive_;
};

} // namespace prooftrack::engine
