#pragma once

// The fingerprints of a runtime's secrets.

#include <string>
#include <vector>

#include "engine/secret_view.hpp"
#include "prooftrackd/preparation.hpp"

namespace prooftrack::daemon {

/// The token first, then the callbacks' keys in the order of the file.
std::vector<engine::secret_view> secrets_in_use(const prepared_runtime& runtime);

/// `client_token=0123456789ab callback.shop.secret=0123456789ab,…`, for a log line.
std::string format_secrets(const std::vector<engine::secret_view>& secrets);

} // namespace prooftrack::daemon
