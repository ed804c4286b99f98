#pragma once

// The whole engine over fakes on virtual time: one disk that outlives crashes, one life of the daemon at a time.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.hpp"
#include "sim/scripted_proof.hpp"
#include "support/fake_notifier.hpp"
#include "support/fake_store.hpp"
#include "support/recorded_log.hpp"
#include "support/virtual_time.hpp"

namespace prooftrack {

/// What a crash takes away.
class daemon_life {
  public:
    daemon_life(const configuration& config, virtual_clock& clock, virtual_clock::group group, fake_disk& disk,
                proof_world& proof, event_log& log, std::uint64_t seed,
                std::function<scripted_reply(const delivery_job&)> receiver)
        : registry_("sim"), counts_(registry_), store_(disk, &clock, store_options_for(group, seed), &store_watch_),
          notifier_(clock, group), alarm_(
                                       clock, [this] { engine_.on_alarm(); }, group),
          engine_(config, engine_doors{clock, alarm_, store_, notifier_, log, counts_},
                  engine_hooks{[this] { reread_token(); }, [](std::string_view) { return true; }}, "sim", seed),
          proof_(proof, clock, group, engine_.polls(), config.proof.connections), world_(proof) {
        notifier_.answer_with(std::move(receiver));
        store_watch_.changed = [this](store_state state) { engine_.on_store_state(state); };
        engine_.attach(proof_);
        token_ = world_.valid_token;
        proof_.set_token(secret(token_));
        engine_.start([this](const op_result<std::monostate>& loaded) { is_ready_ = loaded.has_value(); });
    }

    void reread_token() {
        if (world_.valid_token == token_) return;
        token_ = world_.valid_token;
        proof_.set_token(secret(token_));
        engine_.on_token_changed();
    }
    void set_full(bool is_full) {
        store_.set_full(is_full);
        engine_.on_store_state(is_full ? store_state::full : store_state::ok);
    }
    engine& daemon() { return engine_; }
    fake_store& disk_side() { return store_; }
    bool is_ready() const { return is_ready_; }

  private:
    struct watch final : store_observer {
        std::function<void(store_state)> changed;
        void on_commit(steady_duration /*took*/, std::size_t /*operations*/) override {}
        void on_state(store_state state, const op_error& /*why*/) override { changed(state); }
        void on_fatal(const op_error& /*error*/) override {}
    };
    static fake_store_options store_options_for(virtual_clock::group group, std::uint64_t seed) {
        fake_store_options options;
        options.commit_time = {milliseconds(1), milliseconds(40)};
        options.answer_time = {milliseconds(0), milliseconds(5)};
        options.seed = seed;
        options.owner = group;
        return options;
    }

    metrics registry_;
    meters counts_;
    watch store_watch_;
    fake_store store_;
    fake_notifier notifier_;
    virtual_alarm alarm_;
    engine engine_;
    scripted_proof proof_;
    proof_world& world_;
    std::string token_;
    bool is_ready_ = false;
};

} // namespace prooftrack
