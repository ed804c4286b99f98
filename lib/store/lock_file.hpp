#pragma once

// One daemon a database: a lock beside it, which also carries the mark of a store that failed.

#include <filesystem>

namespace prooftrack {

/// Holds flock on `PATH.lock` for its life. The file stays: its first byte says whether the last holder met an error
/// after which the database must be checked and rewritten ('!') or not ('.'), the rest is the holder's pid. The byte is
/// there before it is needed, because a disk that fails may not take a new one.
class lock_file {
  public:
    /// Throws store_start_error(75), naming the holder when there is one.
    explicit lock_file(const std::filesystem::path& database);
    lock_file(const lock_file&) = delete;
    lock_file& operator=(const lock_file&) = delete;
    ~lock_file();

    /// Whether the last holder marked the database.
    bool is_marked() const { return is_marked_; }
    /// Best effort: false when the disk does not even take this byte.
    bool mark() noexcept;
    /// After a rewrite. Throws store_start_error(75).
    void clear_mark();

  private:
    bool write_byte(char byte) noexcept;

    std::filesystem::path path_;
    int descriptor_ = -1;
    bool is_marked_ = false;
};

} // namespace prooftrack
