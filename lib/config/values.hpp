#pragma once

// Private to this module: one TOML value into one field of the struct, or what is wrong with it.

#include <string>
#include <vector>

#include "config/document.hpp"
#include "config/key_table.hpp"
#include "config/toml_input.hpp"

namespace prooftrack::config {

struct value_problem {
    file_position where;
    std::string text;
};

/// Checks type, unit and range by the table; the field is only written when all is well.
std::vector<value_problem> read_config_value(const toml::node& node, const config_key& key, const config_field& field);

file_position position_of(const toml::source_region& region);

} // namespace prooftrack::config
