#pragma once

// A prepared statement of PostgreSQL and the rows of one run; statement.hpp is what others use.

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/postgres/pg_link.hpp"

namespace prooftrack::store {

/// Rows until `next` is false: all of them in memory, or those of a cursor, a few hundred at a time.
class pg_rows {
  public:
    explicit pg_rows(pg_result rows) : rows_(std::move(rows)) {}
    /// `owns_transaction`: it was begun for this cursor, and ends with it.
    pg_rows(pg_link& link, std::string cursor, bool owns_transaction);
    pg_rows(const pg_rows&) = delete;
    pg_rows& operator=(const pg_rows&) = delete;
    ~pg_rows();

    bool next();
    bool is_null(int column) const { return PQgetisnull(rows_.get(), row_, column) != 0; }
    std::int64_t integer(int column) const; ///< of a number or a truth value; 0 for NULL
    std::string_view text(int column) const;
    std::string first_text();
    std::int64_t first_integer();

  private:
    pg_result rows_;
    int row_ = -1;
    pg_link* link_ = nullptr; ///< of a cursor
    std::string cursor_;
    bool owns_transaction_ = false;
};

class pg_statement final : public kept_rows {
  public:
    /// `sql` is the shared text (dialect.hpp), and outlives this.
    pg_statement(pg_link& link, std::string_view sql);

    /// A run with so many parameters, which are bound next, from 1. Bytes are used in place.
    void begin(std::size_t parameters);
    void bind_null(int index) { values_.at(static_cast<std::size_t>(index) - 1) = {}; }
    void bind_bytes(int index, std::string_view bytes);
    void bind_number(int index, std::int64_t number);

    std::unique_ptr<pg_rows> select();
    std::unique_ptr<pg_rows> stream();
    void execute();
    /// Of INSERT … VALUES: keeps the row, to send many at once. Nobody hears how many there were before (ON CONFLICT).
    void append();

    std::string_view table() const override { return table_; }
    void post_kept() override;
    void drop_kept() override;

  private:
    /// An INSERT of several rows.
    struct wide_insert {
        std::size_t rows = 0;
        std::string name; ///< prepared as, "" = not yet
    };

    void prepare();
    void post_rows(std::size_t first, wide_insert& how);

    pg_link& link_;
    std::string_view shared_;
    std::string_view table_; ///< that it changes; "" = it may look at others too
    std::string sql_;
    std::string name_;
    std::size_t parameters_;
    bool is_prepared_ = false;
    std::vector<pg_value> values_;
    std::vector<std::array<char, 8>> numbers_; ///< one for each parameter

    /// A parameter of a kept row.
    struct kept_value {
        std::size_t at = 0; ///< in bytes_
        int length = -1;    ///< -1 = NULL
    };
    std::vector<kept_value> kept_;
    std::string bytes_;
    std::array<wide_insert, 3> inserts_{{{64, {}}, {8, {}}, {1, {}}}};
};

} // namespace prooftrack::store
