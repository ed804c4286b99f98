#pragma once

// Words for people: safe on a terminal, cut to a width, times and sizes as one says them. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace prooftrack::ctl {

/// Text from outside made safe for a terminal: control and direction-changing characters become `\x1b`-like escapes,
/// bytes that are not UTF-8 become `\xNN`.
std::string printable(std::string_view text);

/// Columns that `text` (printable UTF-8) takes on a terminal.
std::size_t display_width(std::string_view text);

/// At most `width` columns; what was cut is marked by `ellipsis`. Never cuts inside a character.
std::string cut_to_width(std::string_view text, std::size_t width, std::string_view ellipsis);

/// Words broken into lines of at most `width` columns (0 = one line), each behind `indent` and ended by LF.
std::string wrapped(std::string_view text, std::size_t width, std::string_view indent);

/// The two largest units: `850ms`, `12s`, `3m 20s`, `2h 5m`, `4d 1h`. Never negative.
std::string short_duration(milliseconds span);

/// RFC 3339, or a date: its beginning in UTC.
std::optional<wall_time> time_or_date(const std::string& text);

/// `12s ago`, `in 3m 20s`, `now` (less than a second).
std::string relative_time(wall_time when, wall_time now);

/// A time of the API, RFC 3339: relative to `now`; "-" when it is empty, the text itself when it cannot be read.
std::string relative_time(std::string_view rfc3339, wall_time now);

/// For columns of a table: the largest unit alone, `12s`, `3m`, `2d`, `in 3m`; "-" when it is empty.
std::string compact_time(std::string_view rfc3339, wall_time now);

/// `1,234,567`.
std::string grouped(std::uint64_t number);

/// `512 B`, `4.2 MiB`.
std::string byte_size(std::uint64_t bytes);

} // namespace prooftrack::ctl
