#include "store/paging.hpp"

#include <charconv>
#include <limits>

namespace prooftrack {

std::optional<std::int64_t> key_merge::next(std::int64_t below) {
    std::optional<std::int64_t> best;
    for (entry& each : sources_) {
        const bool is_spent = each.asked && !each.greatest;
        if (!is_spent && (!each.asked || *each.greatest >= below)) {
            each.greatest = each.keys(below);
            each.asked = true;
        }
        if (each.greatest && (!best || *each.greatest > *best)) best = each.greatest;
    }
    return best;
}

op_result<std::int64_t> read_cursor(const std::string& cursor, const char* operation) {
    if (cursor.empty()) return std::numeric_limits<std::int64_t>::max();
    std::int64_t below = 0;
    const char* const end = cursor.data() + cursor.size();
    const auto read = std::from_chars(cursor.data(), end, below);
    if (read.ec != std::errc() || read.ptr != end || below < 0) {
        return op_error{make_error_code(boost::system::errc::invalid_argument), operation,
                        "a cursor that was never given out"};
    }
    return below;
}

std::string fill_page(key_merge& keys, std::int64_t below, std::size_t limit,
                      const std::function<std::optional<std::size_t>(std::int64_t key)>& take) {
    std::size_t taken = 0;
    std::size_t looked_at = 0;
    std::size_t bytes = 0;
    while (const auto key = keys.next(below)) {
        if (taken >= limit || looked_at >= most_rows_looked_at || bytes >= most_page_bytes)
            return std::to_string(below);
        below = *key;
        ++looked_at;
        if (const auto added = take(*key)) {
            ++taken;
            bytes += *added;
        }
    }
    return {};
}

} // namespace prooftrack
