#pragma once

// Tells whether a file is another one than at the last look.

#include <filesystem>
#include <optional>
#include <utility>

#include "config/bounded_file.hpp"

namespace prooftrack::daemon {

/// Looks at inode, size and times: one stat a look. Follows symbolic links, so that a swapped link counts.
class file_watch {
  public:
    file_watch() = default;
    /// What the file is now counts as seen: make it before the file is read.
    explicit file_watch(std::filesystem::path path) : path_(std::move(path)), seen_(config::stamp_file(path_)) {}

    const std::filesystem::path& path() const { return path_; }
    /// True once for each change that a look finds, also when the file went and when it came back.
    bool has_changed();

  private:
    std::filesystem::path path_;
    std::optional<config::file_stamp> seen_;
};

} // namespace prooftrack::daemon
