// A poll that is due is made, whatever the clock does while the engine works.

#include <algorithm>
#include <map>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/engine.hpp"
#include "support/fake_notifier.hpp"
#include "support/fake_store.hpp"
#include "support/recorded_log.hpp"
#include "support/virtual_time.hpp"

namespace prooftrack::sim {
namespace {

using namespace std::chrono_literals;

/// Two microseconds pass with each look at it, as if the work between two looks took them.
class creeping_clock final : public clock_source {
  public:
    explicit creeping_clock(const virtual_clock& base) : base_(base) {}

    instant now() const override {
        instant shown = base_.now();
        last_ = std::max(last_ + 2us, shown.steady);
        shown.steady = last_;
        return shown;
    }
    steady_duration since_boot() const override { return base_.since_boot(); }

  private:
    const virtual_clock& base_;
    mutable steady_time last_{};
};

/// Answers every poll after the same time, and remembers the longest gap between two polls of one id.
class steady_proof final : public proof::proof_client {
  public:
    steady_proof(virtual_clock& clock, proof::poll_source& source, steady_duration took)
        : clock_(clock), source_(source), took_(took) {}

    void wake(std::size_t) override {
        if (std::exchange(is_woken_, true)) return;
        clock_.post([this] { pull(); });
    }
    void call(
        proof::proof_call /*request*/, unique_function<void(op_result<proof::proof_reply>)> /*handler*/) override {}
    std::size_t most_at_once() const override { return 64; }
    void retire_connections() override {}
    void reconfigure(std::shared_ptr<const proof::proof_setup> /*setup*/) noexcept override {}
    void stop(milliseconds /*within*/, unique_function<void()> stopped) override { stopped(); }

    steady_duration longest_gap() const { return longest_gap_; }
    std::uint64_t polls() const { return polls_; }

  private:
    void pull() {
        is_woken_ = false;
        while (auto ticket = source_.next_poll()) {
            ++polls_;
            const steady_time now = clock_.now().steady;
            if (const auto last = last_start_.find(ticket->id); last != last_start_.end())
                longest_gap_ = std::max(longest_gap_, now - last->second);
            last_start_[ticket->id] = now;
            clock_.after(took_, [this, asked = *std::move(ticket)]() mutable {
                track::poll_answer unchanged;
                unchanged.what = track::reply_class::unchanged;
                unchanged.took = took_;
                source_.on_answer(std::move(asked), std::move(unchanged));
            });
        }
    }

    virtual_clock& clock_;
    proof::poll_source& source_;
    steady_duration took_;
    bool is_woken_ = false;
    std::map<std::string, steady_time> last_start_;
    steady_duration longest_gap_{};
    std::uint64_t polls_ = 0;
};

struct load {
    int transactions = 0;
    steady_duration took{};
};

class DuePolls : public testing::TestWithParam<load> {};

TEST_P(DuePolls, AreMadeWithinTheirBandAndNotAtTheNextTick) {
    virtual_clock time;
    const creeping_clock clock(time);
    fake_disk disk;
    for (int i = 0; i < GetParam().transactions; ++i) {
        disk.add_one(
            {*transaction_id::parse(fmt::format("id-{}", i)),
             "{}",
             std::nullopt,
             "",
             time.now().wall,
             std::chrono::hours(24),
             {}});
    }
    store::fake_store memory(disk, &time);
    fake_notifier notifier(time);
    recorded_log log;
    observe::metrics registry("sim");
    engine::meters counts(registry);
    config::configuration config;
    engine::engine* ringing = nullptr;
    virtual_alarm alarm(time, [&] { ringing->on_alarm(); });
    engine::engine daemon(
        config, engine::engine_dependencies{clock, alarm, memory, notifier, log, counts},
        engine::engine_hooks{[] {}, [](std::string_view) { return true; }}, "sim", 1);
    ringing = &daemon;
    steady_proof proof(time, daemon.polls(), GetParam().took);
    daemon.attach(proof);
    bool is_ready = false;
    daemon.start([&](const op_result<std::monostate>& loaded) { is_ready = loaded.has_value(); });
    time.run_for(5min);
    ASSERT_TRUE(is_ready);
    EXPECT_GT(proof.polls(), 30U * static_cast<unsigned>(GetParam().transactions));
    EXPECT_LE(proof.longest_gap(), 10s);
}

INSTANTIATE_TEST_SUITE_P(Sim, DuePolls, testing::Values(load{2'000, 3ms}, load{200, 3ms}, load{3, 4s}, load{2, 4s}));

} // namespace
} // namespace prooftrack::sim
