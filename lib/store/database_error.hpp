#pragma once

// What went wrong in the database, whichever it is, and how far it reaches.

#include <cstdint>
#include <stdexcept>
#include <string>

#include "base/result.hpp"

namespace prooftrack::store {

/// How far an error reaches.
enum class failure_reach : std::uint8_t {
    operation, ///< this operation alone: a constraint, a value that is too big
    batch,     ///< the open transaction is lost, a later one may work: disk full, a lock that was not got
    link,      ///< the connection is lost: another one may work. Of PostgreSQL alone
    store,     ///< the disk cannot be trusted any more, or another daemon writes: stop for good
};

class database_error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
    virtual failure_reach reach() const = 0;
    virtual op_error describe(std::string operation) const = 0;
};

} // namespace prooftrack::store
