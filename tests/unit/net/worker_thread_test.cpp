#include "net/worker_thread.hpp"

#include <array>
#include <future>
#include <string>

#include <gtest/gtest.h>

namespace prooftrack::net {
namespace {

bool is_blocked(int signal) {
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, nullptr, &now);
    return sigismember(&now, signal) == 1;
}

TEST(WorkerThread, HearsNoSignalAndItsStarterDoesAsBefore) {
    ASSERT_FALSE(is_blocked(SIGTERM));
    bool is_deaf = false;
    start_worker("deaf", [&is_deaf] { is_deaf = is_blocked(SIGTERM) && is_blocked(SIGHUP); }).join();
    EXPECT_TRUE(is_deaf);
    EXPECT_FALSE(is_blocked(SIGTERM));
}

TEST(WorkerThread, IsKnownByItsName) {
    std::promise<void> looked;
    std::thread worker = start_worker("by-its-name", [until = looked.get_future()] { until.wait(); });
    std::array<char, 16> name{};
    EXPECT_EQ(pthread_getname_np(worker.native_handle(), name.data(), name.size()), 0);
    looked.set_value();
    worker.join();
    EXPECT_EQ(std::string(name.data()), "by-its-name");
}

TEST(BlockedSignals, AreAsBeforeWhenSomethingIsThrown) {
    try {
        const blocked_signals blocked;
        EXPECT_TRUE(is_blocked(SIGTERM));
        throw std::string("no more threads");
    } catch (const std::string&) {
    }
    EXPECT_FALSE(is_blocked(SIGTERM));
}

} // namespace
} // namespace prooftrack::net
