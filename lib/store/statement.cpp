#include "store/statement.hpp"

#include <cerrno>

#include <stdexcept>

#include "store/postgres/pg_statement.hpp"
#include "store/sqlite_error.hpp"

namespace prooftrack::store {

query::query(std::unique_ptr<pg_rows> rows) : rows_(rows.release()) {}

query::~query() {
    if (statement_ == nullptr) {
        delete rows_;
        return;
    }
    sqlite3_reset(statement_); // repeats the error of the last step, which was thrown already
    sqlite3_clear_bindings(statement_);
}

bool query::next() {
    if (statement_ == nullptr) return rows_->next();
    errno = 0; // sqlite_error reads it
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    throw sqlite_error(sqlite3_db_handle(statement_), code);
}

std::optional<wall_time> query::optional_time(int column) const {
    if (is_null(column)) return std::nullopt;
    return time(column);
}

std::string_view query::text(int column) const {
    if (statement_ == nullptr) return rows_->text(column);
    const void* const bytes = sqlite3_column_blob(statement_, column);
    if (bytes == nullptr) return {};
    return {static_cast<const char*>(bytes), static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

bool query::is_remote_null(int column) const { return rows_->is_null(column); }
std::int64_t query::remote_integer(int column) const { return rows_->integer(column); }

statement::statement(sqlite3* database, std::string_view sql) {
    const int code = sqlite3_prepare_v3(
        database, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &handle_, nullptr);
    if (code != SQLITE_OK) throw sqlite_error(database, code);
}

statement::statement(pg_link& link, std::string_view sql) : remote_(std::make_unique<pg_statement>(link, sql)) {}

statement::~statement() { sqlite3_finalize(handle_); }

void statement::require_ready(std::size_t parameters) const {
    if (handle_ == nullptr) return remote_->begin(parameters);
    if (sqlite3_stmt_busy(handle_) != 0) {
        throw std::logic_error(std::string("a statement is run inside its own run: ") + sqlite3_sql(handle_));
    }
    if (static_cast<std::size_t>(sqlite3_bind_parameter_count(handle_)) != parameters) {
        throw std::logic_error(std::string("wrong number of parameters for: ") + sqlite3_sql(handle_));
    }
}

void statement::check(int code) {
    if (code != SQLITE_OK) throw sqlite_error(sqlite3_db_handle(handle_), code);
}

query statement::select_remote() { return query(remote_->select()); }
query statement::stream_remote() { return query(remote_->stream()); }
void statement::execute_remote() { remote_->execute(); }
void statement::append_remote() { remote_->append(); }
void statement::bind_remote(int index, std::int64_t value) { remote_->bind_number(index, value); }

void statement::bind(int index, std::nullopt_t, sqlite3_destructor_type) {
    if (handle_ == nullptr) return remote_->bind_null(index);
    check(sqlite3_bind_null(handle_, index));
}

// Not inline: g++ 12 believes that the empty one is read.
void statement::bind(int index, const std::optional<wall_time>& value, sqlite3_destructor_type life) {
    if (value) {
        bind(index, *value, life);
    } else {
        bind(index, std::nullopt, life);
    }
}

void statement::bind(int index, blob_view value, sqlite3_destructor_type life) {
    if (handle_ == nullptr) return remote_->bind_bytes(index, value.bytes);
    // A null pointer would bind NULL: an empty BLOB needs an address.
    const char* const data = value.bytes.empty() ? "" : value.bytes.data();
    check(sqlite3_bind_blob64(handle_, index, data, value.bytes.size(), life));
}

void statement::bind(int index, std::string_view value, sqlite3_destructor_type life) {
    if (handle_ == nullptr) return remote_->bind_bytes(index, value);
    const char* const data = value.empty() ? "" : value.data();
    check(sqlite3_bind_text64(handle_, index, data, value.size(), life, SQLITE_UTF8));
}

} // namespace prooftrack::store
