#pragma once

// The tables that go from SQLite to PostgreSQL, and their rows in the form in which COPY takes and gives them. Of equal
// rows both sides make equal bytes, so that a digest of them compares the two.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "store/connection.hpp"

struct evp_md_ctx_st; // OpenSSL's

namespace prooftrack::store {

/// One table: its name, the columns by which its rows are ordered, all columns, and of which form each is: 'n' a
/// number, 'b' bytes or text, 'i' an id (row_codec.hpp). PostgreSQL's further columns keep their defaults.
struct copied_table {
    const char* name;
    const char* key;
    const char* columns;
    std::string_view forms;
};
std::span<const copied_table> copied_tables();

/// Statements on PostgreSQL: the table must have been made or emptied by the same transaction.
std::string copy_in_sql(const copied_table& table);
std::string copy_out_sql(const copied_table& table);

/// Reads a table of SQLite, in order, as COPY's binary form. Bounded: pieces of about `piece_bytes`.
class row_stream {
  public:
    row_stream(db_connection& source, const copied_table& table);
    /// Appends the next piece; false behind the last one. Throws sqlite_error.
    bool next(std::string& piece);
    std::uint64_t rows() const { return count_; } ///< so far

  private:
    void append_row(std::string& out) const;

    const copied_table& table_;
    statement select_;
    query rows_;
    std::uint64_t count_ = 0;
    bool has_begun_ = false;
    bool has_ended_ = false;
};

/// SHA-256, piece by piece.
class running_digest {
  public:
    running_digest();
    running_digest(const running_digest&) = delete;
    running_digest& operator=(const running_digest&) = delete;
    ~running_digest();
    void add(std::string_view bytes);
    std::string finish(); ///< hex; once

  private:
    evp_md_ctx_st* state_;
};

} // namespace prooftrack::store
