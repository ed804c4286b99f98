#pragma once

// What the swarm does not do yet. The engine's rules for the first three have tests of their own; the generator and the
// oracle have not been run with them. Each constant goes once ten thousand seeds pass with it.

namespace prooftrack::known_open {

/// Ids that are refused (401, 403) while others are answered.
inline constexpr bool poisoned_ids_are_mended = false;
/// Wall clocks that are wrong for hours to months, also across restarts.
inline constexpr bool clocks_are_mended = false;
/// Gateways that answer session requests with 502 to 504.
inline constexpr bool sessions_are_mended = false;
/// A reload that leaves a settled one without a time of verify_after drops it from memory; its row stays `watched`, so
/// that it is never pruned.
inline constexpr bool dropped_verifications_are_saved = false;

} // namespace prooftrack::known_open
