#include <fmt/format.h>

#include "prooftrackctl/bridge/broker.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/input_file.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

std::optional<broker_error> read_broker_credentials(
    const std::string& file, const stop_signal& stop, broker_credentials& into) {
    try {
        const secret text(read_small_file(file, max_credentials_bytes, stop));
        const std::string fault = parse_broker_credentials(text.reveal(), into);
        if (fault.empty()) return std::nullopt;
        return broker_error{fmt::format("cannot use {}: {}", printable(file), fault), true};
    } catch (const command_failure& failure) {
        return broker_error{failure.what(), true};
    }
}

} // namespace prooftrack::ctl
