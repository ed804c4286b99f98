#include "net/task_group.hpp"

#include <stdexcept>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

namespace prooftrack::net {
namespace {

namespace asio = boost::asio;

asio::awaitable<void> wait_for(std::chrono::milliseconds time, int& ended) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(asio::use_awaitable);
    ++ended;
}

asio::awaitable<void> fail(std::string what) {
    asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(1));
    co_await timer.async_wait(asio::use_awaitable);
    throw std::runtime_error(what);
}

TEST(TaskGroup, CountsItsTasksAndReportsWhenTheLastOneEnded) {
    asio::io_context io(1);
    task_group group(io.get_executor());
    int ended = 0;
    int reported = 0;
    group.spawn(wait_for(std::chrono::milliseconds(1), ended));
    group.spawn(wait_for(std::chrono::milliseconds(5), ended));
    EXPECT_EQ(group.size(), 2U);
    group.on_empty([&] {
        EXPECT_EQ(ended, 2);
        ++reported;
    });
    io.run();
    EXPECT_EQ(reported, 1);
    EXPECT_TRUE(group.empty());
}

asio::awaitable<void> mark(bool& done) {
    done = true;
    co_return;
}

TEST(TaskGroup, NothingRunsFromInsideSpawnNotEvenOnTheLoopsOwnThread) {
    asio::io_context io(1);
    task_group group(io.get_executor());
    bool done = false;
    asio::post(io, [&] {
        group.spawn(mark(done));
        EXPECT_FALSE(done);
        EXPECT_EQ(group.size(), 1U);
    });
    io.run();
    EXPECT_TRUE(done);
    EXPECT_TRUE(group.empty());
}

TEST(TaskGroup, AnEmptyGroupReportsAtOnceButNotFromInside) {
    asio::io_context io(1);
    task_group group(io.get_executor());
    bool reported = false;
    group.on_empty([&] { reported = true; });
    EXPECT_FALSE(reported);
    io.run();
    EXPECT_TRUE(reported);
}

TEST(TaskGroup, CancelEndsEveryTask) {
    asio::io_context io(1);
    task_group group(io.get_executor(), [](const std::exception_ptr&) { FAIL() << "a cancelled task is no error"; });
    int ended = 0;
    bool reported = false;
    for (int i = 0; i < 3; ++i) group.spawn(wait_for(std::chrono::hours(1), ended));
    asio::steady_timer soon(io, std::chrono::milliseconds(2));
    soon.async_wait([&](const boost::system::error_code&) { group.cancel(); });
    group.on_empty([&] { reported = true; });
    io.run();
    EXPECT_EQ(ended, 0);
    EXPECT_TRUE(reported);
}

TEST(TaskGroup, ATaskSpawnedAfterCancelEndsAtItsFirstWait) {
    asio::io_context io(1);
    task_group group(io.get_executor());
    group.cancel();
    int ended = 0;
    group.spawn(wait_for(std::chrono::hours(1), ended));
    io.run();
    EXPECT_EQ(ended, 0);
    EXPECT_TRUE(group.empty());
}

TEST(TaskGroup, AnExceptionReachesTheHandlerAndTheOthersGoOn) {
    asio::io_context io(1);
    std::string caught;
    task_group group(io.get_executor(), [&](const std::exception_ptr& error) {
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& failure) {
            caught += failure.what();
        }
    });
    int ended = 0;
    group.spawn(fail("broken"));
    group.spawn(wait_for(std::chrono::milliseconds(5), ended));
    io.run();
    EXPECT_EQ(caught, "broken");
    EXPECT_EQ(ended, 1);
}

TEST(TaskGroup, AnExceptionWithoutAHandlerIsFatal) {
    const auto lose_it = [] {
        asio::io_context io(1);
        task_group group(io.get_executor());
        group.spawn(fail("lost"));
        io.run();
    };
    EXPECT_DEATH(lose_it(), "");
}

TEST(TaskGroup, DestroyingItCancelsAndCallsNobody) {
    asio::io_context io(1);
    int ended = 0;
    bool reported = false;
    {
        task_group group(io.get_executor());
        group.spawn(wait_for(std::chrono::hours(1), ended));
        group.on_empty([&] { reported = true; });
        io.poll();
    }
    io.run();
    EXPECT_EQ(ended, 0);
    EXPECT_FALSE(reported);
}

TEST(TaskGroup, TellsOneAtATime) {
    asio::io_context io(1);
    task_group group(io.get_executor());
    int ended = 0;
    group.spawn(wait_for(std::chrono::milliseconds(1), ended));
    group.on_empty([] {});
    EXPECT_THROW(group.on_empty([] {}), std::logic_error);
    io.run();
    EXPECT_EQ(ended, 1);
}

} // namespace
} // namespace prooftrack::net
