#include "prooftrackctl/command_context.hpp"

#include <cstdio>

#include "prooftrackctl/complaint.hpp"
#include "prooftrackctl/exit_status.hpp"

namespace prooftrack::ctl {

void throw_unreachable(const command_context& context, const op_error& error) {
    if (context.stop.requested()) throw stop_requested();
    throw command_failure(exit_status_of(error), describe_unreachable(error, context.options.socket));
}

void throw_refused(const api_reply& reply) { throw command_failure(exit_status::refused, describe_refusal(reply)); }

api_reply ask(command_context& context, const api_request& request) {
    auto reply = context.api.exchange(request);
    if (!reply) throw_unreachable(context, reply.error());
    if (!reply->ok()) throw_refused(*reply);
    return std::move(*reply);
}

bool is_passing(const op_result<api_reply>& answer) {
    if (answer) return answer->status == 503;
    return answer.error().code != boost::system::errc::make_error_condition(boost::system::errc::permission_denied);
}

bool was_reached(const op_result<api_reply>& answer) {
    return answer || (answer.error().operation != "connect" && answer.error().operation != "socket");
}

json_view json_of(const api_reply& reply) {
    const json_view json = json_view::parse(reply.body);
    if (json.is_missing())
        throw command_failure(
            exit_status::unreachable, "the daemon's answer is not JSON: is this prooftrackd's socket?");
    return json;
}

std::string json_line(const api_reply& reply) { return one_line(json_of(reply).raw()); }

void show(command_context& context, const api_reply& reply, std::string_view text) {
    if (!context.options.json) {
        context.out.write(text);
    } else if (!reply.body.empty()) {
        context.out.line(json_line(reply));
    }
    context.out.flush();
}

void note(std::string_view text) {
    std::fprintf(stderr, "prooftrackctl: %.*s\n", static_cast<int>(text.size()), text.data());
}

} // namespace prooftrack::ctl
