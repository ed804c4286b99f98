#pragma once

// How values become columns and back.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/ids.hpp"
#include "store/statement.hpp"
#include "track/types.hpp"

namespace prooftrack::store {

/// A transaction id as the `id` column keeps it: a canonical lower-case UUID as its 16 bytes (the unique index is half
/// as large, so an import touches half the pages), anything else as its text. No two ids share a column value.
class packed_id {
  public:
    explicit packed_id(std::string_view id);
    bool is_uuid() const { return is_uuid_; }
    /// What to bind: 16 bytes or the text. Views the id that it was made from, or this object.
    std::string_view bytes() const {
        return is_uuid_ ? std::string_view(reinterpret_cast<const char*>(uuid_.data()), uuid_.size()) : text_;
    }

  private:
    std::string_view text_;
    std::array<std::uint8_t, 16> uuid_{};
    bool is_uuid_ = false;
};

/// The id's text of 16 packed bytes.
std::string unpack_uuid(std::string_view bytes);

/// The key in the first column of the first row; nullopt without a row.
inline std::optional<std::int64_t> first_key(query row) {
    return row.next() ? std::optional(row.integer(0)) : std::nullopt;
}

/// Printable ASCII, as every id is: PostgreSQL's text refuses what is no UTF-8 at all.
bool is_plain_ascii(std::string_view text);

/// Runs `statement` with the id as its first parameter. A text that can be no id finds none.
template <class... Args>
query select_by_id(statement& run, std::string_view id, const Args&... args) {
    const packed_id packed(id);
    if (packed.is_uuid() && run.packs_ids()) return run.select(blob_view{packed.bytes()}, args...);
    return run.select(is_plain_ascii(id) ? id : std::string_view(), args...);
}

/// Reads the id column. A value that is no id is a damaged database: throws sqlite_error.
transaction_id read_id(const query& row, int column);

/// Reads the facts from 13 columns: state, watched, status, tracked_at, overdue_at, settled_at, not_found_since,
/// recheck_until, last_polled_at, polls, bad_requests, verifications_done, was_overdue.
track::tracking_facts read_facts(const query& row, int first);

/// A statement of rows of `transactions` with what the engine takes over; `rest` comes behind the table's name.
/// Columns: 0 id, 1 to 13 as of read_facts, 14 revision, 15 row.
template <sql_text rest>
inline constexpr sql_literal select_active = joined_sql<
    R"sql(
        SELECT id, state, watched, status, tracked_at, overdue_at, settled_at, not_found_since,
            recheck_until, last_polled_at, polls, bad_requests, verifications_done, was_overdue,
            revision, row
        FROM transactions)sql",
    rest>::literal;

/// Enumerators read from a column; a number outside is a damaged database: throws sqlite_error.
track::tracking_state read_tracking_state(const query& row, int column);
track::delivery_state read_delivery_state(const query& row, int column);

/// The low 32 bits of the column.
row_revision read_revision(const query& row, int column);

/// "" as NULL.
inline std::optional<std::string_view> null_if_empty(std::string_view text) {
    if (text.empty()) return std::nullopt;
    return text;
}

std::array<std::uint8_t, 32> sha256_of(std::string_view bytes);
std::string to_hex(std::string_view bytes);

} // namespace prooftrack::store
