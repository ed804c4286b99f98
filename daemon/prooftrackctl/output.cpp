#include "prooftrackctl/output.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include <fmt/format.h>
#include <unistd.h>

#include "prooftrackctl/exit_status.hpp"

namespace prooftrack::ctl {

namespace {

constexpr std::size_t most_pending = 64UL * 1024;
constexpr auto reader_patience = std::chrono::hours(24); // a pager may sit there all day; a signal ends it

} // namespace

void output::write(std::string_view text) {
    pending_ += text;
    if (pending_.size() >= most_pending) flush();
}

void output::line(std::string_view text) {
    pending_ += text;
    write("\n");
}

void output::flush() {
    std::string_view left = pending_;
    while (!left.empty()) {
        if (stop_.wait(descriptor_, POLLOUT, std::chrono::steady_clock::now() + reader_patience) !=
            wait_result::ready) {
            pending_.clear();
            throw stop_requested();
        }
        // A writable pipe takes PIPE_BUF bytes without blocking, so a signal is always noticed.
        const ssize_t count = ::write(descriptor_, left.data(), std::min<std::size_t>(left.size(), PIPE_BUF));
        if (count >= 0) {
            left.remove_prefix(static_cast<std::size_t>(count));
        } else if (errno == EPIPE) {
            pending_.clear();
            throw output_closed();
        } else if (errno != EINTR && errno != EAGAIN) {
            const int error = errno;
            pending_.clear();
            throw command_failure(
                exit_status::refused, fmt::format("cannot write the output: {}", std::strerror(error)));
        }
    }
    pending_.clear();
}

} // namespace prooftrack::ctl
