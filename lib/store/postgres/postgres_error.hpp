#pragma once

// The errors of PostgreSQL and of the way to it, and what they mean for the store.

#include <string>
#include <string_view>

#include <libpq-fe.h>

#include "store/database_error.hpp"

namespace prooftrack::store {

/// SQLSTATEs of our own, in a class that PostgreSQL does not use.
inline constexpr const char* state_link_lost = "PT001";
inline constexpr const char* state_timed_out = "PT002";
/// PostgreSQL's division_by_zero, which the fence is made of (ownership.hpp); nothing else here divides.
inline constexpr std::string_view state_fenced = "22012";

class postgres_error final : public database_error {
  public:
    postgres_error(std::string state, const std::string& message) : database_error(message), state_(std::move(state)) {}
    /// Of a result that is an error.
    explicit postgres_error(const PGresult* failed);
    /// Of a connection that is none any more.
    explicit postgres_error(const PGconn* lost);

    const std::string& state() const { return state_; } ///< SQLSTATE, five characters
    bool is_class(std::string_view two) const { return std::string_view(state_).substr(0, 2) == two; }
    bool is_full() const { return state_ == "53100"; }
    failure_reach reach() const override;
    op_error describe(std::string operation) const override;

  private:
    std::string state_;
};

/// libpq's message on one line.
std::string one_line(const char* message);

} // namespace prooftrack::store
