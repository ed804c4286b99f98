#pragma once

// Whether metadata has what a search asks for.

#include <span>
#include <string_view>

#include "track/queries.hpp"

namespace prooftrack::store {

/// True when the object has all of them. A string is compared by its content, any other value by its spelling.
bool has_metadata(std::string_view metadata, std::span<const track::metadata_filter> wanted);

} // namespace prooftrack::store
