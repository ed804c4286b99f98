// pause, resume, flush, dismiss

#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/controls_view.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/requests.hpp"

namespace prooftrack::ctl {

int run(command_context& context, const callback_control_command& what) {
    const api_reply reply = ask(context, callback_control_request(what));
    context.out.line(context.options.json ? json_line(reply) : describe(what, json_of(reply)));
    return exit_status::done;
}

int run(command_context& context, const dismiss_command& what) {
    const api_reply reply = ask(context, dismiss_request(what));
    context.out.line(context.options.json ? json_line(reply) : describe(what, json_of(reply)));
    return exit_status::done;
}

} // namespace prooftrack::ctl
