#include "prooftrackctl/stop_signal.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/terminal.hpp"

namespace prooftrack::ctl {

namespace {

// Signal handlers have no other way to their owner.
std::atomic<int> wake_end{-1};
std::atomic<bool> stop{false};
std::atomic<bool> resized{false};

void on_stop(int) {
    if (stop.exchange(true)) {
        restore_terminal_now();
        _exit(exit_status::interrupted);
    }
    const int saved = errno;
    const char byte = 's';
    [[maybe_unused]] const auto ignored = write(wake_end.load(), &byte, 1);
    errno = saved;
}

void on_resize(int) { resized.store(true); }

void handle(int number, void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, nullptr);
}

} // namespace

stop_signal::stop_signal() {
    if (pipe2(pipe_, O_CLOEXEC | O_NONBLOCK) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    wake_end.store(pipe_[1]);
    stop.store(false);
    handle(SIGINT, on_stop);
    handle(SIGTERM, on_stop);
    struct sigaction inherited {};
    sigaction(SIGHUP, nullptr, &inherited);
    if (inherited.sa_handler != SIG_IGN) handle(SIGHUP, on_stop); // nohup wants to outlive its terminal
    handle(SIGWINCH, on_resize);
    handle(SIGPIPE, SIG_IGN);
}

stop_signal::~stop_signal() {
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGPIPE}) handle(number, SIG_DFL);
    wake_end.store(-1);
    close(pipe_[0]);
    close(pipe_[1]);
}

bool stop_signal::requested() const { return stop.load(); }

bool stop_signal::take() {
    if (!stop.exchange(false)) return false;
    char byte = 0;
    while (read(pipe_[0], &byte, 1) > 0) {
    }
    return true;
}

bool stop_signal::take_resized() { return resized.exchange(false); }

wait_result stop_signal::wait(std::vector<pollfd>& watched, steady_time deadline, bool wake_on_resize) const {
    watched.push_back({descriptor(), POLLIN, 0});
    wait_result how = wait_result::timed_out;
    for (;;) {
        const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
        const auto span = std::clamp<std::int64_t>(left.count(), 0, 3'600'000);
        const int count = poll(watched.data(), watched.size(), static_cast<int>(span));
        if (requested()) {
            how = wait_result::stopped;
            break;
        }
        if (count < 0 && errno == EINTR) {
            if (wake_on_resize && resized.load()) break;
            continue;
        }
        if (count != 0) { // poll's other errors cannot happen with valid descriptors; using them tells
            how = wait_result::ready;
            break;
        }
        if (std::chrono::steady_clock::now() >= deadline) break;
    }
    watched.pop_back();
    return how;
}

wait_result stop_signal::wait(int descriptor, short events, steady_time deadline) const {
    std::vector<pollfd> watched{{descriptor, events, 0}};
    return wait(watched, deadline);
}

bool stop_signal::sleep(milliseconds span) const {
    std::vector<pollfd> none;
    return wait(none, std::chrono::steady_clock::now() + span) != wait_result::stopped;
}

} // namespace prooftrack::ctl
