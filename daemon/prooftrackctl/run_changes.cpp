// set, untrack

#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/input_file.hpp"
#include "prooftrackctl/requests.hpp"
#include "prooftrackctl/terminal.hpp"
#include "prooftrackctl/text.hpp"
#include "prooftrackctl/views.hpp"

namespace prooftrack::ctl {

namespace {

struct untrack_counts {
    std::uint64_t matched = 0;
    std::uint64_t untracked = 0;
};

/// A call for each state, one in all without any.
untrack_counts untrack_matching(command_context& context, const untrack_command& what, bool dry_run) {
    std::vector<std::string> states = what.states;
    if (states.empty()) states.emplace_back();
    untrack_counts all;
    for (const std::string& state : states) {
        const api_reply reply = ask(context, untrack_matching_request(what, state, dry_run));
        const json_view counts = json_of(reply);
        all.matched += counts["matched"].unsigned_integer().value_or(0);
        all.untracked += counts["untracked"].unsigned_integer().value_or(0);
    }
    return all;
}

/// Anything but a yes is a no.
bool is_confirmed(command_context& context, const std::string& question) {
    context.out.flush();
    std::fprintf(stderr, "%s [y/N] ", question.c_str());
    input_file terminal("-", context.stop);
    const std::string answer(terminal.read_some());
    return answer == "y\n" || answer == "Y\n" || answer == "yes\n";
}

void report(command_context& context, const untrack_counts& counts, bool dry_run) {
    if (context.options.json) {
        context.out.line(fmt::format("{{\"matched\": {}, \"untracked\": {}}}", counts.matched, counts.untracked));
    } else if (dry_run) {
        context.out.line(fmt::format("{} would be untracked", grouped(counts.matched)));
    } else {
        context.out.line(fmt::format("{} untracked", grouped(counts.untracked)));
    }
}

} // namespace

int run(command_context& context, const set_command& what) {
    const api_reply reply = ask(context, set_request_of(what));
    show(context, reply, "changed " + format_transaction(json_of(reply), context.style(), context.now()));
    return exit_status::done;
}

int run(command_context& context, const untrack_command& what) {
    if (!what.id.empty()) {
        const api_reply reply = ask(context, untrack_request(what.id));
        show(context, reply, "untracked " + format_transaction(json_of(reply), context.style(), context.now()));
        return exit_status::done;
    }
    const untrack_command asked = with_times(what, context.now());
    const bool wants_question = !what.dry_run && !what.yes && is_terminal(STDIN_FILENO) && is_terminal(STDERR_FILENO);
    if (wants_question) {
        const untrack_counts counts = untrack_matching(context, asked, true);
        if (counts.matched > 0 &&
            !is_confirmed(context, fmt::format("End the tracking of {} transactions?", grouped(counts.matched)))) {
            throw command_failure(exit_status::refused, "nothing was untracked");
        }
    }
    report(context, untrack_matching(context, asked, what.dry_run), what.dry_run);
    return exit_status::done;
}

} // namespace prooftrack::ctl
