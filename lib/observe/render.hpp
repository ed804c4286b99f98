#pragma once

// One line in the three formats. What comes from outside is cut and escaped here, in one place.

#include <span>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "observe/log.hpp"

namespace prooftrack::observe {

/// Most bytes of a value, before escaping; a longer one ends in `…`.
inline constexpr std::size_t max_value_bytes = 256;
/// The same for mistakes in the configuration, which quote what is wrong.
inline constexpr std::size_t max_mistake_bytes = 1'024;
/// The same for what a reload changed, which may be as much as there are callbacks.
inline constexpr std::size_t max_list_bytes = 8'192;

enum class log_format : std::uint8_t {
    logfmt,   ///< ts=… level=… event=… key=value
    json,     ///< one object a line; numbers and booleans are JSON's own
    journald, ///< the journal's native datagram
};

/// One line before it is written.
struct log_line {
    wall_time at{};
    log_event_id event = log_event_id::daemon_started;
    log_level level = log_level::info;
    std::span<const log_field> fields;
};

/// Appends the bytes of `line`: a line with its newline, or (journald) one datagram.
void render(std::string& out, log_format format, const log_line& line);

/// `text` cut to `most` bytes at a character's edge, without control characters, line separators, text-direction marks
/// or bytes that are not UTF-8: these become `\n`, `\u001b`, U+FFFD. Quotes and backslashes are escaped too, as in
/// JSON.
std::string escape_value(std::string_view text, std::size_t most);

} // namespace prooftrack::observe
