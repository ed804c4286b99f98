#pragma once

// One daemon a database: a lock beside it, which also carries the mark of a store that failed, or lost its file.

#include <filesystem>

namespace prooftrack::store {

/// Holds flock on `PATH.lock` for its life. The file stays: its first byte says whether the last holder met an error
/// after which the database must be checked and rewritten ('!'), found its file moved away ('?'), refused
/// the file as damaged, foreign or too new ('x'), or none of these ('.'); the rest is the holder's pid. The byte is
/// there before it is needed, because a disk that fails may not take a new one.
class lock_file {
  public:
    /// Throws store_start_error(75), naming the holder when there is one.
    explicit lock_file(const std::filesystem::path& database);
    lock_file(const lock_file&) = delete;
    lock_file& operator=(const lock_file&) = delete;
    ~lock_file();

    /// Whether the last holder doubted the database.
    bool is_marked() const { return mark_ == '!'; }
    /// Whether the file of the last holder was moved or removed.
    bool was_taken_away() const { return mark_ == '?'; }
    /// Whether the file is being, or will be, replaced: no empty one may be created in its place.
    bool needs_a_file() const { return mark_ != '.'; }
    /// Best effort: false when the disk does not even take this byte.
    bool mark() noexcept;
    bool mark_taken_away() noexcept;
    /// Leaves any other mark as it is.
    bool mark_refused() noexcept;
    /// After a rewrite, or with a file that is there again. Throws store_start_error(75).
    void clear_mark();

  private:
    bool write_byte(char byte) noexcept;

    std::filesystem::path path_;
    int descriptor_ = -1;
    char mark_ = '.';
};

} // namespace prooftrack::store
