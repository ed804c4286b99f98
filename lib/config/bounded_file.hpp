#pragma once

// Reads a small file as a whole, never a device or a pipe, and says who may read it.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/result.hpp"

namespace prooftrack::config {

struct file_content {
    std::string text;
    bool is_open_to_others = false; ///< users outside the file's group may read or write it
};

/// Fails (operation `read PATH`) when it cannot be read, is no regular file, or holds more than `most_bytes`.
op_result<file_content> read_bounded_file(const std::filesystem::path& path, std::size_t most_bytes);

/// `read_bounded_file`, or what stands in for it.
using file_reader = std::function<op_result<file_content>(const std::filesystem::path&, std::size_t)>;

/// What changes when a file is written or replaced; cheap to take, for watching a file.
struct file_stamp {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t bytes = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const file_stamp&) const = default;
};
/// nullopt when it is not there or cannot be looked at.
std::optional<file_stamp> stamp_file(const std::filesystem::path& path);

} // namespace prooftrack::config
