// export: rows of one consistent state to standard output, as fast as it takes them

#include <algorithm>

#include <fmt/format.h>
#include <unistd.h>

#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/progress.hpp"
#include "prooftrackctl/requests.hpp"
#include "prooftrackctl/terminal.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

int run(command_context& context, const export_command& what) {
    export_command request = with_times(what, context.now());
    if (request.format.empty()) request.format = context.options.json ? "ndjson" : "csv";
    progress_bar bar(0);
    const bool shows_progress = !is_terminal(STDOUT_FILENO); // else the rows themselves are to be seen
    std::uint64_t bytes = 0;
    std::uint64_t lines = 0;
    bool whole = false;
    const body_sink sink = [&](std::string_view piece) {
        context.out.write(piece);
        bytes += piece.size();
        lines += static_cast<std::uint64_t>(std::count(piece.begin(), piece.end(), '\n'));
        if (shows_progress) bar.show(bytes, lines);
        return true;
    };
    const auto reply = context.api.stream(export_request(request), sink, whole);
    bar.done();
    if (!reply) throw_unreachable(context, reply.error());
    if (!reply->ok()) throw_refused(*reply);
    context.out.flush();
    if (!whole) throw command_failure(exit_status::refused, "the export broke off: what was written is not whole");
    if (shows_progress && is_terminal(STDERR_FILENO))
        note(fmt::format("export: {} lines, {}", grouped(lines), byte_size(bytes)));
    return exit_status::done;
}

} // namespace prooftrack::ctl
