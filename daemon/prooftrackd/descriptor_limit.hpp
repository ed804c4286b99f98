#pragma once

// How many descriptors this process may have open.

#include <cstdint>
#include <optional>
#include <string>

#include "config/config.hpp"

namespace prooftrack::daemon {

/// Raises the soft limit (1024 from a shell) to the hard one. Commands of callbacks inherit it; they start with three
/// descriptors.
void raise_descriptor_limit();

/// What the soft limit can be raised to.
std::uint64_t hard_descriptor_limit();

/// `proof.connections`, or when that is 0 what the other keys leave of `limit`, at most 1,024 and at least 8.
std::size_t connections_within(const config::configuration& config, std::uint64_t limit);

/// What to tell the operator when `config` may need more descriptors than `limit`; nothing when it fits.
std::optional<std::string> descriptor_shortage(const config::configuration& config, std::uint64_t limit);

} // namespace prooftrack::daemon
