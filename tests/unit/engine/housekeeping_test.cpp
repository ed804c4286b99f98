#include "engine/housekeeping.hpp"

#include <gtest/gtest.h>

#include "support/delivery_world.hpp"

namespace prooftrack {
namespace {

using namespace std::chrono_literals;

/// Housekeeping of a daemon that has nothing to poll, with the alarm that the engine has.
class Housekeeping : public testing::Test, private poll_driver_listener {
  protected:
    Housekeeping() { world_.boot(); }
    ~Housekeeping() override { world_.crash(); }

    void start(milliseconds retention) {
        store_config config;
        config.retention = retention;
        config.consumer_retention = retention;
        polls_ = std::make_unique<poll_driver>(
            tracker_options{}, poll_driver::surroundings{world_.clock, world_.ids, *world_.memory, world_.log, counts_,
                                                         [](event_type) { return std::vector<std::string>(); }, *this});
        feed_ = std::make_unique<event_feed>(*world_.memory, world_.clock, numbers_, [this] { arm(); });
        house_ = std::make_unique<housekeeping>(housekeeping::surroundings{world_.clock, *world_.memory, world_.log,
                                                                           counts_, *polls_, *world_.driver, *feed_},
                                                [this] { arm(); });
        polls_->step(started_event{});
        house_->start(world_.clock.now(), config);
        arm();
    }

    void add_ended(int count) {
        for (int i = 0; i < count; ++i) {
            const std::string id = "t" + std::to_string(i);
            world_.track(id);
            fake_disk::transaction_row& row = world_.disk.transactions.at(id);
            row.facts.state = tracking_state::abandoned;
            row.facts.watched = false;
            row.ended_at = world_.clock.now().wall - std::chrono::hours(24 * 365);
        }
    }

    /// Proof answers, and its Date is the clock's.
    void vouch() {
        poll_answer answer;
        answer.what = reply_class::good;
        answer.server_date = world_.clock.now().wall;
        polls_->on_answer(poll_ticket{}, std::move(answer));
    }

    delivery_world world_;
    std::unique_ptr<housekeeping> house_;

  private:
    void arm() {
        if (const auto next = house_->next_wake()) wake_.arm(*next);
    }
    void on_recorded(const change_action&, recorded_transition) override {}
    void on_token_wanted() override {}
    void on_stepped() override {}

    metrics registry_{"test"};
    meters counts_{registry_};
    wait_numbers numbers_;
    std::unique_ptr<poll_driver> polls_;
    std::unique_ptr<event_feed> feed_;
    virtual_alarm wake_{world_.clock, [this] {
                            house_->on_wake(world_.clock.now());
                            arm();
                        }};
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

TEST_F(Housekeeping, ADiskThatIsNearlyFullIsToldOfOnceAndWhenItHasSpaceAgain) {
    start(std::chrono::hours(24));
    world_.run(30s);
    EXPECT_EQ(world_.log.count(log_event_id::store_nearly_full), 0U);
    for (int i = 0; i < 10; ++i) { // around the limit of 1 GiB
        world_.disk.free_bytes = (std::uint64_t{1} << 30U) - (i % 2 == 0 ? 1U : 0U);
        world_.run(31s);
    }
    const auto told = world_.log.of(log_event_id::store_nearly_full);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].at("free_bytes"), "1073741823");
    EXPECT_EQ(told[0].at("limit_bytes"), "1073741824");
    EXPECT_EQ(world_.log.count(log_event_id::store_has_space), 0U);
    world_.disk.free_bytes = std::uint64_t{2} << 30U;
    world_.run(31s);
    EXPECT_EQ(world_.log.count(log_event_id::store_has_space), 1U);
}

TEST_F(Housekeeping, AFullDiskIsProbedEveryTwoSecondsAlsoWhileIdle) {
    start(std::chrono::hours(24));
    world_.run(11s);
    world_.memory->set_full(true);
    house_->on_store_state(store_state::full);
    const std::uint64_t before = world_.memory->probes();
    world_.run(9s);
    EXPECT_GE(world_.memory->probes() - before, 4U);
}

} // namespace
} // namespace prooftrack
