#pragma once

// Hashes by which requests are compared.

#include <string>
#include <string_view>

#include "api/backend.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

store::digest sha256(std::string_view bytes);

/// Of all options after defaults, metadata as JSON values: equal digests are "the same options".
store::digest options_digest(const api::tracking_options& options, milliseconds overdue_after);

} // namespace prooftrack::engine
