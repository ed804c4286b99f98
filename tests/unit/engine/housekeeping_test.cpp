#include "engine/housekeeping.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "observe/process_numbers.hpp"
#include "support/delivery_world.hpp"

namespace prooftrack::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool has_own_allocator = true;
#elif defined(__has_feature)
constexpr bool has_own_allocator = __has_feature(address_sanitizer);
#else
constexpr bool has_own_allocator = false;
#endif

/// Housekeeping of a daemon that has nothing to poll, with the alarm that the engine has.
class Housekeeping : public testing::Test, private poll_driver_listener {
  protected:
    Housekeeping() { world_.boot(); }
    ~Housekeeping() override { world_.crash(); }

    void start(milliseconds retention) {
        config::store_config config;
        config.retention = retention;
        config.consumer_retention = retention;
        polls_ = std::make_unique<poll_driver>(
            track::tracker_options{}, poll_driver::surroundings{
                                          world_.clock, world_.ids, *world_.memory, world_.log, counts_,
                                          [](track::event_type) { return std::vector<std::string>(); }, *this});
        feed_ = std::make_unique<event_feed>(*world_.memory, world_.clock, numbers_, [this] { arm(); });
        house_ = std::make_unique<housekeeping>(
            housekeeping::surroundings{
                world_.clock, *world_.memory, world_.log, counts_, *polls_, *world_.driver, *feed_},
            [this] {
                ++wakes_changed_;
                arm();
            });
        polls_->step(track::started_event{});
        start_ = world_.clock.now().steady;
        house_->start(world_.clock.now(), config);
        arm();
    }
    void run_to(steady_duration end) { world_.clock.run_until(start_ + end); }

    /// When lines of that event are written from now on, since the start.
    std::shared_ptr<std::vector<milliseconds>> times_of(observe::log_event_id event) {
        auto times = std::make_shared<std::vector<milliseconds>>();
        world_.log.on_line = [this, times, event](const recorded_log::line& line) {
            if (line.event != event) return;
            times->push_back(std::chrono::duration_cast<milliseconds>(world_.clock.now().steady - start_));
        };
        return times;
    }
    void load(std::size_t count) {
        std::vector<track::active_transaction> rows;
        for (std::size_t i = 0; i < count; ++i) {
            track::tracking_facts facts;
            facts.tracked_at = world_.clock.now().wall;
            facts.overdue_at = facts.tracked_at + 24h;
            rows.push_back({*transaction_id::parse("m" + std::to_string(i)), facts, row_revision{1}});
        }
        polls_->step(track::loaded_event{std::move(rows)});
    }
    bool wake() { return house_->on_wake(world_.clock.now()); }
    milliseconds next_wake() const { return std::chrono::duration_cast<milliseconds>(*house_->next_wake() - start_); }

    void add_ended(int count) {
        for (int i = 0; i < count; ++i) {
            const std::string id = "t" + std::to_string(i);
            world_.track(id);
            fake_disk::transaction_row& row = world_.disk.transactions.at(id);
            row.facts.state = track::tracking_state::abandoned;
            row.facts.watched = false;
            row.ended_at = world_.clock.now().wall - std::chrono::hours(24 * 365);
        }
    }

    /// Proof answers, and its Date is the clock's.
    void vouch() {
        track::poll_answer answer;
        answer.what = track::reply_class::good;
        answer.server_date = world_.clock.now().wall;
        polls_->on_answer(track::poll_ticket{}, std::move(answer));
    }

    delivery_world world_;
    observe::metrics registry_{"test"};
    meters counts_{registry_};
    wait_numbers numbers_;
    std::unique_ptr<poll_driver> polls_;
    std::unique_ptr<event_feed> feed_;
    std::unique_ptr<housekeeping> house_;
    steady_time start_{};
    int wakes_changed_ = 0;
    virtual_alarm wake_{world_.clock, [this] {
                            house_->on_wake(world_.clock.now());
                            arm();
                        }};

  private:
    void arm() {
        if (const auto next = house_->next_wake()) wake_.arm(*next);
    }
    void on_recorded(const track::change_action&, store::recorded_transition) override {}
    void on_token_wanted() override {}
    void on_stepped() override {}
};

TEST_F(Housekeeping, PruningWhileIdleGoesOnAtOnceUntilNothingIsLeft) {
    add_ended(2'600); // five batches and a rest
    start(std::chrono::hours(24));
    world_.run(24h);
    ASSERT_EQ(world_.disk.transactions.size(), 2'600U) << "nothing vouches for the clock yet";
    vouch();
    world_.run(72s); // the tick that begins it, and five steps of 50 ms
    EXPECT_EQ(world_.disk.transactions.size(), 0U);
}

TEST_F(Housekeeping, OfSeveralDaemonsTheOneWithTheFirstShardPrunes) {
    add_ended(3);
    start(std::chrono::hours(24));
    polls_->hold_nothing();
    shard_set others = all_shards();
    others.reset(0);
    polls_->hold(others);
    world_.run(24h);
    vouch();
    world_.run(5min);
    EXPECT_EQ(world_.disk.transactions.size(), 3U);
    shard_set first;
    first.set(0);
    polls_->hold(first);
    world_.run(11s); // the next tick
    EXPECT_EQ(world_.disk.transactions.size(), 0U);
}

TEST_F(Housekeeping, ADiskThatIsNearlyFullIsReportedOnceAndWhenItHasSpaceAgain) {
    start(std::chrono::hours(24));
    world_.run(30s);
    EXPECT_EQ(world_.log.count(observe::log_event_id::store_nearly_full), 0U);
    for (int i = 0; i < 10; ++i) { // around the limit of 1 GiB
        world_.disk.free_bytes = (std::uint64_t{1} << 30U) - (i % 2 == 0 ? 1U : 0U);
        world_.run(31s);
    }
    const auto reported = world_.log.of(observe::log_event_id::store_nearly_full);
    ASSERT_EQ(reported.size(), 1U);
    EXPECT_EQ(reported[0].at("free_bytes"), "1073741823");
    EXPECT_EQ(reported[0].at("limit_bytes"), "1073741824");
    EXPECT_EQ(world_.log.count(observe::log_event_id::store_has_space), 0U);
    world_.disk.free_bytes = std::uint64_t{2} << 30U;
    world_.run(31s);
    EXPECT_EQ(world_.log.count(observe::log_event_id::store_has_space), 1U);
}

TEST_F(Housekeeping, AFullDiskIsProbedEveryTwoSecondsAlsoWhileIdle) {
    start(std::chrono::hours(24));
    world_.run(11s);
    world_.memory->set_full(true);
    house_->on_store_state(track::store_state::full);
    const std::uint64_t before = world_.memory->probes();
    world_.run(9s);
    EXPECT_GE(world_.memory->probes() - before, 4U);
}

TEST_F(Housekeeping, TicksEachSecondWhileSomethingIsPendingAndEveryTenSecondsOtherwise) {
    start(std::chrono::hours(24));
    EXPECT_EQ(next_wake(), 1'000ms);
    run_to(1s);
    EXPECT_EQ(next_wake(), 11'000ms);
    EXPECT_FALSE(wake()) << "an alarm that comes too early does nothing";
    EXPECT_EQ(next_wake(), 11'000ms);
    load(1);
    run_to(11s);
    EXPECT_EQ(next_wake(), 12'000ms);
    run_to(12s);
    EXPECT_EQ(next_wake(), 13'000ms);
}

TEST_F(Housekeeping, BeforeItsStartItDoesNothing) {
    start(std::chrono::hours(24));
    housekeeping idle({world_.clock, *world_.memory, world_.log, counts_, *polls_, *world_.driver, *feed_}, [this] {
        ++wakes_changed_;
    });
    EXPECT_EQ(idle.next_wake(), std::nullopt);
    EXPECT_FALSE(idle.on_wake(world_.clock.now()));
    idle.on_store_state(track::store_state::full);
    EXPECT_EQ(idle.next_wake(), std::nullopt);
    EXPECT_EQ(wakes_changed_, 0);
}

TEST_F(Housekeeping, ReportsAClockThatWasSetAndAMachineThatSlept) {
    start(std::chrono::hours(24));
    run_to(10s);
    world_.clock.jump_wall(2'000ms);
    run_to(12s);
    EXPECT_EQ(world_.log.count(observe::log_event_id::daemon_clock_jump), 0U) << "2 s are tolerated";
    world_.clock.jump_wall(-3h);
    world_.clock.run_until(*house_->next_wake() - 1ns);
    EXPECT_FALSE(wake()) << "not its time";
    run_to(21s);
    world_.clock.suspend(1h);
    world_.clock.run_until(*house_->next_wake());
    const auto reported = world_.log.of(observe::log_event_id::daemon_clock_jump);
    ASSERT_EQ(reported.size(), 2U);
    EXPECT_EQ(reported[0].at("jump_ms"), "-10800000");
    EXPECT_EQ(reported[0].at("kind"), "the wall clock was set");
    EXPECT_EQ(reported[1].at("jump_ms"), "3600000");
    EXPECT_EQ(reported[1].at("kind"), "the machine slept");
}

TEST_F(Housekeeping, SaysToItsCallerWhetherAClockHasJumped) {
    start(std::chrono::hours(24));
    wake_.disarm();
    world_.clock.run_for(1s);
    EXPECT_FALSE(wake());
    world_.clock.jump_wall(1h);
    world_.clock.run_for(10s);
    EXPECT_TRUE(wake());
    world_.clock.run_for(10s);
    EXPECT_FALSE(wake()) << "once";
}

TEST_F(Housekeeping, TheHeartbeatComesEachMinuteWithItsCounts) {
    world_.callback("shop").max_in_flight = 4;
    world_.reload();
    world_.receiver = [](const callback::delivery_job&) { return reply_failed(); };
    start(std::chrono::hours(24));
    const auto times = times_of(observe::log_event_id::daemon_heartbeat);
    world_.emit("a");
    world_.emit("b");
    world_.run(500ms);
    world_.disk.rows.at(2).view.state = track::delivery_state::dead;
    world_.disk.consumers["ledger"] = {event_seq{1}};
    world_.disk.consumers["mail"] = {event_seq{2}};
    run_to(10s);
    load(3);
    run_to(181s);
    // A tick each second behind 11 s; the status and the consumers take 2 ms each.
    EXPECT_THAT(*times, ElementsAre(60'004ms, 120'004ms, 180'004ms));
    const auto beat = world_.log.of(observe::log_event_id::daemon_heartbeat).at(0);
    EXPECT_EQ(beat.at("pending"), "3");
    EXPECT_EQ(beat.at("backlog"), "1");
    EXPECT_EQ(beat.at("dead"), "1");
    EXPECT_EQ(beat.at("oldest_undelivered_seconds"), "60");
    EXPECT_EQ(beat.at("consumers"), "2");
    EXPECT_EQ(beat.at("consumer_lag"), "1");
    EXPECT_EQ(beat.at("consumer_age_seconds"), "60");
    EXPECT_EQ(beat.at("proof"), "ok");
    EXPECT_EQ(beat.at("store"), "ok");
    EXPECT_EQ(beat.at("due_lag_ms"), "0");
    EXPECT_EQ(beat.at("db_bytes"), std::to_string(world_.disk.status().db_bytes));
    EXPECT_EQ(beat.at("free_bytes"), std::to_string(world_.disk.free_bytes));
}

TEST_F(Housekeeping, ALaneWithNothingButDeadOnesHasNoOldest) {
    world_.callback("shop");
    world_.reload();
    start(std::chrono::hours(24));
    world_.emit("a");
    world_.run(500ms);
    world_.disk.rows.at(1).view.state = track::delivery_state::dead;
    run_to(62s);
    const auto beat = world_.log.of(observe::log_event_id::daemon_heartbeat).at(0);
    EXPECT_EQ(beat.at("dead"), "1");
    EXPECT_EQ(beat.at("backlog"), "0");
    EXPECT_EQ(beat.at("oldest_undelivered_seconds"), "0");
}

TEST_F(Housekeeping, TheHeartbeatOfAFullDiskSaysSo) {
    start(std::chrono::hours(24));
    world_.memory->set_full(true); // its probes find no space
    house_->on_store_state(track::store_state::full);
    run_to(62s);
    EXPECT_EQ(world_.log.of(observe::log_event_id::daemon_heartbeat).at(0).at("store"), "full");
}

TEST_F(Housekeeping, AHeartbeatThatCannotBeReadIsLeftOutAndTheNextOneComes) {
    start(std::chrono::hours(24));
    const auto times = times_of(observe::log_event_id::daemon_heartbeat);
    run_to(61s - 1ms);
    world_.memory->fail_operation(1, store::store_error::failed); // the status
    run_to(121s - 1ms);
    EXPECT_THAT(*times, IsEmpty());
    world_.memory->fail_operation(3, store::store_error::failed); // status, its measure of the disk, consumers
    run_to(181s - 1ms);
    EXPECT_THAT(*times, IsEmpty());
    run_to(182s);
    EXPECT_THAT(*times, ElementsAre(181'004ms));
}

TEST_F(Housekeeping, PublishSetsTheGauges) {
    start(std::chrono::hours(24));
    world_.track("a");
    const fake_disk::transaction_row& row = world_.disk.transactions.at("a");
    polls_->step(track::tracked_event{{*transaction_id::parse("a"), row.facts, row.revision}, false});
    world_.clock.run_for(30s);
    store::store_status status = world_.disk.status();
    status.wal_bytes = 77;
    status.transactions = {{{track::tracking_state::tracking, track::status_kind::pending}, 4}};
    house_->publish(status, {{"ledger", event_seq{1}, 3, world_.clock.now().wall - 5s}}, world_.clock.now());
    EXPECT_EQ(registry_.consumer_lag("ledger").Value(), 3);
    EXPECT_EQ(registry_.consumer_age("ledger").Value(), 5);
    EXPECT_EQ(registry_.store_bytes("wal").Value(), 77);
    EXPECT_EQ(registry_.transactions("tracking", "pending").Value(), 4);
    EXPECT_EQ(registry_.oldest_due().Value(), 30) << "nobody pulls it";
    status.transactions.clear();
    house_->publish(status, {}, world_.clock.now());
    EXPECT_EQ(registry_.transactions("tracking", "pending").Value(), 0);
}

TEST_F(Housekeeping, APruneIsReportedAndTheFeedForgetsWhatIsGone) {
    world_.emit("old");
    world_.run(10ms);
    auto& row = world_.disk.transactions.at("old");
    row.facts.watched = false;
    row.ended_at = world_.clock.now().wall;
    start(48h);
    feed_->restore(world_.disk.status());
    vouch();
    const auto times = times_of(observe::log_event_id::store_pruned);
    run_to(48h);
    EXPECT_THAT(*times, IsEmpty()) << "not older than the retention";
    run_to(48h + 2min);
    const auto reported = world_.log.of(observe::log_event_id::store_pruned);
    ASSERT_EQ(reported.size(), 1U);
    EXPECT_EQ(reported[0].at("transactions"), "1");
    EXPECT_EQ(reported[0].at("events"), "1");
    EXPECT_EQ(feed_->first_seq(), event_seq{2});
}

TEST_F(Housekeeping, WhereTheLogBeginsAfterAPruneIsLeftAsItWasWhenItCannotBeRead) {
    world_.emit("old");
    world_.run(10ms);
    auto& row = world_.disk.transactions.at("old");
    row.facts.watched = false;
    row.ended_at = world_.clock.now().wall - 48h;
    world_.disk.events.at(1).timestamp -= 48h;
    start(24h);
    feed_->restore(world_.disk.status());
    vouch();
    run_to(60s);
    // The tick at 61 s: two reads of the status, and the prune; then the consumers and the status behind the prune.
    world_.memory->fail_operation(5, store::store_error::failed);
    run_to(62s);
    EXPECT_EQ(world_.log.count(observe::log_event_id::store_pruned), 1U);
    EXPECT_EQ(world_.log.count(observe::log_event_id::daemon_heartbeat), 1U);
    EXPECT_EQ(feed_->first_seq(), event_seq{1}) << "the store itself refuses what it no longer has";
}

TEST_F(Housekeeping, AConsumerThatIsOvertakenIsReported) {
    world_.emit("old");
    world_.run(10ms);
    auto& row = world_.disk.transactions.at("old");
    row.facts.watched = false;
    row.ended_at = world_.clock.now().wall;
    world_.disk.consumers["ledger"] = {event_seq{0}};
    start(24h); // and as long again for consumers
    vouch();
    run_to(47h);
    EXPECT_EQ(world_.disk.transactions.size(), 0U);
    EXPECT_EQ(world_.disk.events.size(), 1U);
    EXPECT_EQ(world_.log.count(observe::log_event_id::consumer_overtaken), 0U);
    run_to(49h);
    EXPECT_EQ(world_.disk.events.size(), 0U);
    const auto reported = world_.log.of(observe::log_event_id::consumer_overtaken);
    ASSERT_EQ(reported.size(), 1U);
    EXPECT_EQ(reported[0].at("consumer"), "ledger");
}

TEST_F(Housekeeping, WithoutARetentionNothingIsPruned) {
    add_ended(3);
    start(0ms);
    vouch();
    run_to(2h);
    EXPECT_EQ(world_.disk.transactions.size(), 3U);
    config::store_config config;
    config.retention = 24h;
    config.consumer_retention = 24h;
    house_->reconfigure(config);
    run_to(2h + 11s);
    EXPECT_EQ(world_.disk.transactions.size(), 0U) << "a reload holds from the next tick";
}

TEST_F(Housekeeping, APruneThatTheStoreRefusesIsTriedAgainAMinuteLater) {
    add_ended(3);
    start(24h);
    vouch();
    world_.memory->set_full(true);
    run_to(62s);
    world_.memory->set_full(false);
    run_to(120s);
    EXPECT_EQ(world_.disk.transactions.size(), 3U);
    EXPECT_EQ(world_.log.count(observe::log_event_id::store_pruned), 0U);
    run_to(132s);
    EXPECT_EQ(world_.disk.transactions.size(), 0U);
}

TEST_F(Housekeeping, OnePruneAtATime) {
    add_ended(600); // two batches
    start(24h);
    vouch();
    run_to(60s);
    world_.memory->delay_answers(3min);
    run_to(4min);
    EXPECT_EQ(world_.disk.transactions.size(), 100U) << "the first one is not answered yet";
    run_to(5min);
    EXPECT_EQ(world_.disk.transactions.size(), 0U);
}

TEST_F(Housekeeping, AProbeIsNotRepeatedWhileItIsUnansweredNorWhenThereIsSpaceAgain) {
    start(24h);
    run_to(20s);
    world_.memory->set_full(true);
    const int before = wakes_changed_;
    house_->on_store_state(track::store_state::full);
    EXPECT_EQ(wakes_changed_, before) << "the tick at 21 s comes first";
    run_to(21'500ms);
    EXPECT_EQ(world_.memory->probes(), 1U);
    EXPECT_EQ(next_wake(), 23'000ms);
    world_.memory->delay_answers(20s);
    run_to(35s);
    EXPECT_EQ(world_.memory->probes(), 2U);
    run_to(45s);
    EXPECT_GE(world_.memory->probes(), 3U);
    house_->on_store_state(track::store_state::ok);
    const std::uint64_t probes = world_.memory->probes();
    run_to(2min);
    EXPECT_EQ(world_.memory->probes(), probes);
}

TEST_F(Housekeeping, AFullDiskIsProbedAtEverySecondTickOfABusyDaemon) {
    start(24h);
    load(1);
    run_to(12s);
    world_.memory->set_full(true);
    house_->on_store_state(track::store_state::full);
    run_to(22s);
    EXPECT_EQ(world_.memory->probes(), 5U) << "at 13, 15, 17, 19 and 21 s";
}

TEST_F(Housekeeping, ADiskThatTurnsFullWhileIdleMovesTheNextTick) {
    start(24h);
    run_to(12s);
    house_->on_store_state(track::store_state::full);
    EXPECT_EQ(next_wake(), 14'000ms);
    EXPECT_EQ(wakes_changed_, 1);
}

TEST_F(Housekeeping, AStatusThatCannotBeReadSaysNothingOfTheDisk) {
    start(24h);
    world_.disk.free_bytes = 1;
    world_.memory->set_failed();
    run_to(5min);
    EXPECT_THAT(world_.log.lines(), IsEmpty());
}

TEST_F(Housekeeping, FreeMemoryGoesBackToTheKernelWhenAnImportIsOver) {
    if (has_own_allocator) GTEST_SKIP() << "the sanitizer's allocator gives nothing back";
    start(24h);
    run_to(12s);
    load(60'000);
    std::vector<std::unique_ptr<char[]>> blocks;
    for (int i = 0; i < 64'000; ++i) {
        blocks.push_back(std::make_unique<char[]>(1'000)); // zeroed, so that it is in memory
    }
    blocks.erase(blocks.begin(), blocks.end() - 1); // the last one keeps the heap's end where it is
    const std::uint64_t before = observe::read_process_numbers().resident_bytes;
    run_to(21s + 1ms);
    EXPECT_GT(observe::read_process_numbers().resident_bytes + (16U << 20U), before) << "it has only just grown";
    run_to(23s);
    EXPECT_LT(observe::read_process_numbers().resident_bytes + (32U << 20U), before);
}

} // namespace
} // namespace prooftrack::engine
