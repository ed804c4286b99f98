#pragma once

// What the swarm does not do yet. The engine's rules for the first three have tests of their own; the generator and the
// oracle have not been run with them. Each constant goes once ten thousand seeds pass with it.

namespace prooftrack::known_open {

/// One refused id (401, 403) holds up the others.
inline constexpr bool poisoned_ids_are_mended = true;
/// A wrong wall clock makes young ids overdue, not_found or abandoned.
inline constexpr bool clocks_are_mended = true;
/// A reload that leaves a settled one without a time of verify_after drops it from memory; its row stays `watched`, so
/// that it is never pruned.
inline constexpr bool dropped_verifications_are_saved = true;

} // namespace prooftrack::known_open
