#pragma once

// What is wrong with a configuration file, and where.

#include <cstdint>
#include <string>
#include <vector>

namespace prooftrack::config {

/// One mistake. The line that a person sees is `format_mistake`.
struct config_mistake {
    std::string file;
    std::uint32_t line = 0;   ///< counts from 1; 0 = the file as a whole
    std::uint32_t column = 0; ///< counts from 1, in characters; 0 = the file as a whole
    std::string key;          ///< `proof.base_url`; "" when no key is to blame
    std::string problem;      ///< what is wrong and what to write instead
    std::string nearest;      ///< only for an unknown key: the valid one that looks most like it
};
using config_mistakes = std::vector<config_mistake>;

/// `FILE:LINE:COLUMN: KEY: problem`, one line.
std::string format_mistake(const config_mistake& mistake);

} // namespace prooftrack::config
