#pragma once

// Documented preconditions, checked in every build.

#include <stdexcept>

namespace prooftrack {

/// Throws std::logic_error (a broken invariant ends the daemon) when `holds` is false. `what` says who broke which
/// rule.
inline void expects(bool holds, const char* what) {
    if (!holds) throw std::logic_error(what);
}

} // namespace prooftrack
