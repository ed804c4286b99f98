#include "prooftrackd/descriptor_limit.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <sys/resource.h>

namespace prooftrack::daemon {
namespace {

/// The database, its log and lock, the loop's own, the journal, metrics clients, a backup, clients that are turned
/// away.
constexpr std::uint64_t own_descriptors = 96;

constexpr std::uint64_t least_automatic = 8;
constexpr std::uint64_t most_automatic = 1'024;

std::uint64_t without_polls(const config::configuration& config) {
    std::uint64_t wanted = own_descriptors + config.api.max_clients;
    for (const config::callback_config& callback : config.callbacks) wanted += callback.max_in_flight;
    return wanted;
}

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

std::size_t connections_within(const config::configuration& config, std::uint64_t limit) {
    if (config.proof.connections > 0) return config.proof.connections;
    const std::uint64_t others = without_polls(config);
    return std::clamp(limit > others ? limit - others : 0, least_automatic, most_automatic);
}

std::optional<std::string> descriptor_shortage(const config::configuration& config, std::uint64_t limit) {
    const std::uint64_t wanted = without_polls(config) + connections_within(config, limit);
    if (wanted <= limit) return std::nullopt;
    return fmt::format(
        "the process may open {} files, and api.max_clients, proof.connections and max_in_flight of the callbacks "
        "add up to {}: raise the hard limit (LimitNOFILE= in the unit, ulimit -Hn in a shell)",
        limit, wanted);
}

} // namespace prooftrack::daemon
