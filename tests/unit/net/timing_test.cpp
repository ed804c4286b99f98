#include <vector>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gtest/gtest.h>

#include "net/deadline.hpp"
#include "net/error.hpp"
#include "net/steady_alarm.hpp"

namespace prooftrack::net {
namespace {

namespace asio = boost::asio;

TEST(Deadline, CancelsTheStageWhenItsTimeIsOver) {
    asio::io_context io(1);
    asio::steady_timer stage(io, std::chrono::hours(1));
    deadline limit(io.get_executor());
    error_code seen;
    stage.async_wait([&](error_code error) { seen = error; });
    limit.start(milliseconds(1), [&] { stage.cancel(); });
    io.run();
    EXPECT_TRUE(limit.expired());
    EXPECT_EQ(seen, asio::error::operation_aborted);
    EXPECT_EQ(limit.translate(seen), net_error::timed_out);
}

TEST(Deadline, AFinishedStageIsLeftAlone) {
    asio::io_context io(1);
    bool cancelled = false;
    deadline limit(io.get_executor());
    limit.start(milliseconds(0), [&] { cancelled = true; });
    limit.finish();
    io.run();
    EXPECT_FALSE(cancelled);
    EXPECT_FALSE(limit.expired());
    EXPECT_EQ(limit.translate(asio::error::eof), asio::error::eof);
}

TEST(Deadline, FinishWinsOverAnExpiryThatIsAlreadyQueued) {
    asio::io_context io(1);
    bool cancelled = false;
    deadline limit(io.get_executor());
    asio::steady_timer first(io);
    const auto when = std::chrono::steady_clock::now() - seconds(1);
    first.expires_at(when);
    first.async_wait([&](error_code) { limit.finish(); });
    limit.start_until(when + milliseconds(1), [&] { cancelled = true; });
    io.run();
    EXPECT_FALSE(cancelled);
}

TEST(Deadline, ANewStageReplacesTheOld) {
    asio::io_context io(1);
    std::vector<int> fired;
    deadline limit(io.get_executor());
    limit.start(milliseconds(1), [&] { fired.push_back(1); });
    limit.start(milliseconds(2), [&] { fired.push_back(2); });
    io.run();
    EXPECT_EQ(fired, std::vector<int>{2});
}

TEST(Deadline, MayBeDestroyedWithItsTimerQueued) {
    asio::io_context io(1);
    auto limit = std::make_unique<deadline>(io.get_executor());
    limit->start(milliseconds(0), [] { FAIL(); });
    limit.reset();
    io.run();
}

TEST(SteadyAlarm, RingsOnceForEachArm) {
    asio::io_context io(1);
    int rung = 0;
    steady_alarm bell(io.get_executor(), [&] { ++rung; });
    bell.arm(std::chrono::steady_clock::now() + milliseconds(1));
    io.run();
    EXPECT_EQ(rung, 1);
    io.restart();
    const auto again = std::chrono::steady_clock::now();
    bell.arm(again);
    bell.arm(again);
    io.run();
    EXPECT_EQ(rung, 2);
}

TEST(SteadyAlarm, ArmingAgainReplacesAndDisarmingSilences) {
    asio::io_context io(1);
    int rung = 0;
    steady_alarm bell(io.get_executor(), [&] { ++rung; });
    const auto begun = std::chrono::steady_clock::now();
    bell.arm(begun + std::chrono::hours(1));
    bell.arm(begun + milliseconds(1));
    io.run();
    EXPECT_EQ(rung, 1);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::minutes(1));
    io.restart();
    bell.arm(begun);
    bell.disarm();
    io.run();
    EXPECT_EQ(rung, 1);
}

TEST(SteadyAlarm, MayArmItselfFromItsHandler) {
    asio::io_context io(1);
    int rung = 0;
    std::optional<steady_alarm> bell;
    bell.emplace(io.get_executor(), [&] {
        if (++rung < 3) bell->arm(std::chrono::steady_clock::now());
    });
    bell->arm(std::chrono::steady_clock::now());
    io.run();
    EXPECT_EQ(rung, 3);
}

TEST(SteadyAlarm, MayBeDestroyedWithItsTimerQueuedAndFromItsHandler) {
    asio::io_context io(1);
    auto queued = std::make_unique<steady_alarm>(io.get_executor(), [] { FAIL(); });
    queued->arm(std::chrono::steady_clock::now());
    queued.reset();
    int rung = 0;
    std::unique_ptr<steady_alarm> own;
    own = std::make_unique<steady_alarm>(io.get_executor(), [&own, &rung, kept = std::string(100, 'k')] {
        own.reset();
        rung += static_cast<int>(kept.size());
    });
    own->arm(std::chrono::steady_clock::now());
    io.run();
    EXPECT_EQ(rung, 100);
    EXPECT_EQ(own, nullptr);
}

TEST(SystemClock, ReadsThreeClocks) {
    const system_clock_source clock;
    const instant first = clock.now();
    const steady_duration booted = clock.since_boot();
    EXPECT_GT(booted, steady_duration::zero());
    EXPECT_GT(first.wall, wall_time(std::chrono::sys_days(std::chrono::year(2024) / 1 / 1)));
    EXPECT_GE(clock.now().steady, first.steady);
    EXPECT_GE(clock.since_boot(), booted);
}

} // namespace
} // namespace prooftrack::net
