#pragma once

// A configuration file's text into the validated struct, or every mistake in it.

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/bounded_file.hpp"
#include "config/config.hpp"
#include "config/mistake.hpp"
#include "config/places.hpp"

namespace prooftrack::config {

/// Most bytes of a configuration file.
inline constexpr std::size_t max_configuration_bytes = 1'048'576;
/// Most bytes of one line: a list may go over several.
inline constexpr std::size_t max_line_bytes = 8'192;
/// Most mistakes that are reported; a last one then says how many more there are.
inline constexpr std::size_t max_reported_mistakes = 100;
/// Most [[callback]] tables.
inline constexpr std::size_t max_callbacks = 256;

/// What the rules need to know of the world besides the text.
struct config_surroundings {
    /// Whether a systemd credential of that name was passed; empty = none is.
    std::function<bool(const std::string&)> has_credential;
};

struct configuration_reading {
    configuration value;
    std::vector<std::string>
        warnings; ///< for `config.warning`, a sentence each; the configuration is valid all the same
};

/// What could be read of a file, right or wrong: for further checks of the files that it names.
struct configuration_draft {
    bool is_toml = false;         ///< false: there is one mistake and nothing else
    configuration value;          ///< obeys every rule only without mistakes
    config_places places;         ///< where its keys stand
    std::set<std::string> broken; ///< paths of keys with a mistake: their values mean nothing
    config_mistakes mistakes;
    std::vector<std::string> warnings; ///< only without mistakes

    bool is_sound(const std::string& path) const { return !broken.contains(path); }
};

using configuration_outcome = std::variant<configuration_reading, config_mistakes>;

/// All mistakes at once, in the order of the file; a syntax error alone. `file_name` is only printed.
configuration_outcome parse_configuration(
    std::string_view toml, const std::string& file_name, const config_surroundings& surroundings = {});

configuration_draft draft_configuration(
    std::string_view toml, const std::string& file_name, const config_surroundings& surroundings = {});

/// Reads the file; one that cannot be read is one mistake.
configuration_draft load_configuration(
    const std::filesystem::path& file, const config_surroundings& surroundings = {},
    const file_reader& read = read_bounded_file);

/// Sorts by place; of more than `max_reported_mistakes` the last then says how many more there are.
void order_and_bound(config_mistakes& mistakes);

} // namespace prooftrack::config
