#include "callback/secret_file.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "base/host_rules.hpp"
#include "callback/error.hpp"
#include "callback/signing.hpp"

namespace prooftrack::callback {
namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

std::string_view trim(std::string_view text, std::string_view blanks) {
    const auto first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

bool is_printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

/// RFC 9110: the characters of a header's name.
bool is_token(std::string_view text) {
    constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               marks.find(c) != std::string_view::npos;
    });
}

/// What the daemon writes itself, and what would change how the request is framed or the connection is used.
bool is_reserved(std::string_view name) {
    constexpr std::array<std::string_view, 9> names{"host",   "connection", "transfer-encoding",
                                                    "expect", "keep-alive", "proxy-connection",
                                                    "te",     "trailer",    "upgrade"};
    const std::string lower = lower_ascii(name);
    return lower.starts_with("webhook-") || lower.starts_with("content-") ||
           std::find(names.begin(), names.end(), lower) != names.end();
}

bool is_header_value(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

/// The lines of a text with their numbers, counted from 1. A newline at the end begins no further line.
class numbered_lines {
  public:
    numbered_lines(std::string_view text, std::string_view name) : rest_(text), name_(name) {}

    std::optional<std::string_view> next() {
        if (rest_.empty()) return std::nullopt;
        const auto end = std::min(rest_.find('\n'), rest_.size());
        const std::string_view line = rest_.substr(0, end);
        rest_.remove_prefix(std::min(end + 1, rest_.size()));
        ++number_;
        return line;
    }
    op_error refuse(error_code why) const { return {why, fmt::format("{}: line {}", name_, number_), {}}; }
    op_error refuse_all(error_code why) const { return {why, std::string(name_), {}}; }

  private:
    std::string_view rest_;
    std::string_view name_;
    int number_ = 0;
};

} // namespace

op_result<std::vector<webhook_secret>> parse_secret_file(std::string_view text, std::string_view name) {
    constexpr std::string_view blanks = " \t\r\n";
    std::vector<webhook_secret> secrets;
    numbered_lines lines(text, name);
    if (trim(text, blanks).empty()) return lines.refuse_all(callback_error::no_secret);
    if (text.starts_with(byte_order_mark)) return lines.refuse_all(callback_error::byte_order_mark);
    while (const auto whole = lines.next()) {
        const std::string_view line = trim(*whole, blanks);
        if (line.empty()) return lines.refuse(callback_error::blank_line);
        if (!is_printable(line)) return lines.refuse(callback_error::secret_characters);
        if (line.size() > max_secret_line_bytes || secrets.size() == max_secret_lines)
            return lines.refuse(callback_error::secret_lines);
        result<secret> key = parse_webhook_secret(line);
        if (key.has_error()) return lines.refuse(key.error());
        secrets.push_back({secret(std::string(line)), std::move(*key)});
    }
    return secrets;
}

op_result<std::vector<secret_header>> parse_header_file(std::string_view text, std::string_view name) {
    constexpr std::string_view blanks = " \t";
    std::vector<secret_header> headers;
    numbered_lines lines(text, name);
    if (text.starts_with(byte_order_mark)) return lines.refuse_all(callback_error::byte_order_mark);
    while (auto line = lines.next()) {
        if (line->ends_with('\r')) line->remove_suffix(1);
        if (trim(*line, blanks).empty()) continue;
        if (line->size() > max_header_line_bytes || headers.size() == max_headers)
            return lines.refuse(callback_error::header_lines);
        const auto colon = line->find(':');
        const std::string_view field = line->substr(0, colon);
        if (colon == std::string_view::npos || !is_token(field) || field.starts_with('#'))
            return lines.refuse(callback_error::header_line);
        const std::string_view value = trim(line->substr(colon + 1), blanks);
        // Half a file, or a template whose variable was empty: a gateway would take it for no key at all.
        if (value.empty()) return lines.refuse(callback_error::header_line);
        if (is_reserved(field)) return lines.refuse(callback_error::header_reserved);
        if (!is_header_value(value)) return lines.refuse(callback_error::header_value);
        const bool is_there = std::any_of(headers.begin(), headers.end(), [&](const secret_header& each) {
            return lower_ascii(each.name) == lower_ascii(field);
        });
        if (is_there) return lines.refuse(callback_error::header_twice);
        headers.push_back({std::string(field), secret(std::string(value))});
    }
    return headers;
}

} // namespace prooftrack::callback
