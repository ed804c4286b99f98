#include "store/sqlite_error.hpp"

#include <cerrno>
#include <system_error>

namespace prooftrack::store {
namespace {

class sqlite_category_type final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "sqlite"; }
    std::string message(int value) const override { return sqlite3_errstr(value); }
};

std::string describe_now(sqlite3* database, int code) {
    return database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code);
}

/// A failed COMMIT of a WAL leaves sqlite3_system_errno at 0 (3.40): then errno itself, which query::next has cleared.
int system_errno_of(sqlite3* database, int code) {
    if (database == nullptr) return 0;
    const int now = errno;
    const int reported = sqlite3_system_errno(database);
    return reported == 0 && code == SQLITE_IOERR_WRITE ? now : reported;
}

} // namespace

const boost::system::error_category& sqlite_category() {
    static const sqlite_category_type category;
    return category;
}

sqlite_error::sqlite_error(sqlite3* database, int code)
    : database_error(describe_now(database, code)), code_(code), system_errno_(system_errno_of(database, code)) {}

sqlite_error::sqlite_error(int code, const std::string& message, int system_errno)
    : database_error(message), code_(code), system_errno_(system_errno) {}

failure_reach sqlite_error::reach() const {
    switch (primary()) {
    case SQLITE_FULL:
        return failure_reach::batch;
    case SQLITE_IOERR:
        // SQLite maps ENOSPC to FULL but not a used-up quota. Nothing was promised by a write that failed before its
        // commit.
        return code_ == SQLITE_IOERR_WRITE && (system_errno_ == EDQUOT || system_errno_ == ENOSPC)
                   ? failure_reach::batch
                   : failure_reach::store;
    case SQLITE_READONLY:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
    case SQLITE_PERM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
        return failure_reach::store;
    default:
        return failure_reach::operation;
    }
}

bool sqlite_error::doubts_file() const {
    const int what = primary();
    return what == SQLITE_IOERR || what == SQLITE_READONLY || what == SQLITE_CORRUPT || what == SQLITE_NOTADB ||
           what == SQLITE_CANTOPEN;
}

op_error sqlite_error::describe(std::string operation) const {
    std::string detail = what();
    if (primary() == SQLITE_IOERR && system_errno_ != 0) {
        detail += ": " + std::generic_category().message(system_errno_);
    }
    return {error_code(code_, sqlite_category()), std::move(operation), std::move(detail)};
}

} // namespace prooftrack::store
