// cluster: who shares the work

#include "prooftrackctl/cluster_view.hpp"
#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/requests.hpp"

namespace prooftrack::ctl {

int run(command_context& context, const cluster_command&) {
    const api_reply reply = ask(context, status_request());
    const json_view cluster = json_of(reply)["cluster"];
    if (context.options.json) {
        context.out.line(is_clustered(cluster) ? one_line(cluster.raw()) : "null");
    } else {
        context.out.write(format_cluster(cluster, context.style(), context.now()));
    }
    return exit_status::done;
}

} // namespace prooftrack::ctl
