#pragma once

// Replays over a delivery_world: they go on after each of its crashes.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/shards.hpp"
#include "engine/change_audit.hpp"
#include "engine/replay_calls.hpp"
#include "engine/replay_runner.hpp"
#include "support/delivery_world.hpp"

namespace prooftrack {

class replay_world {
  public:
    replay_world() = default;
    replay_world(const replay_world&) = delete;
    replay_world& operator=(const replay_world&) = delete;
    ~replay_world() { crash(); }

    void boot() {
        deliveries.boot();
        wake_ = std::make_unique<virtual_alarm>(
            deliveries.clock,
            [this] {
                runner->on_wake(deliveries.clock.now());
                arm();
            },
            delivery_world::process);
        runner = std::make_unique<engine::replay_runner>(
            engine::replay_runner::surroundings{
                deliveries.clock, *deliveries.memory, deliveries.log, counts, *deliveries.driver,
                [this](std::uint8_t shard) { return held.test(shard); }},
            [this] { arm(); });
        calls = std::make_unique<engine::replay_calls>(
            engine::replay_calls::parts{deliveries.clock, *deliveries.memory, *deliveries.driver, *runner, audit});
        runner->start();
    }
    void crash() {
        deliveries.clock.drop_group(delivery_world::process);
        if (deliveries.memory) deliveries.memory->crash();
        calls.reset();
        runner.reset();
        wake_.reset();
        deliveries.crash();
    }
    void restart() {
        crash();
        boot();
    }

    static api::replay_request request(
        const std::string& callback, bool only_missing = true, std::vector<std::string> types = {}) {
        api::replay_request wanted;
        wanted.query.callback = callback;
        wanted.query.only_missing = only_missing;
        wanted.query.types = std::move(types);
        return wanted;
    }
    /// Its answer, once it has come.
    std::shared_ptr<std::optional<api::outcome<track::replay_view>>> begin(api::replay_request wanted) {
        auto answer = std::make_shared<std::optional<api::outcome<track::replay_view>>>();
        calls->begin_replay(
            std::move(wanted), {1000, 77}, [answer](api::outcome<track::replay_view> given) { *answer = given; });
        return answer;
    }
    std::shared_ptr<std::optional<api::outcome<track::replay_view>>> cancel(replay_id id) {
        auto answer = std::make_shared<std::optional<api::outcome<track::replay_view>>>();
        calls->cancel_replay(id, {1000, 77}, [answer](api::outcome<track::replay_view> given) { *answer = given; });
        return answer;
    }
    track::replay_view replay(std::uint64_t id) const { return fake_replay(deliveries.disk, replay_id{id}); }

    delivery_world deliveries;
    shard_set held = all_shards();
    observe::metrics registry{"test"};
    engine::meters counts{registry};
    engine::change_audit audit{deliveries.log};
    std::unique_ptr<engine::replay_runner> runner;
    std::unique_ptr<engine::replay_calls> calls;

  private:
    void arm() {
        const auto next = runner ? runner->next_wake() : std::nullopt;
        if (next) {
            wake_->arm(*next);
        } else {
            wake_->disarm();
        }
    }

    std::unique_ptr<virtual_alarm> wake_;
};

inline delivery_world& deliveries_of(replay_world& world) { return world.deliveries; }

} // namespace prooftrack
