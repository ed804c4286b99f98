// session, kyc, log-level, secret new

#include <fmt/format.h>
#include <unistd.h>

#include "callback/signing.hpp"
#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/input_file.hpp"
#include "prooftrackctl/requests.hpp"
#include "prooftrackctl/terminal.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

constexpr std::size_t max_session_body = 1024UL * 1024; // what the daemon takes

/// Proof's reply is covered by a signature: its bytes go out as they came, with one LF behind them on a terminal.
void print_reply(command_context& context, const std::string& body) {
    if (context.options.json) return context.out.line(one_line(body));
    context.out.write(body);
    if (!body.ends_with('\n') && is_terminal(STDOUT_FILENO)) context.out.write("\n");
}

} // namespace

int run(command_context& context, const session_command& what) {
    const std::string body =
        what.body_file.empty() ? "" : read_small_file(what.body_file, max_session_body, context.stop);
    auto reply = context.api.exchange(session_request_of(what, body));
    if (!reply) throw_unreachable(context, reply.error());
    // Proof may refuse and open a session all the same (422 kyc_required): it is tracked, and its parameters are what
    // is wanted.
    const bool is_session = !reply->content_type.starts_with("application/problem") &&
                            !json_view::parse(reply->body)["merchant_transaction_id"].text().empty();
    if (!reply->ok() && !is_session) throw_refused(*reply);
    print_reply(context, reply->body);
    if (!reply->ok()) note(fmt::format("Proof answered {}, with a session; it is tracked", reply->status));
    return exit_status::done;
}

int run(command_context& context, const kyc_command& what) {
    const api_reply reply = ask(context, kyc_request(what.user));
    if (context.options.json) {
        context.out.line(json_line(reply));
        return exit_status::done;
    }
    const json_view json = json_of(reply);
    const std::string status = json["status"].text();
    const std::string verified = json["verified_at"].text();
    context.out.line(fmt::format(
        "{}  {}{}", printable(what.user), painted(printable(status), paint_of(status), context.style()),
        verified.empty() ? "" : fmt::format("  verified {}", relative_time(verified, context.now()))));
    return exit_status::done;
}

int run(command_context& context, const log_level_command& what) {
    const api_reply reply = ask(context, log_level_request(what.level));
    if (context.options.json && !reply.body.empty()) {
        context.out.line(json_line(reply));
    } else {
        context.out.line(fmt::format("the daemon logs from level {} on", printable(what.level)));
    }
    return exit_status::done;
}

int run(command_context& context, const secret_new_command&) {
    const secret made = callback::make_webhook_secret();
    const std::string text(made.reveal()); // being printed is what it is for
    context.out.line(context.options.json ? "{\"secret\": " + json_string(text) + "}" : text);
    if (!context.options.json && is_terminal(STDOUT_FILENO)) {
        note("put it on the first line of the callback's secret_file (mode 0600) and give it to the receiver; "
             "keep the old line below it until the receiver knows the new one");
    }
    return exit_status::done;
}

} // namespace prooftrack::ctl
