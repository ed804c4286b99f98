// doctor: what is well, what is not, and what to do

#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/doctor_gather.hpp"
#include "prooftrackctl/doctor_view.hpp"
#include "prooftrackctl/exit_status.hpp"

namespace prooftrack::ctl {

int run(command_context& context, const doctor_command& what) {
    const std::vector<finding> findings = diagnose(gather_facts(context, what));
    if (context.options.json) {
        for (const finding& one : findings) context.out.line(format_finding_json(one));
    } else {
        context.out.write(format_findings(findings, context.style()));
    }
    return is_all_well(findings) ? exit_status::done : exit_status::refused;
}

} // namespace prooftrack::ctl
