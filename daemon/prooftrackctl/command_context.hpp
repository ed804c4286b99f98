#pragma once

// What every command works with, and how it calls the daemon.

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"
#include "prooftrackctl/api_client.hpp"
#include "prooftrackctl/json_view.hpp"
#include "prooftrackctl/output.hpp"
#include "prooftrackctl/stop_signal.hpp"

namespace prooftrack::ctl {

/// Options that stand before or behind any command.
struct global_options {
    std::string socket = "/run/prooftrackd/prooftrackd.sock";
    bool json = false;
};

/// Lives in `main` for the length of the command.
struct command_context {
    global_options options;
    stop_signal& stop;
    output& out;
    api_client& api;

    const look& style() const { return out.style(); }
    wall_time now() const { return std::chrono::floor<milliseconds>(std::chrono::system_clock::now()); }
};

/// Asks; a refusal (not 2xx) and an absent daemon become a command_failure, a signal stop_requested.
api_reply ask(command_context& context, const api_request& request);

/// Throws what `ask` would throw for this error.
[[noreturn]] void throw_unreachable(const command_context& context, const op_error& error);
[[noreturn]] void throw_refused(const api_reply& reply);

/// True when the daemon was away (or not ready) and asking again later makes sense.
bool is_passing(const op_result<api_reply>& answer);

/// True when somebody took the connection, whatever became of the answer.
bool was_reached(const op_result<api_reply>& answer);

/// The reply's JSON; a command_failure when it is not JSON. Points into `reply`.
json_view json_of(const api_reply& reply);

/// The reply's JSON as one line of `--json`.
std::string json_line(const api_reply& reply);

/// The reply's body: one line of JSON with --json, else `text`.
void show(command_context& context, const api_reply& reply, std::string_view text);

/// One line on standard error, behind the program's name. Never throws.
void note(std::string_view text);

} // namespace prooftrack::ctl
