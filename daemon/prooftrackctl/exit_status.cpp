#include "prooftrackctl/exit_status.hpp"

namespace prooftrack::ctl {

int exit_status_of(std::string_view state, std::string_view status) {
    if (state == "rejected" || state == "abandoned" || state == "untracked") return exit_status::given_up;
    if (state != "settled") return exit_status::not_ended;
    if (status == "completed") return exit_status::done;
    if (status == "failed") return exit_status::failed;
    if (status == "cancelled") return exit_status::cancelled;
    return exit_status::not_ended;
}

} // namespace prooftrack::ctl
