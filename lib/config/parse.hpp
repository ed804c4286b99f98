#pragma once

// A configuration file's text into the validated struct, or every mistake in it.

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "config/config.hpp"
#include "config/mistake.hpp"

namespace prooftrack {

/// Most bytes of a configuration file.
inline constexpr std::size_t max_configuration_bytes = 1'048'576;
/// Most bytes of one line: a list may go over several.
inline constexpr std::size_t max_line_bytes = 8'192;
/// Most mistakes that are told of; a last one then says how many more there are.
inline constexpr std::size_t max_reported_mistakes = 100;
/// Most [[callback]] tables.
inline constexpr std::size_t max_callbacks = 256;

/// What the rules need to know of the world besides the text.
struct config_surroundings {
    std::span<const std::string_view> event_names; ///< what `events` patterns can select; empty = selectable_events()
    std::function<bool(const std::string&)>
        has_credential; ///< whether a systemd credential of that name was passed; empty = none is
};

struct configuration_reading {
    configuration value;
    std::vector<std::string>
        warnings; ///< for `config.warning`, a sentence each; the configuration is valid all the same
};

using configuration_outcome = std::variant<configuration_reading, config_mistakes>;

/// All mistakes at once, in the order of the file; a syntax error alone. `file_name` is only printed.
configuration_outcome parse_configuration(std::string_view toml, const std::string& file_name,
                                          const config_surroundings& surroundings = {});

/// Reads the file and parses it; a file that cannot be read is one mistake.
configuration_outcome load_configuration(const std::filesystem::path& file,
                                         const config_surroundings& surroundings = {});

} // namespace prooftrack
