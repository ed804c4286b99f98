#pragma once

// The errors of SQLite, and what they mean for the store.

#include <string>

#include <sqlite3.h>

#include "store/database_error.hpp"

namespace prooftrack::store {

/// Extended result codes as error codes.
const boost::system::error_category& sqlite_category();

/// A failed call. Carries the extended code and, for I/O, the system's errno.
class sqlite_error final : public database_error {
  public:
    sqlite_error(sqlite3* database, int code);
    sqlite_error(int code, const std::string& message, int system_errno = 0);

    int code() const { return code_; }
    int primary() const { return code_ & 0xFF; }
    failure_reach reach() const override;
    /// Whether the file itself is in doubt, so that the next start must check and rewrite it.
    bool doubts_file() const;
    op_error describe(std::string operation) const override;

  private:
    int code_;
    int system_errno_;
};

} // namespace prooftrack::store
