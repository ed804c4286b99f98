#include "prooftrackctl/text.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace prooftrack::ctl {

namespace {

struct character {
    std::uint32_t code = 0;
    std::size_t length = 0; ///< 0 = the bytes are not UTF-8
};

/// The character at the front of `text`, which must not be empty. Overlong forms, surrogates and the like are not
/// UTF-8.
character decode(std::string_view text) {
    const auto byte = [&](std::size_t at) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at])); };
    const std::uint32_t first = byte(0);
    if (first < 0x80) return {first, 1};
    const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < length) return {};
    std::uint32_t code = first & (0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0U) != 0x80U) return {};
        code = (code << 6U) | (byte(i) & 0x3FU);
    }
    const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    if (overlong || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return {};
    return {code, length};
}

struct range {
    std::uint32_t first;
    std::uint32_t last;
};

template <std::size_t Size>
bool is_in(const std::array<range, Size>& ranges, std::uint32_t code) {
    return std::any_of(
        ranges.begin(), ranges.end(), [code](const range& one) { return code >= one.first && code <= one.last; });
}

/// Characters that move the cursor, switch the direction of text or hide: a terminal must not get them from outside.
constexpr std::array<range, 7> unsafe{
    {{0x00, 0x1F},
     {0x7F, 0x9F},
     {0x061C, 0x061C},
     {0x200E, 0x200F},
     {0x2028, 0x202E},
     {0x2066, 0x2069},
     {0xFEFF, 0xFEFF}}};
constexpr std::array<range, 5> zero_width{
    {{0x0300, 0x036F}, {0x200B, 0x200D}, {0x20D0, 0x20F0}, {0xFE00, 0xFE0F}, {0xE0100, 0xE01EF}}};
constexpr std::array<range, 9> double_width{
    {{0x1100, 0x115F},
     {0x2E80, 0x303E},
     {0x3041, 0xA4CF},
     {0xAC00, 0xD7A3},
     {0xF900, 0xFAFF},
     {0xFE30, 0xFE6F},
     {0xFF00, 0xFF60},
     {0x1F300, 0x1FAFF},
     {0x20000, 0x3FFFD}}};

std::size_t width_of(std::uint32_t code) {
    if (is_in(zero_width, code)) return 0;
    return is_in(double_width, code) ? 2 : 1;
}

} // namespace

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const character next = decode(text);
        if (next.length == 0) {
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
            text.remove_prefix(1);
            continue;
        }
        if (is_in(unsafe, next.code)) {
            out += next.code < 0x100 ? fmt::format("\\x{:02x}", next.code) : fmt::format("\\u{:04x}", next.code);
        } else {
            out += text.substr(0, next.length);
        }
        text.remove_prefix(next.length);
    }
    return out;
}

std::size_t display_width(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) {
        const character next = decode(text);
        width += next.length == 0 ? 1 : width_of(next.code);
        text.remove_prefix(next.length == 0 ? 1 : next.length);
    }
    return width;
}

std::string cut_to_width(std::string_view text, std::size_t width, std::string_view ellipsis) {
    if (display_width(text) <= width) return std::string(text);
    const std::size_t mark = display_width(ellipsis);
    const std::size_t room = width > mark ? width - mark : 0;
    std::size_t used = 0;
    std::size_t bytes = 0;
    while (bytes < text.size()) {
        const character next = decode(text.substr(bytes));
        const std::size_t wide = next.length == 0 ? 1 : width_of(next.code);
        if (used + wide > room) break;
        used += wide;
        bytes += next.length == 0 ? 1 : next.length;
    }
    std::string out(text.substr(0, bytes));
    if (mark <= width) out += ellipsis;
    return out;
}

std::string wrapped(std::string_view text, std::size_t width, std::string_view indent) {
    std::string out;
    std::string line(indent);
    std::size_t used = display_width(indent);
    bool first = true;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        const std::string_view word = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const std::size_t wide = display_width(word);
        if (!first && width != 0 && used + 1 + wide > width) {
            out += line + '\n';
            line = indent;
            used = display_width(indent);
            first = true;
        }
        if (!first) line += ' ';
        line += word;
        used += wide + (first ? 0 : 1);
        first = false;
    }
    return out + line + '\n';
}

std::string short_duration(milliseconds span) {
    const std::int64_t ms = std::max<std::int64_t>(span.count(), 0);
    const std::int64_t s = ms / 1000;
    const auto pair = [](std::int64_t big, const char* big_unit, std::int64_t small, const char* small_unit) {
        return small == 0 ? fmt::format("{}{}", big, big_unit)
                          : fmt::format("{}{} {}{}", big, big_unit, small, small_unit);
    };
    if (ms < 1000) return fmt::format("{}ms", ms);
    if (s < 60) return fmt::format("{}s", s);
    if (s < 3600) return pair(s / 60, "m", s % 60, "s");
    if (s < 86400) return pair(s / 3600, "h", s / 60 % 60, "m");
    return pair(s / 86400, "d", s / 3600 % 24, "h");
}

std::string relative_time(wall_time when, wall_time now) {
    const milliseconds ahead = when - now;
    if (ahead > milliseconds(-1000) && ahead < milliseconds(1000)) return "now";
    return ahead.count() < 0 ? short_duration(-ahead) + " ago" : "in " + short_duration(ahead);
}

std::string relative_time(std::string_view rfc3339, wall_time now) {
    if (rfc3339.empty()) return "-";
    const auto when = parse_wall_time(rfc3339);
    return when ? relative_time(*when, now) : printable(rfc3339);
}

std::string compact_time(std::string_view rfc3339, wall_time now) {
    std::string text = relative_time(rfc3339, now);
    const bool ahead = text.starts_with("in ");
    if (const std::size_t more = text.find(' ', ahead ? 3 : 0); more != std::string::npos) text.resize(more);
    return text;
}

std::string grouped(std::uint64_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t at = digits.size(); at > 3;) {
        at -= 3;
        digits.insert(at, ",");
    }
    return digits;
}

std::string byte_size(std::uint64_t bytes) {
    constexpr std::array<const char*, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
    auto size = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (size >= 1023.95 && unit + 1 < units.size()) {
        size /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", size, units.at(unit));
}

std::optional<wall_time> time_or_date(const std::string& text) {
    return parse_wall_time(text.size() == 10 ? text + "T00:00:00Z" : text);
}

} // namespace prooftrack::ctl
