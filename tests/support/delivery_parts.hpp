#pragma once

// What one part of the delivery side works with: the shared context over fakes, and a host that records its calls.
// The store works by hand: `memory.pump()`.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine/delivery/delivery_context.hpp"
#include "support/delivery_world.hpp"
#include "support/fake_notifier.hpp"
#include "support/fake_store.hpp"
#include "support/recorded_log.hpp"
#include "support/virtual_time.hpp"

namespace prooftrack {

/// Does nothing but note the calls, as "feed backend".
class noting_host final : public engine::delivery_host {
  public:
    explicit noting_host(const virtual_clock& clock) : clock_(clock) {}

    instant enter() override {
        ++entered;
        return clock_.now();
    }
    void leave() override { --entered; }
    void feed(engine::delivery_slot& slot, instant) override { note("feed " + slot.name); }
    void retire_if_idle(engine::delivery_slot& slot) override { note("retire " + slot.name); }
    void on_lane_retired() override { note("lane retired"); }
    void take_in(const store::delivery_head& head, instant) override {
        note("take in " + std::to_string(value_of(head.id)));
    }
    void on_health(engine::delivery_slot& slot, track::delivery_health::change change, instant) override {
        if (change == track::delivery_health::change::turned_failing) note("failing " + slot.name);
        if (change == track::delivery_health::change::recovered) note("recovered " + slot.name);
    }
    void on_write_refused(instant) override { note("full"); }
    void on_store_writable(instant) override { note("writable"); }
    void on_store_error(const op_error& error, instant) override { note("error " + error.code.message()); }
    void on_outcome_settled() override { note("settled"); }

    bool was_reported(const std::string& what) const {
        return std::find(reported.begin(), reported.end(), what) != reported.end();
    }

    std::vector<std::string> reported;
    int entered = 0; ///< calls of `enter` without their `leave`

  private:
    void note(std::string what) { reported.push_back(std::move(what)); }
    const virtual_clock& clock_;
};

struct delivery_parts {
    explicit delivery_parts(config::callback_url_config rules = {{"*.shop.example"}, ""})
        : context(
              {clock, memory, sender, log, metrics},
              engine::callback_table({make_callback("backend")}, std::move(rules)), 1) {
        disk.ignores_revisions = true;
    }
    delivery_parts(const delivery_parts&) = delete;
    delivery_parts& operator=(const delivery_parts&) = delete;

    /// A recovery of two heads is as much work for the store as one of 2,000.
    static store::fake_store_options one_head_a_slice() {
        store::fake_store_options options;
        options.recovery_slice = 1;
        return options;
    }
    static config::callback_config make_callback(const std::string& name) {
        config::callback_config one;
        one.name = name;
        one.url = "https://" + name + ".example/hook";
        one.events = {"transaction.*"};
        return one;
    }
    engine::delivery_slot& open(
        const std::string& lane = "backend", track::stored_heads stored = track::stored_heads::none) {
        return context.lanes.make(lane, stored, context.table.settings_for(lane));
    }
    /// A durable event of a transaction with what it owes.
    store::recorded_transition record(const std::string& id, const std::string& lane = "backend") {
        const bool is_url = is_own_url_lane(lane);
        track::new_transaction wanted{*transaction_id::parse(id), "{}", std::nullopt, "", now().wall,
                                      milliseconds(86'400'000),   {}};
        if (is_url) {
            wanted.callback_url = lane + "/hook";
            wanted.callback_lane = lane;
        }
        if (!disk.transactions.contains(id)) disk.add_one(wanted);
        store::transition change{wanted.id, {}, now().wall, track::tracking_state::tracking, "pending", {}, true, "",
                                 false,     "", {}};
        change.facts = disk.transactions.at(id).facts;
        change.facts.state = track::tracking_state::settled;
        change.facts.status = "completed";
        store::owed_event owed{track::make_event_id(now().wall, ids), track::event_type::completed, "", {}};
        if (!is_url) owed.callbacks = {lane};
        change.event = std::move(owed);
        return disk.record(change).value();
    }
    /// The same, inserted into its lane.
    delivery_id owe(engine::delivery_slot& slot, const std::string& id) {
        const store::delivery_head head = record(id, slot.name).heads.at(0);
        slot.lane.insert(engine::lane_head_of(head), now().wall);
        return head.id;
    }
    /// The lane turns failing without a word to anybody.
    void break_lane(engine::delivery_slot& slot) {
        for (std::uint64_t i = 1; i <= track::failures_until_failing; ++i) slot.lane.health().on_failure(i, now());
        slot.failing_from = now().wall;
    }

    instant now() const { return clock.now(); }
    void run(steady_duration span) { clock.run_for(span); }
    const track::delivery_view& row(delivery_id id) const { return disk.rows.at(value_of(id)).view; }

    virtual_clock clock;
    fake_disk disk;
    store::fake_store memory{disk, nullptr, one_head_a_slice()};
    fake_notifier sender{clock};
    recorded_log log;
    recorded_delivery_metrics metrics;
    random_source ids{99};
    engine::delivery_context context;
    noting_host host{clock};
};

} // namespace prooftrack
