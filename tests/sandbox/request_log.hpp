#pragma once

// What was asked: a bounded, compact list of requests. Pure.

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace prooftrack::sandbox {

/// Keeps the newest requests in at most `most_bytes` (about a million polls of UUIDs in 80 MiB); the oldest go first.
class request_log {
  public:
    static constexpr std::size_t piece_bytes = 1U << 20U;
    static constexpr std::size_t longest_path = 1'024;

    explicit request_log(std::size_t most_bytes = 80U << 20U) : most_pieces_(most_bytes / piece_bytes) {}

    /// `status` 0 = nothing that a client would call a reply was sent.
    void append(wall_time arrival, std::string_view method, std::string_view target, int status);
    void clear() { pieces_.clear(); }

    /// The list as a JSON array in pieces (each call appends one; false = it was the last), of what is there now: later
    /// requests do not show up. Only paths that begin with `prefix`.
    std::function<bool(std::string&)> format(std::string prefix) const;

  private:
    std::size_t most_pieces_;
    std::deque<std::shared_ptr<std::string>> pieces_; ///< records back to back; appended to, never changed
};

} // namespace prooftrack::sandbox
