#pragma once

// The delivery driver with fakes all around it, on virtual time, that can crash and start again on the same disk.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/delivery/delivery_driver.hpp"
#include "support/fake_notifier.hpp"
#include "support/fake_store.hpp"
#include "support/recorded_log.hpp"
#include "support/virtual_time.hpp"

namespace prooftrack {

class recorded_delivery_metrics final : public engine::delivery_metrics {
  public:
    void on_delivery(std::string_view callback, std::string_view result) override {
        ++counts[{std::string(callback), std::string(result)}];
    }
    void on_callback(const engine::callback_view& view) override { gauges[view.name] = view; }

    std::map<std::pair<std::string, std::string>, int> counts;
    std::map<std::string, engine::callback_view> gauges;
};

class delivery_world {
  public:
    static constexpr virtual_clock::group process = 1;

    delivery_world() {
        options.owner = process;
        disk.ignores_revisions = true; // its changes are judged by nobody
    }
    delivery_world(const delivery_world&) = delete;
    delivery_world& operator=(const delivery_world&) = delete;
    ~delivery_world() { crash(); }

    config::callback_config& callback(const std::string& name, std::vector<std::string> events = {"transaction.*"}) {
        config::callback_config& one = callbacks.emplace_back();
        one.name = name;
        one.url = "https://" + name + ".example/hook";
        one.events = std::move(events);
        return one;
    }

    /// Starts the process; the clock must run for it to come up. `is_started`: the store has said what it holds.
    void boot(bool is_started = true) {
        memory = std::make_unique<store::fake_store>(disk, &clock, options);
        sender = std::make_unique<fake_notifier>(clock, process);
        sender->answer_with(
            [this](const callback::delivery_job& job) { return receiver ? receiver(job) : reply_delivered(); });
        wake = std::make_unique<virtual_alarm>(
            clock, [this] { driver->on_wake(clock.now()); }, process);
        driver = std::make_unique<engine::delivery_driver>(
            engine::delivery_dependencies{clock, *memory, *sender, log, metrics},
            engine::callback_table(callbacks, rules), seed, [this] { arm(); });
        if (is_started) driver->start(disk.status());
    }
    /// Nothing that was not committed survives, no handler runs.
    void crash() {
        if (memory) memory->crash();
        clock.drop_group(process);
        wake.reset();
        driver.reset();
        sender.reset();
        memory.reset();
    }
    void restart() {
        crash();
        boot();
    }
    void reload() { driver->reconfigure(engine::callback_table(callbacks, rules)); }

    void track(const std::string& id, const std::string& lane = "", const std::string& url = "") {
        track::new_transaction wanted{*transaction_id::parse(id), "{}", std::nullopt, lane, clock.now().wall,
                                      milliseconds(86'400'000),   {}};
        if (!url.empty()) wanted.callback_url = url;
        disk.add_one(wanted);
    }
    /// Records an event of a transaction (tracked if it is not yet); heads reach the driver when it is durable.
    void emit(const std::string& id, track::event_type type = track::event_type::completed) {
        if (!disk.transactions.contains(id)) track(id);
        store::transition change{
            *transaction_id::parse(id),
            {},
            clock.now().wall,
            track::tracking_state::tracking,
            "pending",
            {},
            true,
            "",
            false,
            "",
            {}};
        change.facts = disk.transactions.at(id).facts;
        change.facts.state = track::tracking_state::settled;
        change.facts.status = "completed";
        store::owed_event owed{
            track::make_event_id(clock.now().wall, ids), type, "processing", driver->callbacks().selecting(type)};
        change.event = std::move(owed);
        memory->record(std::move(change), [this](op_result<store::recorded_transition> recorded) {
            if (recorded) driver->on_recorded(*std::move(recorded));
        });
    }
    void run(steady_duration span) { clock.run_for(span); }

    // What was attempted, as "transaction/attempt".
    std::vector<std::string> attempted() const {
        std::vector<std::string> seen;
        for (const made_attempt& one : sender->attempts())
            seen.push_back(one.job.transaction + "/" + std::to_string(one.job.attempt));
        return seen;
    }
    std::vector<milliseconds> attempt_times(steady_time since) const {
        std::vector<milliseconds> times;
        for (const made_attempt& one : sender->attempts())
            times.push_back(std::chrono::floor<milliseconds>(one.at - since));
        return times;
    }
    const fake_disk::delivery_row& row(std::uint64_t id) const { return disk.rows.at(id); }
    std::size_t count(track::delivery_state state) const {
        std::size_t number = 0;
        for (const auto& [id, one] : disk.rows) number += one.view.state == state ? 1U : 0U;
        return number;
    }

    virtual_clock clock;
    fake_disk disk;
    store::fake_store_options options;
    std::vector<config::callback_config> callbacks;
    config::callback_url_config rules;
    std::uint64_t seed = 1;
    random_source ids{99};
    fake_notifier::receiver receiver;
    recorded_log log;
    recorded_delivery_metrics metrics;
    std::unique_ptr<store::fake_store> memory;
    std::unique_ptr<fake_notifier> sender;
    std::unique_ptr<virtual_alarm> wake;
    std::unique_ptr<engine::delivery_driver> driver;

  private:
    void arm() {
        if (!driver) return;
        const auto next = driver->next_wake();
        if (next) {
            wake->arm(*next);
        } else {
            wake->disarm();
        }
    }
};

} // namespace prooftrack
