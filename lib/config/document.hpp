#pragma once

// Private to this module: a file while it is being read: the values so far, where each was written, what is wrong.

#include <set>
#include <string>
#include <utility>

#include "config/config.hpp"
#include "config/mistake.hpp"
#include "config/places.hpp"

namespace prooftrack::config {

struct config_document {
    explicit config_document(std::string file) : places(std::move(file)) {}

    configuration value;
    config_places places;         ///< keys and tables that stand in the file
    std::set<std::string> broken; ///< keys with a mistake: no further rule looks at them
    config_mistakes mistakes;

    bool has(const std::string& path) const { return places.has(path); }
    bool is_sound(const std::string& path) const { return !broken.contains(path); }

    /// Blames `path` at the place where it (or, if it is not there, its table) stands.
    void refuse(const std::string& path, std::string problem);
    void refuse_at(file_position where, const std::string& path, std::string problem, std::string nearest = {});
};

} // namespace prooftrack::config
