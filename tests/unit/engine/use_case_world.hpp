#pragma once

// The use cases over a store by hand: each can be let go of, or left without an answer, at each step of a call.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/bulk_calls.hpp"
#include "engine/change_calls.hpp"
#include "engine/consumer_calls.hpp"
#include "engine/control_calls.hpp"
#include "engine/delivery_calls.hpp"
#include "engine/engine_life.hpp"
#include "engine/event_feed.hpp"
#include "engine/lookup_calls.hpp"
#include "engine/maintenance_calls.hpp"
#include "engine/operator_calls.hpp"
#include "engine/options_calls.hpp"
#include "engine/status_calls.hpp"
#include "engine/tracking_calls.hpp"
#include "support/fake_cluster.hpp"
#include "support/fake_notifier.hpp"
#include "support/fake_store.hpp"
#include "support/recorded_log.hpp"
#include "support/virtual_time.hpp"

namespace prooftrack::engine {

/// What a call's handler was told, and whether it is alive. It outlives the world.
struct call_result {
    std::string word;                                     ///< "ok", or the code of the problem; "" = it was not called
    std::shared_ptr<int> held = std::make_shared<int>(0); ///< by each handler
    bool is_released() const { return held.use_count() == 1; }
};

class use_case_world : private poll_driver_listener, private delivery_metrics {
  public:
    /// Of a daemon that runs already, or of one that has not begun.
    explicit use_case_world(bool is_running = true) {
        if (!is_running) return;
        state.life = daemon_state::phase::running;
        deliveries.start(disk.status());
        feed->restore(disk.status());
    }

    template <class Value>
    static api::backend_handler<Value> tell(call_result& to) {
        return [&to, held = to.held](const api::outcome<Value>& done) {
            const auto* refused = std::get_if<api::problem>(&done);
            to.word = refused == nullptr ? "ok" : std::string(api::word_of(refused->code));
        };
    }

    /// From now on there are other daemons, which hold everything that this one has not been given.
    void join() {
        memory.share(cluster);
        polls.hold_nothing();
    }
    shard_set shard_of(const char* text) const {
        return shard_set().set(fake_disk::shard_of(disk.transactions.at(text)));
    }
    /// Another daemon has tracked it: in the store alone.
    void track_elsewhere(const char* text) {
        disk.add_one({id(text), "{}", std::nullopt, "", clock.now().wall, std::chrono::hours(24), {}});
    }
    /// Another daemon has changed it.
    void change_elsewhere(const char* text, track::tracking_state to) {
        fake_disk::transaction_row& row = disk.transactions.at(text);
        row.facts.state = to;
        row.facts.watched = !track::is_ended(to);
        fake_disk::raise(row);
    }

    /// Commits and answers the oldest operation; false when there is none.
    bool step() {
        memory.commit();
        return memory.answer_one();
    }

    static transaction_id id(const char* text) { return *transaction_id::parse(text); }
    static api::track_request request(const char* text) { return {id(text), {}}; }
    /// One that is tracked already, in the store and in memory.
    void track(const char* text) {
        tracking->track(request(text), {}, [](const api::outcome<api::tracked>&) {});
        memory.pump();
    }
    /// One whose tracking a user has ended.
    void track_and_end(const char* text) {
        track(text);
        changes->untrack(id(text), {}, [](const api::outcome<track::transaction_view>&) {});
        memory.pump();
    }
    /// One that has settled long ago: in the store alone.
    void add_settled(const char* text) {
        track::new_transaction row{id(text), "{}", std::nullopt, "", clock.now().wall, std::chrono::hours(24), {}};
        disk.add_one(row);
        fake_disk::transaction_row& stored = disk.transactions.at(text);
        stored.facts.state = track::tracking_state::settled;
        stored.facts.status = "failed";
        stored.facts.watched = false;
    }
    void add_event(std::uint64_t seq) {
        const std::string event = track::make_event_id(clock.now().wall, random);
        disk.events[seq] = {
            event,
            track::event_type::completed,
            clock.now().wall,
            "t1",
            0,
            std::make_shared<const std::string>(R"({"id":")" + event + R"("})")};
        disk.last_seq = seq;
    }

    virtual_clock clock;
    fake_disk disk;
    fake_cluster cluster;
    store::fake_store memory{disk};
    recorded_log log;
    observe::metrics registry{"test"};
    meters counts{registry};
    random_source random{1};
    fake_notifier notifier{clock};
    daemon_state state;
    config::configuration config;
    config_standing standing;
    change_audit audit{log};
    wait_numbers numbers;
    int wakes = 0;
    poll_driver polls{
        {}, {clock, random, memory, log, counts, [](track::event_type) { return std::vector<std::string>(); }, *this}};
    delivery_driver deliveries{{clock, memory, notifier, log, *this}, make_callbacks(), 1, [this] { ++wakes; }};
    std::unique_ptr<event_feed> feed = std::make_unique<event_feed>(memory, clock, numbers, [this] { ++wakes; });
    housekeeping upkeep{{clock, memory, log, counts, polls, deliveries, *feed}, [this] { ++wakes; }};
    std::unique_ptr<transaction_views> views = std::make_unique<transaction_views>(memory, polls);
    transaction_intake intake{{clock, config, deliveries.callbacks(), state}};
    std::unique_ptr<lookup_calls> lookup =
        std::make_unique<lookup_calls>(lookup_sources{clock, memory, *views, deliveries, numbers}, [this] { ++wakes; });
    std::unique_ptr<change_calls> changes = std::make_unique<change_calls>(memory, polls, *views, audit);
    std::unique_ptr<tracking_calls> tracking =
        std::make_unique<tracking_calls>(tracking_surroundings{memory, log, polls, *views, *changes, intake, audit});
    std::unique_ptr<options_calls> options =
        std::make_unique<options_calls>(options_surroundings{memory, polls, *views, intake, audit});
    std::unique_ptr<bulk_calls> bulk = std::make_unique<bulk_calls>(memory, polls, audit);
    std::unique_ptr<delivery_calls> delivery = std::make_unique<delivery_calls>(memory, deliveries, audit);
    std::unique_ptr<control_calls> control = std::make_unique<control_calls>(clock, memory, deliveries, audit);
    std::unique_ptr<consumer_calls> consumer = std::make_unique<consumer_calls>(clock, memory, audit);
    std::unique_ptr<status_calls> status = std::make_unique<status_calls>(
        status_sources{clock, memory, counts, polls.core(), deliveries, upkeep, state, standing}, "test");
    std::unique_ptr<operator_calls> operation =
        std::make_unique<operator_calls>(memory, audit, [](std::string_view level) { return level == "debug"; });
    maintenance_hold hold{clock, log, polls, deliveries};
    std::unique_ptr<maintenance_calls> maintenance =
        std::make_unique<maintenance_calls>(clock, memory, state, hold, audit);
    std::unique_ptr<engine_life> life = std::make_unique<engine_life>(
        life_parts{clock, memory, log, polls, deliveries, *feed, upkeep, state, hold}, config, [this] { ++wakes; });

  private:
    static callback_table make_callbacks() {
        std::vector<config::callback_config> callbacks(1);
        callbacks.front().name = "shop";
        callbacks.front().url = "https://shop.example/hook";
        return {std::move(callbacks), {}};
    }

    void on_recorded(const track::change_action& change, store::recorded_transition) override {
        if (ends_wait(change.facts.state)) lookup->on_ended(change.id);
    }
    void on_token_wanted() override {}
    void on_stepped() override {}
    void on_delivery(std::string_view, std::string_view) override {}
    void on_callback(const callback_view&) override {}
};

} // namespace prooftrack::engine
