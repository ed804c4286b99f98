#pragma once

// One prepared statement and the guard that runs it once. Parameters are always bound, never spliced into the text.
//
// There are two kinds of database behind it, and every column and parameter asks which: a branch that is always the
// same one, where a virtual call would be several times as much as reading an integer is.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include <sqlite3.h>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace prooftrack::store {

class pg_link;
class pg_rows;
class pg_statement;

/// How SQL is written in this module: a raw string literal R"sql(...)sql", keywords in capitals, one clause a line,
/// values only as parameters (a number of our own in a PRAGMA, which takes none, goes in by fmt). What takes more than
/// one short line is a `static constexpr sql_literal` right before the call, so that the columns stand beside the code
/// that reads them by number.
///
/// Both databases get the same text, so it says only what both understand. Three things are taken out or replaced for
/// PostgreSQL (postgres/dialect.hpp): the `?`, INDEXED BY, and CROSS JOIN with ON, by which SQLite keeps an order.
///
/// Only a literal becomes one, which the compiler checks: the cache of prepared statements finds it by its address.
class sql_literal {
  public:
    consteval sql_literal(const char* text) : text_(text) {} // implicit: a literal is passed as it is
    constexpr const char* text() const { return text_; }

  private:
    const char* text_;
};

/// Text as an argument of a template.
template <std::size_t size>
struct sql_text {
    consteval sql_text(const char (&literal)[size]) { std::copy_n(literal, size, text); } // implicit, as above
    char text[size] = {};
};

/// Two literals as one, for statements that begin alike.
template <sql_text first, sql_text second>
class joined_sql {
    static constexpr auto join() {
        std::array<char, sizeof first.text + sizeof second.text - 1> both{};
        std::copy_n(second.text, sizeof second.text, std::copy_n(first.text, sizeof first.text - 1, both.begin()));
        return both;
    }
    static constexpr auto text = join();

  public:
    static constexpr sql_literal literal = text.data();
};

/// Bytes that are bound as a BLOB.
struct blob_view {
    std::string_view bytes;
};

/// Views raw bytes (a digest) as a BLOB.
inline blob_view as_blob(std::span<const std::uint8_t> bytes) {
    return {{reinterpret_cast<const char*>(bytes.data()), bytes.size()}};
}

/// One run of a statement: rows until `next` is false. Resets the statement and forgets its parameters when it goes, so
/// that no read transaction stays open behind it. Views into columns hold until the next call of `next`.
class query {
  public:
    explicit query(sqlite3_stmt* statement) : statement_(statement) {}
    explicit query(std::unique_ptr<pg_rows> rows);
    query(const query&) = delete;
    query& operator=(const query&) = delete;
    ~query();

    /// True when there is a row. Throws database_error.
    bool next();

    bool is_null(int column) const {
        if (statement_ == nullptr) return is_remote_null(column);
        return sqlite3_column_type(statement_, column) == SQLITE_NULL;
    }
    /// Whether bytes and text share the column, and this is bytes: only SQLite has such a column.
    bool is_blob(int column) const {
        return statement_ != nullptr && sqlite3_column_type(statement_, column) == SQLITE_BLOB;
    }
    std::int64_t integer(int column) const {
        return statement_ == nullptr ? remote_integer(column) : sqlite3_column_int64(statement_, column);
    }
    std::uint64_t count(int column) const { return static_cast<std::uint64_t>(integer(column)); }
    bool flag(int column) const { return integer(column) != 0; }
    wall_time time(int column) const { return wall_time(milliseconds(integer(column))); }
    std::optional<wall_time> optional_time(int column) const;
    std::string_view text(int column) const; ///< "" for NULL; TEXT or BLOB
    std::string string(int column) const { return std::string(text(column)); }

  private:
    bool is_remote_null(int column) const;
    std::int64_t remote_integer(int column) const;

    sqlite3_stmt* statement_ = nullptr; ///< or `rows_`
    pg_rows* rows_ = nullptr;           ///< owned; no unique_ptr, which needs to know more of it in each constructor
};

/// Prepared once, run many times, one run at a time.
class statement {
  public:
    statement(sqlite3* database, std::string_view sql); ///< throws sqlite_error
    statement(pg_link& link, std::string_view sql);     ///< prepared there at its first run; `sql` outlives it
    statement(const statement&) = delete;
    statement& operator=(const statement&) = delete;
    ~statement();

    /// Whether ids that are UUIDs stand in the database as bytes (row_codec.hpp).
    bool packs_ids() const { return handle_ != nullptr; }

    /// Starts a run that gives rows. The parameters are copied: temporaries are fine. Of PostgreSQL all rows are in
    /// memory then.
    template <class... Args>
    query select(const Args&... args) {
        bind_all(SQLITE_TRANSIENT, args...);
        if (handle_ == nullptr) return select_remote();
        return query(handle_);
    }

    /// The same for any number of rows: PostgreSQL gives a few at a time.
    template <class... Args>
    query stream(const Args&... args) {
        bind_all(SQLITE_TRANSIENT, args...);
        if (handle_ == nullptr) return stream_remote();
        return query(handle_);
    }

    /// Runs to the end, ignoring rows. The parameters are used in place. PostgreSQL's errors may come with a later
    /// statement, also one of another operation: whoever commits waits for them (pg_link::finish).
    template <class... Args>
    void execute(const Args&... args) {
        bind_all(SQLITE_STATIC, args...);
        if (handle_ == nullptr) return execute_remote();
        query run(handle_);
        while (run.next()) {
        }
    }

    /// The same of an INSERT … VALUES of one row whose outcome nobody asks for: PostgreSQL gets many rows at once,
    /// before anything else is done with the table or read.
    template <class... Args>
    void append(const Args&... args) {
        if (handle_ != nullptr) return execute(args...);
        bind_all(SQLITE_STATIC, args...);
        append_remote();
    }

  private:
    template <class... Args>
    void bind_all([[maybe_unused]] sqlite3_destructor_type life, const Args&... args) {
        require_ready(sizeof...(args));
        [[maybe_unused]] int index = 0;
        (bind(++index, args, life), ...);
    }
    void require_ready(std::size_t parameters) const;
    void check(int code);
    query select_remote();
    query stream_remote();
    void execute_remote();
    void append_remote();
    void bind_remote(int index, std::int64_t value);

    void bind(int index, std::nullopt_t, sqlite3_destructor_type);
    void bind(int index, blob_view value, sqlite3_destructor_type life);
    void bind(int index, std::string_view value, sqlite3_destructor_type life);
    void bind(int index, wall_time value, sqlite3_destructor_type life) {
        bind(index, value.time_since_epoch().count(), life);
    }
    void bind(int index, event_seq value, sqlite3_destructor_type life) { bind(index, value_of(value), life); }
    void bind(int index, delivery_id value, sqlite3_destructor_type life) { bind(index, value_of(value), life); }
    template <class Number>
    requires(std::is_integral_v<Number> || std::is_enum_v<Number>) void bind(
        int index, Number value, sqlite3_destructor_type) {
        if (handle_ == nullptr) return bind_remote(index, static_cast<std::int64_t>(value));
        check(sqlite3_bind_int64(handle_, index, static_cast<sqlite3_int64>(value)));
    }
    void bind(int index, const std::optional<wall_time>& value, sqlite3_destructor_type life);
    template <class Value>
    void bind(int index, const std::optional<Value>& value, sqlite3_destructor_type life) {
        if (value) {
            bind(index, *value, life);
        } else {
            bind(index, std::nullopt, life);
        }
    }

    sqlite3_stmt* handle_ = nullptr; ///< or `remote_`
    std::unique_ptr<pg_statement> remote_;
};

} // namespace prooftrack::store
