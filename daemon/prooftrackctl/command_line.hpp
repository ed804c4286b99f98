#pragma once

// argv -> what is to be done. Pure: nothing is read or printed.

#include <string>
#include <variant>
#include <vector>

#include "prooftrackctl/commands.hpp"

namespace prooftrack::ctl {

/// A command with the options that hold for all of them.
struct invocation {
    global_options options;
    any_command what;
};

/// Nothing to run: help, the version, or wrong arguments.
struct parse_end {
    int status = 0;   ///< exit_status::done or exit_status::usage
    std::string text; ///< for standard output when done, else for standard error
};

/// `arguments` without the program's name. `default_socket` is what PROOFTRACKD_SOCKET says, "" = the built-in path.
std::variant<invocation, parse_end> parse_command_line(
    std::vector<std::string> arguments, const std::string& default_socket);

} // namespace prooftrack::ctl
