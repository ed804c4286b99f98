#pragma once

// Faults of the engine that are known and being mended elsewhere: what shows them waits here, so that it does not hide
// everything else. Each constant goes with its fix.

namespace prooftrack::known_open {

/// One refused id (401, 403) holds up the others.
inline constexpr bool poisoned_ids_are_mended = false;
/// A wrong wall clock makes young ids overdue, not_found or abandoned.
inline constexpr bool clocks_are_mended = false;
/// A gateway's 502 to a session request releases its Idempotency-Key.
inline constexpr bool sessions_are_mended = false;
/// A reload that leaves a settled one without a time of verify_after drops it from memory; its row stays `watched`, so
/// that it is never pruned.
inline constexpr bool dropped_verifications_are_saved = false;

} // namespace prooftrack::known_open
