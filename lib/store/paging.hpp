#pragma once

// Newest-first paging by key: a page is what lies below a cursor, so rows that are added meanwhile move nothing.

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace prooftrack::store {

/// Most rows that one page looks at: a filter that matches seldom gives a short page and a cursor instead of a long
/// stall.
inline constexpr std::size_t most_rows_looked_at = 2000;
/// Most bytes of bodies in one page; at least one row is given.
inline constexpr std::size_t most_page_bytes = std::size_t{8} << 20U;

/// Keys below a bound, greatest first, merged from several sources of which each knows its own greatest key below a
/// bound.
class key_merge {
  public:
    using source = std::function<std::optional<std::int64_t>(std::int64_t below)>;
    /// All before the first `next`.
    void add(source keys) { sources_.push_back(std::move(keys)); }
    std::size_t sources() const { return sources_.size(); }

    /// The greatest key below. `below` must not grow from call to call.
    std::optional<std::int64_t> next(std::int64_t below);

  private:
    struct entry {
        std::int64_t greatest = 0;
        std::size_t source = 0;
        bool operator<(const entry& other) const { return greatest < other.greatest; }
    };
    std::vector<source> sources_;
    std::vector<entry> heap_; ///< the greatest key on top; without the sources that are spent
    bool is_asked_ = false;
    std::int64_t below_ = std::numeric_limits<std::int64_t>::max(); ///< of the last call
};

/// Whose pages: a cursor of one list means nothing in another, and begins with its list's letter.
enum class paged_list : char { transactions = 't', deliveries = 'd' };

/// The bound that a cursor stands for ("" = everything); an error for text that no page of this list gave out.
op_result<std::int64_t> read_cursor(paged_list list, const std::string& cursor, const char* operation);

/// Fills a page: `next` gives keys, `take` looks at one and returns the bytes that it added to the page, or nullopt
/// when the row does not match. Returns the next cursor, "" at the end.
std::string fill_page(
    paged_list list, key_merge& keys, std::int64_t below, std::size_t limit,
    const std::function<std::optional<std::size_t>(std::int64_t key)>& take);

} // namespace prooftrack::store
