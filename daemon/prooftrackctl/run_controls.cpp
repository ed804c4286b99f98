// pause, resume, flush, dismiss

#include <fmt/format.h>

#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/requests.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

std::string counted(const json_view& count) { return grouped(count.unsigned_integer().value_or(0)); }

std::string describe(const callback_control_command& what, const json_view& answer) {
    const std::string name = printable(what.name);
    switch (what.what) {
    case callback_control_command::action::pause:
        return fmt::format(
            "{} is paused since {}, {} deliveries wait; `prooftrackctl resume {}` lets it go on", name,
            printable(answer["paused_since"].text()), counted(answer["backlog"]), name);
    case callback_control_command::action::resume:
        return fmt::format(
            "{} is not paused: {}, {} deliveries pending", name, printable(answer["state"].text()),
            counted(answer["backlog"]));
    case callback_control_command::action::flush:
        return fmt::format("{} deliveries to {} are due now", counted(answer["due"]), name);
    }
    return {};
}

} // namespace

int run(command_context& context, const callback_control_command& what) {
    const api_reply reply = ask(context, callback_control_request(what));
    context.out.line(context.options.json ? json_line(reply) : describe(what, json_of(reply)));
    return exit_status::done;
}

int run(command_context& context, const dismiss_command& what) {
    const api_reply reply = ask(context, dismiss_request(what));
    if (context.options.json) {
        context.out.line(json_line(reply));
        return exit_status::done;
    }
    const json_view answer = json_of(reply);
    if (what.dead) {
        context.out.line(fmt::format(
            "{} dead deliveries{} are dismissed", counted(answer["dismissed"]),
            what.callback.empty() ? "" : " to " + printable(what.callback)));
    } else {
        context.out.line(fmt::format(
            "delivery {} ({} to {}) is dismissed", printable(what.delivery), printable(answer["event_type"].text()),
            printable(answer["callback"].text())));
    }
    return exit_status::done;
}

} // namespace prooftrack::ctl
