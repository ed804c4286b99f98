#pragma once

// The errors of SQLite, and what they mean for the store.

#include <cstdint>
#include <stdexcept>
#include <string>

#include <sqlite3.h>

#include "base/result.hpp"

namespace prooftrack::store {

/// Extended result codes as error codes.
const boost::system::error_category& sqlite_category();

/// How far an error reaches.
enum class failure_reach : std::uint8_t {
    operation, ///< this operation alone: a constraint, a value that is too big
    batch,     ///< disk full: the open transaction is lost, a later one may work
    store,     ///< the disk cannot be trusted any more: stop for good
};

/// A failed call. Carries the extended code and, for I/O, the system's errno.
class sqlite_error : public std::runtime_error {
  public:
    sqlite_error(sqlite3* database, int code);
    sqlite_error(int code, const std::string& message, int system_errno = 0);

    int code() const { return code_; }
    int primary() const { return code_ & 0xFF; }
    failure_reach reach() const;
    /// Whether the file itself is in doubt, so that the next start must check and rewrite it.
    bool doubts_file() const;
    op_error describe(std::string operation) const;

  private:
    int code_;
    int system_errno_;
};

} // namespace prooftrack::store
