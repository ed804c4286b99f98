#pragma once

// Searching by a value in the order of a key, the greatest key first, without looking at every row.
//
// Keys grow as rows are added. 4,096 neighbouring keys are a segment, and what is kept for each segment
// (search_index.hpp, or an index that begins with `row >> 12`) says whether it has such a value at all. A search goes
// through the segments from the newest on: about 250 looks for a million rows. What is kept lies where the newest rows
// are, whatever the values: an import touches a few pages, where an index of the value alone would touch one for each
// row.

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "store/paging.hpp"

namespace prooftrack::store {

/// The indexes of schema.cpp say `>> 12`: another number would search in vain.
inline constexpr int segment_bits = 12;
inline constexpr std::int64_t segment_of(std::int64_t key) { return key >> segment_bits; }
inline constexpr std::int64_t first_key_of(std::int64_t segment) { return segment << segment_bits; }
inline constexpr std::int64_t last_key_of(std::int64_t segment) { return first_key_of(segment + 1) - 1; }

/// The least and the greatest key of a table; nullopt when it is empty.
struct key_span {
    std::int64_t first = 0;
    std::int64_t last = 0;
};

/// The segments between them, ascending.
std::vector<std::int64_t> segments_of(const std::optional<key_span>& keys);

/// What `read` gives for each of the segments (ascending): keys of it, in any order. A segment is read once, and not
/// before the search comes to it.
key_merge::source keys_by_segment(
    std::vector<std::int64_t> segments, std::function<std::vector<std::int64_t>(std::int64_t segment)> read);
/// Every key that the segments could have: for a filter whose rows the caller reads anyway.
key_merge::source keys_of_segments(std::vector<std::int64_t> segments);

/// The keys that every one of `filters` gives, and some more: a few between two of these that not every one gives. The
/// caller checks each. At least one filter.
key_merge::source keys_in_all(std::vector<key_merge> filters);

/// These keys.
key_merge::source keys_of_list(std::vector<std::int64_t> keys);

} // namespace prooftrack::store
