#pragma once

// The whole engine over fakes on virtual time: one disk that outlives crashes, one life of the daemon at a time.

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "engine/engine.hpp"
#include "sim/scripted_proof.hpp"
#include "support/fake_nodes.hpp"
#include "support/fake_notifier.hpp"
#include "support/fake_store.hpp"
#include "support/recorded_log.hpp"
#include "support/virtual_time.hpp"

namespace prooftrack::sim {

/// What a life of the daemon meets; all of it outlives it.
struct life_surroundings {
    virtual_clock& clock;
    virtual_clock::group group = 0;
    fake_disk& disk;
    proof_world& proof;
    observe::event_log& log;
    proof_observer& observer;
    api::event_listener& reader;
    std::function<scripted_reply(const callback::delivery_job&)> receiver;
    /// Called at each instant of an id; what it posts to the clock runs first if it says true.
    std::function<bool(moment_kind, const std::string&)> at_moment;
    std::function<void(const callback::delivery_job&)> on_attempt_answered;
    std::function<void()> on_ready;
    std::uint64_t seed = 1;
    /// One of several; its name is taken, as `boot`. nullptr = alone.
    store::fake_nodes* cluster = nullptr;
    std::string node{};
    std::string boot{};
    store::fake_node_faults* faults = nullptr;
    std::function<void()> on_start_failed{};
    const clock_source* local = nullptr; ///< the machine's own clock; nullptr = `clock`
};

/// What a crash takes away.
class daemon_life {
  public:
    daemon_life(const config::configuration& config, life_surroundings around)
        : around_(std::move(around)), registry_("sim"), counts_(registry_),
          store_(around_.disk, &around_.clock, store_options_for(), &store_watch_), node_(make_node()),
          notifier_(around_.clock, around_.group), alarm_(
                                                       around_.clock, [this] { engine_.on_alarm(); }, around_.group),
          engine_(
              config, engine::engine_dependencies{own_clock(), alarm_, store_, notifier_, around_.log, counts_},
              engine::engine_hooks{[this] { reread_token(); }, [](std::string_view) { return true; }}, "sim",
              around_.seed),
          proof_(
              around_.proof, around_.clock, around_.group, engine_.polls(), config.proof.connections, around_.observer,
              around_.at_moment) {
        notifier_.keeps_attempts = false;
        notifier_.answer_with(around_.receiver);
        notifier_.at_moments([this](attempt_moment moment, const callback::delivery_job& job) {
            if (moment == attempt_moment::answering) around_.on_attempt_answered(job);
            return around_.at_moment(
                moment == attempt_moment::started ? moment_kind::attempt_started : moment_kind::attempt_answering,
                job.transaction);
        });
        targets_ = names_of(config);
        store_watch_.changed = [this](track::store_state state) { engine_.on_store_state(state); };
        engine_.calls().set_event_listener(&around_.reader);
        engine_.attach(proof_);
        token_ = around_.proof.valid_token;
        proof_.set_token(secret(token_));
        engine_.start([this](const op_result<std::monostate>& loaded) {
            is_ready_ = loaded.has_value();
            if (is_ready_) around_.on_ready();
            if (!is_ready_ && around_.on_start_failed) around_.on_start_failed();
        });
    }

    void reread_token() {
        if (around_.proof.valid_token == token_) return;
        token_ = around_.proof.valid_token;
        proof_.set_token(secret(token_));
        engine_.on_token_changed();
    }
    /// As the program does it: everything around the engine first.
    void reload(const config::configuration& config) {
        targets_ = names_of(config);
        proof_.reconfigure({});
        reread_token();
        engine_.reconfigure(config);
    }
    void set_full(bool is_full) {
        store_.set_full(is_full);
        engine_.on_store_state(is_full ? track::store_state::full : track::store_state::ok);
    }
    bool is_target(const std::string& callback) const {
        return callback == "callback_url" || targets_.contains(callback);
    }
    engine::engine& daemon() { return engine_; }
    store::fake_store& disk_side() { return store_; }
    store::fake_node& node() { return *node_; }
    const scripted_proof& proof() const { return proof_; }
    bool is_ready() const { return is_ready_; }

  private:
    struct watch final : store::store_observer {
        std::function<void(track::store_state)> changed;
        void on_commit(steady_duration /*took*/, std::size_t /*operations*/) override {}
        void on_state(track::store_state state, const op_error& /*why*/) override { changed(state); }
        void on_failover(std::int64_t /*former*/, std::int64_t /*timeline*/) override {}
        void on_fatal(const op_error& /*error*/) override {}
        void on_export_failed(const op_error& /*error*/) override {}
    };
    static std::set<std::string> names_of(const config::configuration& config) {
        std::set<std::string> names;
        for (const config::callback_config& one : config.callbacks) names.insert(one.name);
        return names;
    }
    const clock_source& own_clock() const { return around_.local != nullptr ? *around_.local : around_.clock; }
    std::unique_ptr<store::fake_node> make_node() {
        if (around_.cluster == nullptr) return nullptr;
        return std::make_unique<store::fake_node>(store::fake_node::parts{
            *around_.cluster, store_, around_.clock, around_.group, around_.node, around_.boot, around_.seed,
            *around_.faults});
    }
    store::fake_store_options store_options_for() const {
        store::fake_store_options options;
        options.commit_time = {milliseconds(1), milliseconds(40)};
        options.answer_time = {milliseconds(0), milliseconds(5)};
        options.seed = around_.seed;
        options.owner = around_.group;
        options.on_moment = [this](store::store_moment moment, const std::string& id) {
            if (id.empty()) return false;
            if (moment == store::store_moment::handed) return around_.at_moment(moment_kind::change_handed, id);
            return around_.at_moment(
                moment == store::store_moment::committed ? moment_kind::change_committed : moment_kind::change_answered,
                id);
        };
        return options;
    }

    life_surroundings around_;
    observe::metrics registry_;
    engine::meters counts_;
    std::set<std::string> targets_; ///< the callbacks that are configured
    watch store_watch_;
    store::fake_store store_;
    std::unique_ptr<store::fake_node> node_; ///< of one of several
    fake_notifier notifier_;
    virtual_alarm alarm_;
    engine::engine engine_;
    scripted_proof proof_;
    std::string token_;
    bool is_ready_ = false;
};

} // namespace prooftrack::sim
