#pragma once

// The files by which others find the sandbox.

#include <filesystem>
#include <string>
#include <string_view>

namespace prooftrack::sandbox {

/// Makes the directory and removes a `base_url` left over from an earlier run: whoever waits for it waits for this one.
void prepare_directory(const std::filesystem::path& directory);

/// The whole file in one step: written beside it, then renamed. Throws std::system_error that names the path.
void write_atomically(const std::filesystem::path& path, std::string_view text, unsigned mode);

/// `wanted`, or the token of an earlier run, or a new one; written to `client_token` (0600).
std::string keep_token(const std::filesystem::path& directory, const std::string& wanted);

/// A file of at most 64 MiB. Throws std::system_error or std::runtime_error.
std::string read_file(const std::filesystem::path& path);

} // namespace prooftrack::sandbox
