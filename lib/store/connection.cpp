#include "store/connection.hpp"

#include <utility>

#include "store/postgres/dialect.hpp"
#include "store/postgres/pg_link.hpp"
#include "store/postgres/pg_statement.hpp"

namespace prooftrack::store {
namespace {

void configure(sqlite3* handle, int option, int value) {
    int now = -1;
    const int code = sqlite3_db_config(handle, option, value, &now);
    if (code != SQLITE_OK) throw sqlite_error(handle, code);
    if (now != value) throw sqlite_error(SQLITE_ERROR, "this SQLite refuses a safety setting");
}

constexpr int steps_between_looks = 10'000; // of SQLite's virtual machine

int is_ended(void* flag) { return static_cast<const std::atomic<bool>*>(flag)->load() ? 1 : 0; }

} // namespace

db_connection::db_connection(std::unique_ptr<pg_link> link) : link_(std::move(link)) {}

db_connection::db_connection(const std::filesystem::path& path, const std::string& vfs) {
    constexpr int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                          SQLITE_OPEN_EXRESCODE;
    const int code = sqlite3_open_v2(path.c_str(), &handle_, flags, vfs.empty() ? nullptr : vfs.c_str());
    try {
        if (code != SQLITE_OK) throw sqlite_error(handle_, code);
        configure(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1);
        configure(handle_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0);
        configure(handle_, SQLITE_DBCONFIG_ENABLE_FKEY, 1);
        configure(handle_, SQLITE_DBCONFIG_DQS_DDL, 0);
        configure(handle_, SQLITE_DBCONFIG_DQS_DML, 0);
    } catch (...) {
        sqlite3_close_v2(std::exchange(handle_, nullptr));
        throw;
    }
}

db_connection::~db_connection() {
    prepared_.clear();
    sqlite3_close_v2(handle_);
}

void db_connection::execute(const std::string& sql) {
    if (is_remote()) return link_->run_script(sql);
    const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) throw sqlite_error(handle_, code);
}

std::string db_connection::ask_text(const std::string& sql) {
    if (is_remote()) return pg_rows(link_->ask(sql)).first_text();
    statement once(handle_, sql);
    query rows = once.select();
    return rows.next() ? rows.string(0) : std::string();
}

std::int64_t db_connection::ask_integer(const std::string& sql) {
    if (is_remote()) return pg_rows(link_->ask(sql)).first_integer();
    statement once(handle_, sql);
    query rows = once.select();
    return rows.next() ? rows.integer(0) : 0;
}

statement& db_connection::prepared(sql_literal sql) {
    auto& slot = prepared_[sql.text()];
    if (slot) return *slot;
    slot = is_remote() ? std::make_unique<statement>(*link_, sql.text())
                       : std::make_unique<statement>(handle_, sql.text());
    return *slot;
}

std::int64_t db_connection::remote_changes() { return link_->changes(); }

void db_connection::end_when(const std::atomic<bool>& flag) {
    if (is_remote()) return link_->end_when(flag);
    sqlite3_progress_handler(handle_, steps_between_looks, &is_ended, const_cast<std::atomic<bool>*>(&flag));
}

void db_connection::forbid_checkpoint_on_close() { configure(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1); }

void db_connection::close() {
    prepared_.clear();
    if (is_remote()) return link_->close();
    const int code = sqlite3_close(handle_);
    if (code != SQLITE_OK) throw sqlite_error(handle_, code);
    handle_ = nullptr;
}

} // namespace prooftrack::store
