#pragma once

// What a daemon may be called among those that share a database.

#include <string>
#include <string_view>

namespace prooftrack::config {

/// What is wrong with it, "" = nothing.
std::string check_node_name(std::string_view name);

} // namespace prooftrack::config
