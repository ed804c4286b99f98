#include "store/segments.hpp"

#include <algorithm>

#include "base/expects.hpp"

namespace prooftrack::store {
namespace {

/// How often filters that disagree are asked again before the caller has to look at a row: to ask costs a fraction of
/// that, but a page must not ask without end.
constexpr int most_rounds_a_key = 4;

std::optional<std::int64_t> greatest_below(const std::vector<std::int64_t>& sorted, std::int64_t below) {
    const auto place = std::lower_bound(sorted.begin(), sorted.end(), below);
    if (place == sorted.begin()) return std::nullopt;
    return *std::prev(place);
}

} // namespace

std::vector<std::int64_t> segments_of(const std::optional<key_span>& keys) {
    std::vector<std::int64_t> segments;
    if (!keys) return segments;
    for (std::int64_t at = segment_of(keys->first); at <= segment_of(keys->last); ++at) segments.push_back(at);
    return segments;
}

key_merge::source keys_by_segment(
    std::vector<std::int64_t> segments, std::function<std::vector<std::int64_t>(std::int64_t segment)> read) {
    return [segments = std::move(segments), read = std::move(read), loaded = std::optional<std::int64_t>(),
            keys = std::vector<std::int64_t>()](std::int64_t below) mutable -> std::optional<std::int64_t> {
        while (const auto at = greatest_below(segments, segment_of(below - 1) + 1)) {
            if (at != loaded) {
                keys = read(*at);
                std::sort(keys.begin(), keys.end());
                loaded = at;
            }
            if (const auto found = greatest_below(keys, below)) return found;
            below = first_key_of(*at);
        }
        return std::nullopt;
    };
}

key_merge::source keys_of_segments(std::vector<std::int64_t> segments) {
    return [segments = std::move(segments)](std::int64_t below) -> std::optional<std::int64_t> {
        const auto at = greatest_below(segments, segment_of(below - 1) + 1);
        if (!at) return std::nullopt;
        return std::min(below - 1, last_key_of(*at));
    };
}

key_merge::source keys_in_all(std::vector<key_merge> filters) {
    expects(!filters.empty(), "keys_in_all: without a filter");
    return [filters = std::move(filters)](std::int64_t below) mutable -> std::optional<std::int64_t> {
        // Each filter goes on from where the one before it ended: a key that all give is never passed.
        std::optional<std::int64_t> found;
        for (int round = 0; round < most_rounds_a_key; ++round) {
            bool do_all_agree = true;
            for (key_merge& filter : filters) {
                const auto greatest = filter.next(below);
                if (!greatest) return std::nullopt;
                if (found && *greatest != *found) do_all_agree = false;
                found = greatest;
                below = *greatest + 1;
            }
            if (do_all_agree) break;
        }
        return found;
    };
}

key_merge::source keys_of_list(std::vector<std::int64_t> keys) {
    std::sort(keys.begin(), keys.end());
    return [keys = std::move(keys)](std::int64_t below) { return greatest_below(keys, below); };
}

} // namespace prooftrack::store
