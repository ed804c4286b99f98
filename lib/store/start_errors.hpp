#pragma once

// The messages for people when the database cannot be opened.

#include <cstdint>
#include <filesystem>
#include <string>

#include "store/sqlite_error.hpp"

namespace prooftrack::store {

/// 65, with the way to restore. Nothing is deleted.
[[noreturn]] void throw_damaged(const std::filesystem::path& database, const std::string& why);
/// 65: the file of another program.
[[noreturn]] void throw_foreign(const std::filesystem::path& database, std::int64_t found_id);
/// 65, with the commands for the way back.
[[noreturn]] void throw_newer(const std::filesystem::path& database, std::int64_t found, std::int64_t newest);
/// 65: its data went to PostgreSQL (moved_mark.hpp).
[[noreturn]] void throw_moved(const std::filesystem::path& database, const std::string& place);
/// 75: the file was moved or removed while a daemon ran, or after one refused it, and no other has come yet.
[[noreturn]] void throw_taken_away(const std::filesystem::path& database);
/// 65 or 75, by what SQLite said.
[[noreturn]] void throw_start_error(const std::filesystem::path& database, const sqlite_error& error);

} // namespace prooftrack::store
