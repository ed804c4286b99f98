// maintenance on, off, status

#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/controls_view.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/requests.hpp"

namespace prooftrack::ctl {

int run(command_context& context, const maintenance_command& what) {
    using action = maintenance_command::action;
    const bool is_question = what.what == action::status;
    const api_reply reply =
        ask(context, is_question ? status_request() : maintenance_request(what.what == action::on, what.note));
    const json_view answer = json_of(reply);
    const json_view mark = is_question ? answer["maintenance"] : answer;
    if (context.options.json) {
        const bool is_off = mark.is_missing() || mark.is_null();
        context.out.line(is_off ? R"({"on":false,"since":null,"note":null})" : one_line(mark.raw()));
    } else {
        context.out.line(describe(what, mark, context.style(), context.now()));
    }
    return exit_status::done;
}

} // namespace prooftrack::ctl
