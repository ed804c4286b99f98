#pragma once

// One run of a command: the event on stdin, a clean environment, a process group of its own, a hard end.

#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "base/time.hpp"
#include "base/unique_function.hpp"
#include "callback/notifier.hpp"

namespace prooftrack::callback {

/// What is run. `environment` holds `NAME=value` strings; nothing else is inherited but the working directory.
struct command_line {
    std::vector<std::string> argv; ///< not empty; argv[0] without a slash is looked up in the daemon's PATH
    std::vector<std::string> environment;
    std::shared_ptr<const std::string> input;
    milliseconds timeout{15000};
};

/// `PROOFTRACK_…` of prooftrackd-events(7), and PATH. A control character in a value is written as in JSON (`\u0000`).
std::vector<std::string> make_command_environment(const delivery_job& job);

/// Starts it and calls `handler` once, later, on the loop: exit 0 = delivered. At the timeout the process group is
/// killed. stdout and stderr are read to their end and thrown away but for the first 1,024 bytes. The handler does not
/// wait for what the command left running. Returns what kills the process group at once (the handler then gets
/// `failed`, "cut off").
unique_function<void()> run_command(
    const boost::asio::any_io_executor& loop, command_line command, unique_function<void(delivery_outcome)> handler);

} // namespace prooftrack::callback
