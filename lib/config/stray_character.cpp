#include "config/stray_character.hpp"

namespace prooftrack::config {
namespace {

/// Where the reading stands: outside, in a comment, or in a string with this quote, once or three times.
struct place {
    enum class kind : std::uint8_t { outside, comment, string } what = kind::outside;
    char quote = '"';
    bool is_long = false;
};

bool is_triple(std::string_view rest, char quote) {
    return rest.size() >= 3 && rest[0] == quote && rest[1] == quote && rest[2] == quote;
}

/// How many bytes to step over; changes `now`.
std::size_t advance(place& now, std::string_view rest) {
    const char c = rest.front();
    switch (now.what) {
    case place::kind::outside:
        if (c == '#') now.what = place::kind::comment;
        if (c != '"' && c != '\'') return 1;
        now = {place::kind::string, c, is_triple(rest, c)};
        return now.is_long ? 3 : 1;
    case place::kind::comment:
        if (c == '\n') now.what = place::kind::outside;
        return 1;
    case place::kind::string:
        if (c == '\\' && now.quote == '"') return rest.size() > 1 && rest[1] != '\n' ? 2 : 1;
        if (c == '\n' && !now.is_long) now.what = place::kind::outside; // unfinished: toml++ says so
        if (c != now.quote) return 1;
        if (now.is_long && !is_triple(rest, c)) return 1;
        now.what = place::kind::outside;
        return now.is_long ? 3 : 1;
    }
    return 1;
}

} // namespace

std::optional<text_position> find_stray_character(std::string_view toml) {
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
    std::size_t at = toml.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
    text_position where;
    place now;
    while (at < toml.size()) {
        const bool is_ascii = static_cast<unsigned char>(toml[at]) < 0x80;
        if (!is_ascii && now.what == place::kind::outside) return where;
        const std::size_t step = advance(now, toml.substr(at));
        for (std::size_t i = at; i < at + step; ++i) {
            const auto byte = static_cast<unsigned char>(toml[i]);
            if (byte == '\n') {
                ++where.line;
                where.column = 1;
            } else if ((byte & 0xC0U) != 0x80U) {
                ++where.column;
            }
        }
        at += step;
    }
    return std::nullopt;
}

} // namespace prooftrack::config
