#include "store/paging.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "base/expects.hpp"

namespace prooftrack::store {

std::optional<std::int64_t> key_merge::next(std::int64_t below) {
    expects(below <= below_, "key_merge: the bound grew");
    below_ = below;
    const auto ask = [&](std::size_t which) {
        const auto greatest = sources_[which](below);
        if (!greatest) return;
        heap_.push_back({*greatest, which});
        std::push_heap(heap_.begin(), heap_.end());
    };
    if (!std::exchange(is_asked_, true)) {
        for (std::size_t i = 0; i < sources_.size(); ++i) ask(i);
    }
    while (!heap_.empty() && heap_.front().greatest >= below) {
        std::pop_heap(heap_.begin(), heap_.end());
        const std::size_t which = heap_.back().source;
        heap_.pop_back();
        ask(which);
    }
    if (heap_.empty()) return std::nullopt;
    return heap_.front().greatest;
}

op_result<std::int64_t> read_cursor(paged_list list, const std::string& cursor, const char* operation) {
    if (cursor.empty()) return std::numeric_limits<std::int64_t>::max();
    std::int64_t below = 0;
    const char* const end = cursor.data() + cursor.size();
    const auto read = std::from_chars(cursor.data() + 1, end, below);
    if (cursor.front() != static_cast<char>(list) || read.ec != std::errc() || read.ptr != end || below < 0) {
        return op_error{
            make_error_code(boost::system::errc::invalid_argument), operation,
            "a cursor that this list never gave out"};
    }
    return below;
}

std::string fill_page(
    paged_list list, key_merge& keys, std::int64_t below, std::size_t limit,
    const std::function<std::optional<std::size_t>(std::int64_t key)>& take) {
    std::size_t taken = 0;
    std::size_t looked_at = 0;
    std::size_t bytes = 0;
    while (const auto key = keys.next(below)) {
        if (taken >= limit || looked_at >= most_rows_looked_at || bytes >= most_page_bytes)
            return static_cast<char>(list) + std::to_string(below);
        below = *key;
        ++looked_at;
        if (const auto added = take(*key)) {
            ++taken;
            bytes += *added;
        }
    }
    return {};
}

} // namespace prooftrack::store
