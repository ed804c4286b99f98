#pragma once

// SIGINT, SIGTERM and SIGHUP as a flag that every wait checks, and waits with a deadline.

#include <cstdint>
#include <vector>

#include <poll.h>

#include "base/time.hpp"

namespace prooftrack::ctl {

enum class wait_result : std::uint8_t {
    ready,     ///< a descriptor can be used, or has an error that using it will tell
    timed_out, ///< the deadline came first
    stopped,   ///< a signal asked the program to end
};

/// Takes over the signals of this process while it lives; one at a time. SIGPIPE is ignored: a closed pipe is an error
/// of `write`. A second SIGINT ends the process at once, with the terminal restored.
class stop_signal {
  public:
    stop_signal();
    ~stop_signal();
    stop_signal(const stop_signal&) = delete;
    stop_signal& operator=(const stop_signal&) = delete;

    bool requested() const;

    /// Takes note of a signal: true when one came. Waits go on afterwards, so that what was begun can be ended; another
    /// signal is a new one.
    bool take();

    /// Readable once a signal came; never read from it.
    int descriptor() const { return pipe_[0]; }

    /// True once for each change of the terminal's size since the last call.
    bool take_resized();

    /// Waits until one of `watched` is ready; `revents` of each is filled. With `wake_on_resize` a SIGWINCH ends it as
    /// `timed_out`.
    wait_result wait(std::vector<pollfd>& watched, steady_time deadline, bool wake_on_resize = false) const;
    wait_result wait(int descriptor, short events, steady_time deadline) const;

    /// Sleeps; false when stopped.
    bool sleep(milliseconds span) const;

  private:
    int pipe_[2] = {-1, -1};
};

} // namespace prooftrack::ctl
