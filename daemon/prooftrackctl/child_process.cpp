#include "prooftrackctl/child_process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "prooftrackctl/exit_status.hpp"

namespace prooftrack::ctl {

namespace {

constexpr std::size_t most_output = 64UL * 1024;
constexpr milliseconds between_looks{10};

/// Ends the child, if it has not ended, and takes its remains.
class child_guard {
  public:
    explicit child_guard(pid_t pid) : pid_(pid) {}
    child_guard(const child_guard&) = delete;
    child_guard& operator=(const child_guard&) = delete;
    ~child_guard() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
    /// True when it has ended; its status is in `to`.
    bool look(int& to) {
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) != pid_) return false;
        pid_ = -1;
        to = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        return true;
    }

  private:
    pid_t pid_;
};

class descriptor {
  public:
    explicit descriptor(int number) : number_(number) {}
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor() { close(); }
    int number() const { return number_; }
    void close() {
        if (number_ >= 0) ::close(number_);
        number_ = -1;
    }

  private:
    int number_;
};

std::vector<std::string> environment_with(const std::vector<std::pair<std::string, std::string>>& extra) {
    std::vector<std::string> all;
    for (char** one = ::environ; one != nullptr && *one != nullptr; ++one) {
        const std::string_view text(*one);
        bool is_replaced = false;
        for (const auto& [name, value] : extra)
            is_replaced = is_replaced || (text.starts_with(name) && text.substr(name.size()).starts_with('='));
        if (!is_replaced) all.emplace_back(text);
    }
    for (const auto& [name, value] : extra) all.push_back(name + '=' + value);
    return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (std::string& text : texts) all.push_back(text.data());
    all.push_back(nullptr);
    return all;
}

pid_t spawn(std::vector<std::string> arguments, std::vector<std::string> environment, int output) {
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t ignored_here;
    sigemptyset(&ignored_here);
    sigaddset(&ignored_here, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes, &ignored_here);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    pid_t pid = -1;
    const int error = posix_spawn(
        &pid, arguments.front().c_str(), &files, &attributes, pointers_to(arguments).data(),
        pointers_to(environment).data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error == 0 ? pid : -1;
}

} // namespace

child_result run_child(
    const std::vector<std::string>& arguments, const std::vector<std::pair<std::string, std::string>>& extra,
    milliseconds patience, const stop_signal& stop) {
    child_result result;
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return result;
    const descriptor from(ends[0]);
    descriptor to(ends[1]);
    const pid_t pid = spawn(arguments, environment_with(extra), to.number());
    to.close();
    if (pid < 0) return result;
    result.has_started = true;
    child_guard child(pid);
    const steady_time deadline = std::chrono::steady_clock::now() + patience;
    for (bool is_open = true; is_open;) {
        const wait_result how = stop.wait(from.number(), POLLIN, deadline);
        if (how == wait_result::stopped) throw stop_requested();
        if (how == wait_result::timed_out) return result;
        std::array<char, 4096> piece{};
        const ssize_t count = ::read(from.number(), piece.data(), piece.size());
        is_open = count > 0 || (count < 0 && errno == EINTR);
        if (count > 0 && result.output.size() < most_output)
            result.output.append(piece.data(), static_cast<std::size_t>(count));
    }
    while (!child.look(result.exit_status)) {
        if (std::chrono::steady_clock::now() >= deadline) return result;
        if (!stop.sleep(between_looks)) throw stop_requested();
    }
    result.has_ended = true;
    return result;
}

} // namespace prooftrack::ctl
