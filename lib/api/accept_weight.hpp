#pragma once

// The weights of an Accept header (RFC 9110, 12.5.1). Pure.

#include <string_view>

namespace prooftrack::api {

/// Whether `*/*` and `type/*` stand for the type too.
enum class accept_wildcards : bool { ignored, counted };

/// How much the client wants `type` (lower case, "application/json"), in thousandths, 0 = not at all; the most specific
/// range decides. 0 when it is not named. A weight that cannot be read is 1,000.
int accept_weight(std::string_view accept, std::string_view type, accept_wildcards wildcards);

} // namespace prooftrack::api
