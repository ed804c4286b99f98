#pragma once

// How long work inside SQLite learns that nobody wants it any more: a progress handler that looks at a flag.

#include <atomic>

namespace prooftrack::store {

inline constexpr int steps_between_looks = 10'000; ///< of SQLite's virtual machine

/// For sqlite3_progress_handler, whose argument is an std::atomic<bool>: not 0 ends the statement.
inline int is_cancelled(void* flag) { return static_cast<std::atomic<bool>*>(flag)->load() ? 1 : 0; }

} // namespace prooftrack::store
