#pragma once

// Rows of text, collected into pieces of a handy size.

#include <functional>
#include <string>
#include <utility>

#include "store/database.hpp"

namespace prooftrack::store {

class piece_writer {
  public:
    static constexpr std::size_t piece_bytes = std::size_t{128} << 10U;

    explicit piece_writer(std::function<void(std::string)> put) : put_(std::move(put)) {}

    /// What is not handed over yet: rows are appended to it.
    std::string& piece() { return piece_; }
    void end_row() {
        if (piece_.size() >= piece_bytes) put_(std::exchange(piece_, {}));
    }
    void end() {
        if (!piece_.empty()) put_(std::exchange(piece_, {}));
    }

  private:
    std::function<void(std::string)> put_;
    std::string piece_;
};

/// Reads a copy of the database and writes what a reader gets of it. Runs once, on a thread of the store's; throws when
/// it cannot go on.
using copy_job = std::function<void(database& copy, piece_writer& out)>;

struct copy_task {
    const char* name = ""; ///< a literal, for errors
    copy_job job;
};

} // namespace prooftrack::store
