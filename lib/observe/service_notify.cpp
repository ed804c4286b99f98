#include "observe/service_notify.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>

#include <fmt/format.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

namespace prooftrack::observe {
namespace {

op_error failure(int error, std::string detail) {
    return {error_code(error, boost::system::generic_category()), "take the socket from systemd", std::move(detail)};
}

/// A ping costs a system call: nobody is served by more of them than that.
constexpr std::chrono::microseconds shortest_interval{1'000};

/// A status is one line: what comes behind a newline would be read as another field.
std::string one_line(std::string_view text) {
    std::string line(text);
    std::replace_if(
        line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    return line;
}

/// The names and count that systemd gave, with the list freed.
std::vector<std::string> take_passed_names(int& count) {
    char** names = nullptr;
    count = ::sd_listen_fds_with_names(1, &names);
    std::vector<std::string> out;
    for (int i = 0; i < count; ++i) {
        out.emplace_back(names[i]);
        std::free(names[i]); // NOLINT(cppcoreguidelines-no-malloc): the C library allocated it
    }
    std::free(names); // NOLINT(cppcoreguidelines-no-malloc)
    return out;
}

} // namespace

// NOLINTBEGIN(concurrency-mt-unsafe): read before any thread starts
service_notify::service_notify() : is_supervised_(std::getenv("NOTIFY_SOCKET") != nullptr) {
    std::uint64_t patience = 0;
    if (::sd_watchdog_enabled(0, &patience) > 0)
        watchdog_interval_ = std::max(std::chrono::microseconds(patience / 2), shortest_interval);
}
// NOLINTEND(concurrency-mt-unsafe)

void service_notify::send(const std::string& message) const {
    if (is_supervised_) ::sd_notify(0, message.c_str());
}

void service_notify::ready(std::string_view status) const { send(fmt::format("READY=1\nSTATUS={}", one_line(status))); }

void service_notify::status(std::string_view text) const { send("STATUS=" + one_line(text)); }

void service_notify::reloading() const {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    send(fmt::format(
        "RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=Reloading", now.tv_sec * 1'000'000LL + now.tv_nsec / 1'000));
}

void service_notify::stopping() const { send("STOPPING=1\nSTATUS=Stopping"); }

void service_notify::ping() const { send("WATCHDOG=1"); }

void service_notify::extend_timeout(std::chrono::microseconds by) const {
    send(fmt::format("EXTEND_TIMEOUT_USEC={}", by.count()));
}

op_result<std::optional<std::size_t>> choose_api_socket(const std::vector<std::string>& names) {
    std::optional<std::size_t> chosen;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] != "api") continue;
        if (chosen) return failure(EINVAL, "two sockets are called api: keep one ListenStream=");
        chosen = i;
    }
    if (chosen || names.empty()) return chosen;
    if (names.size() == 1) return std::optional<std::size_t>(0);
    return failure(EINVAL, "several sockets and none of them called api: write FileDescriptorName=api");
}

op_result<std::optional<int>> passed_api_socket() {
    int count = 0;
    const std::vector<std::string> names = take_passed_names(count);
    if (count < 0) return failure(-count, "LISTEN_FDS is malformed");
    const auto index = choose_api_socket(names);
    if (!index) return index.error();
    if (!*index) return std::optional<int>{};
    const int fd = SD_LISTEN_FDS_START + static_cast<int>(**index);
    if (::sd_is_socket_unix(fd, SOCK_STREAM, 1, nullptr, 0) <= 0) {
        return failure(
            ENOTSOCK, "expected a listening Unix stream socket: ListenStream=/run/prooftrackd/prooftrackd.sock");
    }
    return std::optional<int>(fd);
}

} // namespace prooftrack::observe
