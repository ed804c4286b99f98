#pragma once

// What a reload changes, and what of it must wait for a restart.

#include <string>
#include <vector>

#include "config/config.hpp"

namespace prooftrack::config {

/// Names of the keys whose values differ, `callback` for any difference in the [[callback]] tables; in the order of the
/// key table.
std::vector<std::string> changed_keys(const configuration& before, const configuration& after);
/// Those of them that only a restart applies.
std::vector<std::string> restart_required(const configuration& before, const configuration& after);
/// `after` as far as a reload may apply it: the keys that need a restart keep their values of `before`.
configuration applicable_configuration(const configuration& before, configuration after);

} // namespace prooftrack::config
