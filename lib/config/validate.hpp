#pragma once

// Private to this module: the rules that need more than one key, or more than a range.

#include "config/document.hpp"
#include "config/parse.hpp"

namespace prooftrack::config {

/// Adds a mistake for every rule broken by keys that are sound by themselves.
void validate_configuration(config_document& document, const config_surroundings& surroundings);
/// Only for a configuration without mistakes.
std::vector<std::string> configuration_warnings(const configuration& config);

} // namespace prooftrack::config
