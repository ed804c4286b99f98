#pragma once

// Private to this room: a file while it is being read: the values so far, where each was written, what is wrong.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "config/config.hpp"
#include "config/mistake.hpp"

namespace prooftrack {

struct file_position {
    std::uint32_t line = 0;
    std::uint32_t column = 0;
};

/// Keys are addressed by their path: `proof.base_url`, `callback[0].url`; a table by its own: `proof`, `callback[0]`.
struct config_document {
    std::string file;
    configuration value;
    std::map<std::string, file_position> written; ///< keys and tables that stand in the file
    std::set<std::string> broken;                 ///< keys with a mistake: no further rule looks at them
    config_mistakes mistakes;

    bool has(const std::string& path) const { return written.contains(path); }
    bool is_sound(const std::string& path) const { return !broken.contains(path); }

    /// Blames `path` at the place where it (or, if it is not there, its table) stands.
    void refuse(const std::string& path, std::string problem);
    void refuse_at(file_position where, const std::string& path, std::string problem, std::string nearest = {});
};

/// `callback[3].url` is `callback.url` for people: the line tells which.
std::string readable_path(const std::string& path);

} // namespace prooftrack
