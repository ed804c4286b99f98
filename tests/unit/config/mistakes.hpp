#pragma once

#include <string>
#include <vector>

#include "config/parse.hpp"

namespace prooftrack::config {

/// Every mistake of the file `f.toml` with this text, as its line.
inline std::vector<std::string> mistakes(const std::string& text) {
    std::vector<std::string> lines;
    for (const auto& mistake : draft_configuration(text, "f.toml").mistakes) lines.push_back(format_mistake(mistake));
    return lines;
}

} // namespace prooftrack::config
