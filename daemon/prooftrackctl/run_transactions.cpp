// track, get, wait, list, poll

#include <fmt/format.h>

#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/pages.hpp"
#include "prooftrackctl/requests.hpp"
#include "prooftrackctl/views.hpp"
#include "prooftrackctl/waiting.hpp"

namespace prooftrack::ctl {

int run(command_context& context, const track_command& what) {
    const api_reply reply = ask(context, track_request_of(what));
    if (what.wait) return wait_for_end(context, what.id, what.timeout, true);
    const std::string text = format_transaction(json_of(reply), context.style(), context.now());
    show(context, reply, fmt::format("{} {}", reply.status == 201 ? "tracking" : "already tracked:", text));
    return exit_status::done;
}

int run(command_context& context, const get_command& what) {
    const api_reply reply = ask(context, get_request(what.id));
    show(context, reply, format_transaction(json_of(reply), context.style(), context.now()));
    return exit_status::done;
}

int run(command_context& context, const wait_command& what) {
    return wait_for_end(context, what.id, what.timeout, false);
}

int run(command_context& context, const list_command& what) {
    paged_list list;
    list.request = [asked = with_times(what, context.now())](std::uint64_t limit, std::string_view cursor) {
        return list_request_of(asked, limit, cursor);
    };
    list.items = "transactions";
    list.columns = transaction_columns();
    list.row = transaction_row;
    list.none = "no transactions";
    print_pages(context, list, what.limit, what.all);
    return exit_status::done;
}

int run(command_context& context, const poll_command& what) {
    const api_reply reply = ask(context, poll_request(what.id));
    show(context, reply, fmt::format("{} is asked about next\n", what.id));
    return exit_status::done;
}

} // namespace prooftrack::ctl
