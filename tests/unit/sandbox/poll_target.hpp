#pragma once

#include <string_view>

namespace prooftrack::sandbox {

inline constexpr std::string_view poll_target = "/widget/transactions/a";

} // namespace prooftrack::sandbox
