#pragma once

// What the numbers in every store's tables mean; each schema includes it.

#include "store/segments.hpp"
#include "track/types.hpp"

namespace prooftrack::store {

// Numbers in the columns `state`, `kind` and `type` are the enumerators' values: a reordered enum would misread every
// database.
static_assert(
    static_cast<int>(track::tracking_state::tracking) == 0 && static_cast<int>(track::tracking_state::settled) == 1 &&
    static_cast<int>(track::tracking_state::overdue) == 2 && static_cast<int>(track::tracking_state::not_found) == 3 &&
    static_cast<int>(track::tracking_state::rejected) == 4 && static_cast<int>(track::tracking_state::abandoned) == 5 &&
    static_cast<int>(track::tracking_state::untracked) == 6 && track::tracking_state_count == 7);
static_assert(
    static_cast<int>(track::status_kind::none) == 0 && static_cast<int>(track::status_kind::pending) == 1 &&
    static_cast<int>(track::status_kind::processing) == 2 && static_cast<int>(track::status_kind::completed) == 3 &&
    static_cast<int>(track::status_kind::failed) == 4 && static_cast<int>(track::status_kind::cancelled) == 5 &&
    static_cast<int>(track::status_kind::other) == 6);
static_assert(
    static_cast<int>(track::delivery_state::pending) == 0 && static_cast<int>(track::delivery_state::delivered) == 1 &&
    static_cast<int>(track::delivery_state::dead) == 2 && static_cast<int>(track::delivery_state::dismissed) == 3);
static_assert(segment_bits == 12, "the indexes say `>> 12`");

} // namespace prooftrack::store
