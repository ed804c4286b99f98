#include "prooftrackd/descriptor_limit.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

namespace prooftrack::daemon {
namespace {

/// The database, its log and lock, the loop's own, the journal, metrics clients, a backup, clients that are turned
/// away.
constexpr std::uint64_t own_descriptors = 96;

} // namespace

void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::uint64_t hard_descriptor_limit() {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : RLIM_INFINITY;
}

std::optional<std::string> descriptor_shortage(const config::configuration& config, std::uint64_t limit) {
    std::uint64_t wanted = own_descriptors + config.api.max_clients + config.proof.connections;
    for (const config::callback_config& callback : config.callbacks) wanted += callback.max_in_flight;
    if (wanted <= limit) return std::nullopt;
    return fmt::format(
        "the process may open {} files, and api.max_clients, proof.connections and max_in_flight of the callbacks "
        "add up to {}: raise the hard limit (LimitNOFILE= in the unit, ulimit -Hn in a shell)",
        limit, wanted);
}

} // namespace prooftrack::daemon
