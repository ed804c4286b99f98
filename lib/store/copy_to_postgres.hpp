#pragma once

// The way from a file of SQLite to PostgreSQL, while no daemon runs on either.
//
// Everything goes in one transaction of PostgreSQL, the tables included: an attempt that is broken off at any moment
// leaves nothing behind. What is there is read back before COMMIT, and its SHA-256 compared with that of the rows that
// were read from the file; the digest of all stays as the comment of the table `counters`. Then the file is marked. If
// that was broken off, another attempt finds the comment and its own file unchanged, and only marks it.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "store/store.hpp"

namespace prooftrack::store {

/// How far a copy is: rows of that table, first as they are sent, then in one step what is checked.
struct copy_progress {
    std::string_view table;
    std::uint64_t rows = 0;
    bool is_checking = false;
};

struct copy_report {
    bool was_complete = false;                 ///< an earlier attempt had done all but the mark
    std::map<std::string, std::uint64_t> rows; ///< by table
    std::string log_id;
    std::string place; ///< for people: which database, and where
};

/// Copies, checks and marks. Throws store_start_error, and nothing has changed then: 1 when the target is in use or the
/// file was moved before; 65 when the file is damaged, foreign or newer; 75 when it may work later.
copy_report copy_to_postgres(
    const std::filesystem::path& file, const postgres_options& target,
    const std::function<void(const copy_progress&)>& on_progress);

struct unmark_report {
    std::string place; ///< where the data had gone; "" = there was no mark, nothing was changed
    std::string log_id;
};
/// Takes the mark away. Throws store_start_error.
unmark_report unmark_moved_file(const std::filesystem::path& file);

} // namespace prooftrack::store
