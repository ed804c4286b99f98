#pragma once

// How prooftrackctl ends; scripts rely on these numbers.

#include <stdexcept>
#include <string>
#include <string_view>

namespace prooftrack::ctl::exit_status {

inline constexpr int done = 0; ///< also: the awaited transaction is completed
inline constexpr int refused =
    1; ///< the daemon refused the request, a local file could not be read or written, `reconcile` found a difference
inline constexpr int failed = 2;        ///< the awaited transaction ended failed
inline constexpr int cancelled = 3;     ///< … cancelled
inline constexpr int given_up = 4;      ///< … rejected, abandoned or untracked
inline constexpr int not_ended = 5;     ///< … had not ended at the timeout
inline constexpr int usage = 64;        ///< wrong arguments
inline constexpr int unreachable = 69;  ///< the daemon cannot be reached
inline constexpr int interrupted = 130; ///< a signal ended a command that had not finished

} // namespace prooftrack::ctl::exit_status

namespace prooftrack::ctl {

/// The exit status that `wait` owes to a transaction's `state` and `status`; `exit_status::not_ended` while it is still
/// open.
int exit_status_of(std::string_view state, std::string_view status);

/// Ends the command with a message for people; caught in `main` alone.
class command_failure : public std::runtime_error {
  public:
    command_failure(int status, const std::string& message) : std::runtime_error(message), status_(status) {}
    int status() const { return status_; }

  private:
    int status_;
};

/// The reader of standard output went away (`| head`): end quietly.
class output_closed : public std::runtime_error {
  public:
    output_closed() : std::runtime_error("output closed") {}
};

/// A signal asked the program to stop in the middle of something.
class stop_requested : public std::runtime_error {
  public:
    stop_requested() : std::runtime_error("interrupted") {}
};

} // namespace prooftrack::ctl
