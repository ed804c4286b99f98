#include "prooftrackctl/pages.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "prooftrackctl/requests.hpp"
#include "prooftrackctl/terminal.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

void print_pages(command_context& context, const paged_list& list, std::uint64_t limit, bool all) {
    table rows(list.columns);
    std::string cursor;
    std::uint64_t left = limit;
    std::uint64_t shown = 0;
    for (;;) {
        const std::uint64_t want = all ? page_size : std::min(left, page_size);
        const api_reply reply = ask(context, list.request(want, cursor));
        const json_view page = json_of(reply);
        const auto items = page[list.items].elements();
        for (const json_view& item : items) {
            if (context.options.json) {
                context.out.line(one_line(item.raw()));
            } else {
                rows.add(list.row(item, context.style(), context.now()));
            }
        }
        if (!rows.empty()) context.out.write(rows.format(context.style()));
        context.out.flush();
        shown += items.size();
        left -= std::min<std::uint64_t>(left, items.size());
        const std::string next = page["next_cursor"].text();
        if (next.empty() || next == cursor) break; // an empty page may have a next one: its search is bounded
        if (!all && left == 0) {
            if (!context.options.json && is_terminal(2))
                note(fmt::format("there are more than these {}: --limit N or --all shows them", grouped(shown)));
            break;
        }
        cursor = next;
    }
    if (shown == 0 && !context.options.json && is_terminal(2)) note(list.none);
}

} // namespace prooftrack::ctl
