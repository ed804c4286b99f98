#include "prooftrackctl/complaint.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/json_view.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

namespace errc = boost::system::errc;

/// What to do about a problem code; "" when its detail says it all.
std::string_view next_step(std::string_view code) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 8> steps{{
        {"not_allowed", "Only members of the daemon's admin_group may do this: `id` shows your groups, `usermod -aG "
                        "GROUP USER` adds one."},
        {"unknown_transaction", "`prooftrackctl list` shows what is tracked."},
        {"unknown_callback", "`prooftrackctl status` lists the configured callbacks."},
        {"unknown_consumer", "`prooftrackctl consumers` lists them."},
        {"already_tracked", "`prooftrackctl set ID` changes its metadata or callback_url."},
        {"store_unavailable",
         "The daemon cannot write its database: see `prooftrackctl status` and the daemon's log. Repeating is safe."},
        {"proof_unreachable", "`prooftrackctl status` shows how Proof has been answering."},
        {"unauthorized", "Proof does not take the daemon's client_token: see `prooftrackctl status`."},
    }};
    for (const auto& [word, step] : steps) {
        if (word == code) return step;
    }
    return "";
}

constexpr std::string_view look_at_service = "Is the daemon running? `systemctl status prooftrackd`";

} // namespace

std::string describe_refusal(const api_reply& reply) {
    const json_view problem = json_view::parse(reply.body);
    const std::string code = problem["code"].text();
    const std::string title = problem["title"].text();
    const std::string detail = problem["detail"].text();
    if (code.empty() && title.empty() && detail.empty()) {
        return fmt::format("the daemon answered {} without saying why", reply.status);
    }
    std::string said = detail.empty() ? title : detail;
    if (!code.empty()) said = said.empty() ? code : fmt::format("{} ({} {})", said, code, reply.status);
    std::string message = printable(said);
    if (code == "cursor_gone") {
        const std::string oldest = printable(problem["oldest_seq"].text());
        const std::string last = printable(problem["last_seq"].text());
        message += fmt::format(
            "\nThe log holds events {} to {}: what you ask for was pruned, or belongs to another database. "
            "`--after 0` starts at the oldest.",
            oldest.empty() ? "?" : oldest, last.empty() ? "?" : last);
    }
    if (const auto untracked = problem["untracked"].unsigned_integer())
        message += fmt::format("\n{} of those that match are untracked by now.", grouped(*untracked));
    if (const std::string_view step = next_step(code); !step.empty()) message += fmt::format("\n{}", step);
    return message;
}

std::string describe_unreachable(const op_error& error, std::string_view socket_path) {
    const std::string path = printable(socket_path);
    const auto is = [&](errc::errc_t code) { return error.code == errc::make_error_condition(code); };
    if (error.operation == "connect") {
        if (is(errc::no_such_file_or_directory))
            return fmt::format("cannot connect: {} does not exist. {}", path, look_at_service);
        if (is(errc::connection_refused))
            return fmt::format("cannot connect: nobody listens on {}. {}", path, look_at_service);
        if (is(errc::permission_denied)) {
            return fmt::format(
                "cannot connect: permission denied on {}. Are you in the socket's group? `ls -l {}` "
                "names it, `id` shows yours; "
                "`sudo usermod -aG GROUP $USER` and a new login add you.",
                path, path);
        }
        if (is(errc::filename_too_long))
            return fmt::format("cannot connect: {} is too long for a socket's path (107 bytes)", path);
    }
    if (is(errc::timed_out)) {
        return fmt::format(
            "{}: no answer from the daemon on {} in time. `systemctl status prooftrackd` and its log may say why.",
            error.operation, path);
    }
    if (is(errc::connection_reset)) {
        return fmt::format(
            "{}: the daemon on {} closed the connection before the answer was complete; it may be restarting. {}",
            error.operation, path, look_at_service);
    }
    if (is(errc::protocol_error))
        return fmt::format("{}: {} does not speak the daemon's protocol ({})", error.operation, path, error.detail);
    return fmt::format("{} on {}. {}", error.message(), path, look_at_service);
}

int exit_status_of(const op_error& error) {
    return error.code == errc::make_error_condition(errc::interrupted) ? exit_status::interrupted
                                                                       : exit_status::unreachable;
}

} // namespace prooftrack::ctl
