#pragma once

// The keys that webhooks are signed with and the headers that are sent along, from their files.

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/secret_header.hpp"
#include "config/bounded_file.hpp"

namespace prooftrack::daemon {

struct webhook_keys {
    std::vector<secret> keys;              ///< decoded, the newest first
    std::vector<std::string> fingerprints; ///< of the lines, in the same order
    bool is_open_to_others = false;
};

/// Errors name the file and the line, never its text.
op_result<webhook_keys> read_webhook_keys(const std::filesystem::path& file, const config::file_reader& read);

struct webhook_headers {
    std::vector<secret_header> headers;
    bool is_open_to_others = false;
};

/// The same for a headers_file.
op_result<webhook_headers> read_webhook_headers(const std::filesystem::path& file, const config::file_reader& read);

} // namespace prooftrack::daemon
