#pragma once

#include "base/time.hpp"

namespace prooftrack::proof {

inline steady_time steady_now() { return std::chrono::steady_clock::now(); }

} // namespace prooftrack::proof
