#pragma once

// Where the database lies: its directory, its file system, the space on it.

#include <cstdint>
#include <filesystem>
#include <string>

namespace prooftrack::store {

/// Sizes in bytes; 0 for what cannot be measured.
struct disk_usage {
    std::uint64_t db_bytes = 0;
    std::uint64_t wal_bytes = 0;
    std::uint64_t free_bytes = 0; ///< for a user without privileges
    std::uint64_t capacity_bytes = 0;
};
disk_usage measure_disk(const std::filesystem::path& database);

/// So much must be free before a full disk counts as usable again: without it the state would flip with every row. At
/// most 16 MiB, and 2 % of a small file system.
std::uint64_t recovery_bytes(std::uint64_t capacity_bytes);

/// Whether `recovery_bytes` can be allocated beside the database. Allocates them for a moment in a file without a name,
/// so that quotas and the blocks that are kept for root count as the kernel counts them.
bool has_recovery_space(const std::filesystem::path& database);

/// Whether a copy of the database fits beside it, with a margin for what the live one may grow meanwhile.
bool has_space_for_copy(const std::filesystem::path& database);

/// Whether a file system, by statfs's f_type and the type in mountinfo, lies on a network: its locks and syncs cannot
/// be trusted.
bool is_network_file_system(long magic, const std::string& mount_type);

/// Makes the last directory (0700) when it is missing, refuses network file systems and anything that is no directory.
/// Throws store_start_error(75).
void prepare_directory(const std::filesystem::path& database);

/// Makes an empty file (0600) when there is none, and takes the rights of others away from one that is there. Throws
/// store_start_error(75).
void prepare_file(const std::filesystem::path& database);

/// Makes renames and new names in the directory durable; false with errno on failure.
bool sync_directory(const std::filesystem::path& directory);
/// Makes a closed file's bytes durable; false with errno on failure.
bool sync_file(const std::filesystem::path& file);

/// `PATH` + `suffix`.
std::filesystem::path beside(const std::filesystem::path& database, const std::string& suffix);
/// The directory part, "." for a bare name.
std::filesystem::path directory_of(const std::filesystem::path& database);

} // namespace prooftrack::store
