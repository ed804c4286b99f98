#pragma once

// Tells when a file is to be read again.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "config/bounded_file.hpp"

namespace prooftrack::daemon {

/// Looks at inode, size and times: one stat a look. Follows symbolic links, so that a swapped link counts.
class file_watch {
  public:
    file_watch() = default;
    /// What the file is now counts as read: make it before the file is read.
    explicit file_watch(std::filesystem::path path) : path_(std::move(path)), seen_(config::stamp_file(path_)) {}

    const std::filesystem::path& path() const { return path_; }
    /// Whether the file is to be read: it is another one than at the last look, also when it went or came back, or it
    /// could not be read since. Whoever reads it then reports how that went.
    bool is_due();
    void on_read() { failure_.reset(); }
    /// It is due again at the next look. True when that is news: a new error, or the file has changed in between.
    bool on_failed(std::string_view why);

  private:
    std::filesystem::path path_;
    std::optional<config::file_stamp> seen_;
    std::optional<std::string> failure_; ///< of the last reading
};

} // namespace prooftrack::daemon
