#include "observe/service_notify.hpp"

#include <array>
#include <cstdlib>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace prooftrack::observe {
namespace {

using testing::HasSubstr;

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    return address;
}

class ServiceNotify : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "notifyXXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
        path_ = folder_ + "/socket";
        socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        const sockaddr_un address = address_of(path_);
        ASSERT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
        ::setenv("NOTIFY_SOCKET", path_.c_str(), 1);
    }
    void TearDown() override {
        for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
        ::close(socket_);
        ::unlink(path_.c_str());
        ::rmdir(folder_.c_str());
    }
    std::string message() const {
        std::array<char, 4'096> bytes{};
        const ssize_t count = ::recv(socket_, bytes.data(), bytes.size(), 0);
        return count < 0 ? "none" : std::string(bytes.data(), static_cast<std::size_t>(count));
    }

    std::string folder_;
    std::string path_;
    int socket_ = -1;
};

TEST_F(ServiceNotify, SaysWhatTheManagerUnderstands) {
    const service_notify notify;
    EXPECT_TRUE(notify.is_supervised());
    notify.ready("12 pending");
    EXPECT_EQ(message(), "READY=1\nSTATUS=12 pending");
    notify.status("13 pending\nREADY=1");
    EXPECT_EQ(message(), "STATUS=13 pending READY=1") << "a newline would begin another field";
    notify.reloading();
    const std::string reloading = message();
    EXPECT_THAT(reloading, testing::StartsWith("RELOADING=1\nMONOTONIC_USEC="));
    EXPECT_GT(std::stoll(reloading.substr(std::string("RELOADING=1\nMONOTONIC_USEC=").size())), 0);
    notify.stopping();
    EXPECT_THAT(message(), testing::StartsWith("STOPPING=1"));
    notify.ping();
    EXPECT_EQ(message(), "WATCHDOG=1");
    notify.extend_timeout(std::chrono::seconds(30));
    EXPECT_EQ(message(), "EXTEND_TIMEOUT_USEC=30000000");
    EXPECT_EQ(message(), "none");
}

TEST_F(ServiceNotify, TheWatchdogIsPingedAtHalfItsPatience) {
    EXPECT_FALSE(service_notify().watchdog_interval());
    ::setenv("WATCHDOG_USEC", "30000000", 1);
    EXPECT_EQ(service_notify().watchdog_interval(), std::chrono::seconds(15));
    ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
    EXPECT_EQ(service_notify().watchdog_interval(), std::chrono::seconds(15));
    ::setenv("WATCHDOG_PID", "1", 1);
    EXPECT_FALSE(service_notify().watchdog_interval()) << "meant for another process";
}

TEST_F(ServiceNotify, DoesNothingWithoutSystemd) {
    ::unsetenv("NOTIFY_SOCKET");
    const service_notify notify;
    EXPECT_FALSE(notify.is_supervised());
    notify.ready("x");
    notify.ping();
    EXPECT_EQ(message(), "none");
}

TEST(ChooseApiSocket, TheOneCalledApiOrTheOnlyOne) {
    EXPECT_EQ(choose_api_socket({}).value(), std::nullopt);
    EXPECT_EQ(choose_api_socket({"whatever"}).value(), 0U);
    EXPECT_EQ(choose_api_socket({"api"}).value(), 0U);
    EXPECT_EQ(choose_api_socket({"metrics", "api"}).value(), 1U);
    EXPECT_THAT(choose_api_socket({"a", "b"}).error().message(), HasSubstr("FileDescriptorName=api"));
    EXPECT_THAT(choose_api_socket({"api", "api"}).error().message(), HasSubstr("two sockets"));
}

/// Passes `fd` as systemd does (number 3) to a child that calls `passed_api_socket`; its exit status is what `judge`
/// says.
template <class Judge>
int exit_of_child_with(int fd, Judge judge) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (::dup2(fd, 3) != 3) ::_exit(99);
        ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
        ::setenv("LISTEN_FDS", "1", 1);
        ::setenv("LISTEN_FDNAMES", "api", 1);
        ::_exit(judge(passed_api_socket()));
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(ServiceNotify, TakesAPassedListeningSocket) {
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const std::string path = folder_ + "/api";
    const sockaddr_un address = address_of(path);
    ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    const auto is_refused = [](const op_result<std::optional<int>>& taken) { return taken.has_error() ? 7 : 8; };
    EXPECT_EQ(exit_of_child_with(listener, is_refused), 7) << "not listening yet";
    ASSERT_EQ(::listen(listener, 5), 0);
    EXPECT_EQ(
        exit_of_child_with(
            listener,
            [](const op_result<std::optional<int>>& taken) {
                const bool is_third = taken && *taken && **taken == 3;
                return is_third && std::getenv("LISTEN_FDS") == nullptr ? 0 : 1;
            }),
        0);
    EXPECT_EQ(exit_of_child_with(socket_, is_refused), 7) << "a datagram socket is no API socket";
    ::close(listener);
    ::unlink(path.c_str());
}

TEST(PassedApiSocket, IsNoneWithoutSystemd) {
    ::unsetenv("LISTEN_FDS");
    EXPECT_EQ(passed_api_socket().value(), std::nullopt);
}

} // namespace
} // namespace prooftrack::observe
