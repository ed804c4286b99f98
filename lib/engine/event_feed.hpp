#pragma once

// The event log's live end: the newest events in memory, readers that wait for the next one, the one listener of the
// streams. In a cluster the events of the other nodes are among them, read from the store.

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
#include "base/unique_function.hpp"
#include "engine/ahead_events.hpp"
#include "engine/wait_list.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

/// Publishes events in the order of seq, each once, only once they are durable. One that does not follow the last is
/// kept (`ahead_events`) until those between, which other nodes recorded, have been read. Serves readers near the end
/// from memory, others from the store. At most 1,024 events and 8 MiB are kept in memory.
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
    /// One that this node has recorded. `frozen` are the event's bytes without seq.
    void publish(event_seq seq, const std::string& frozen);
    /// Others have recorded events up to `last`; `first` is the oldest kept. What is missing is read and published.
    void catch_up(event_seq last, event_seq first);
    /// Runs with the bytes without seq of each event that another node recorded, once it is published.
    void on_foreign(std::function<void(const std::string& frozen)> then) { on_foreign_ = std::move(then); }

    api::wait_id events(
        event_seq after, std::size_t limit, milliseconds wait, api::backend_handler<api::event_list> handler) override;
    void events_between(track::event_query query, api::backend_handler<api::event_list> handler) override;
    void cancel(api::wait_id wait) {
        waits_.take(wait);
        late_.take(wait);
    }
    event_seq last_seq() const override { return last_seq_; }
    void set_event_listener(api::event_listener* listener) override { listener_ = listener; }

    event_seq first_seq() const { return first_seq_; }
    const std::string& log_id() const { return log_id_; }

    std::optional<steady_time> next_wake() const;
    void on_wake(instant now);

  private:
    struct waiting_reader {
        event_seq after{};
        std::size_t limit = 0;
        api::backend_handler<api::event_list> handler;
    };
    /// Whose position this node has not reached; with the reason why it cannot, or nullopt once it has.
    using position_handler = unique_function<void(std::optional<api::problem>)>;
    struct late_reader {
        api::wait_id number = api::no_wait;
        event_seq after{};
        steady_time deadline{};
        position_handler then;
    };

    void tell(event_seq seq, const std::string& frozen);
    void tell_kept();
    void read_missing();
    task<> close_gap();
    void take(const store::event_page& page);
    /// Another node may have published it.
    bool may_be_elsewhere(event_seq after) const { return after > last_seq_ && store_.cluster() != nullptr; }
    void await_position(api::wait_id number, event_seq after, position_handler then);
    task<> look_for(api::wait_id number, event_seq after);
    void serve_late();
    /// `number` is the request's, when it has one already.
    api::wait_id serve(waiting_reader reader, steady_time until, api::wait_id number);
    void search(track::event_query query, api::backend_handler<api::event_list> handler);

    api::event_list page(event_seq after, std::size_t limit) const;
    bool is_in_memory(event_seq after) const;
    /// 0 stands for the place before the oldest.
    event_seq resolved(event_seq after) const {
        return after == event_seq{0} ? event_seq{value_of(first_seq_) - 1} : after;
    }
    /// False: the events behind it are not there.
    bool begins(event_seq after) const { return after <= last_seq_ && value_of(after) + 1 >= value_of(first_seq_); }
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
    event_seq last_seq_{0}; ///< published
    event_seq wanted_{0};   ///< known to be recorded
    ahead_events ahead_;
    bool is_reading_ = false;
    std::optional<steady_time> read_again_at_; ///< after a failure
    std::function<void(const std::string&)> on_foreign_;
    std::string log_id_;
    api::event_listener* listener_ = nullptr;
    wait_list<waiting_reader> waits_;
    wait_list<late_reader> late_;
    lifetime alive_;
};

} // namespace prooftrack::engine
