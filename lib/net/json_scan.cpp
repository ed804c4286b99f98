#include "net/json_scan.hpp"

#include <cstdint>

#include "net/json.hpp"

namespace prooftrack::net {
namespace {

std::uint32_t take_hex4(std::string_view text, std::size_t& at) {
    std::uint32_t value = 0;
    for (int i = 0; i < 4 && at < text.size(); ++i, ++at) {
        const char c = text[at];
        std::uint32_t digit = 0;
        if (c >= '0' && c <= '9')
            digit = static_cast<std::uint32_t>(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = static_cast<std::uint32_t>(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
            digit = static_cast<std::uint32_t>(c - 'A') + 10;
        value = value << 4U | digit;
    }
    return value;
}

void append_utf8(std::string& out, std::uint32_t point) {
    const auto byte = [&out](std::uint32_t value) { out += static_cast<char>(static_cast<unsigned char>(value)); };
    if (point < 0x80) return byte(point);
    if (point < 0x800) {
        byte(0xc0 | point >> 6U);
    } else if (point < 0x10000) {
        byte(0xe0 | point >> 12U);
        byte(0x80 | (point >> 6U & 0x3fU));
    } else {
        byte(0xf0 | point >> 18U);
        byte(0x80 | (point >> 12U & 0x3fU));
        byte(0x80 | (point >> 6U & 0x3fU));
    }
    byte(0x80 | (point & 0x3fU));
}

/// `at` stands behind `\u`.
void append_escaped_point(std::string& out, std::string_view text, std::size_t& at) {
    std::uint32_t point = take_hex4(text, at);
    if (point >= 0xd800 && point < 0xdc00 && text.substr(at, 2) == "\\u") {
        at += 2;
        const std::uint32_t low = take_hex4(text, at);
        point = 0x10000 + ((point - 0xd800) << 10U) + (low - 0xdc00);
    }
    append_utf8(out, point);
}

char plain_escape(char c) {
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c;
    }
}

} // namespace

void json_scanner::skip_space() {
    while (!at_end() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
}

bool json_scanner::take(char c) {
    skip_space();
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
}

std::string_view json_scanner::take_string() {
    skip_space();
    const std::size_t first = at_;
    for (++at_; !at_end() && text_[at_] != '"'; ++at_) {
        if (text_[at_] == '\\') ++at_;
    }
    at_ = at_end() ? text_.size() : at_ + 1;
    return text_.substr(first, at_ - first);
}

std::string_view json_scanner::take_scalar() {
    skip_space();
    const std::size_t first = at_;
    at_ = text_.find_first_of(",]} \t\n\r", at_);
    if (at_ == std::string_view::npos) at_ = text_.size();
    return text_.substr(first, at_ - first);
}

std::string_view json_scanner::take_value() {
    skip_space();
    if (peek() == '"') return take_string();
    if (peek() != '{' && peek() != '[') return take_scalar();
    const std::size_t first = at_;
    std::size_t depth = 0;
    while (!at_end()) {
        const char c = text_[at_];
        if (c == '"') {
            take_string();
            continue;
        }
        ++at_;
        if (c == '{' || c == '[') ++depth;
        if (c != '}' && c != ']') continue;
        if (--depth == 0) break;
    }
    return text_.substr(first, at_ - first);
}

std::string decode_quoted(std::string_view quoted) {
    std::string out;
    if (quoted.size() < 2) return out;
    const std::string_view text = quoted.substr(1, quoted.size() - 2);
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const auto escape = text.find('\\', at);
        out += text.substr(at, escape - at);
        if (escape == std::string_view::npos || escape + 1 >= text.size()) break;
        const char kind = text[escape + 1];
        at = escape + 2;
        if (kind == 'u')
            append_escaped_point(out, text, at);
        else
            out += plain_escape(kind);
    }
    return out;
}

result<std::vector<json_member>> top_level_members(std::string_view text, const json_limits& limits) {
    if (const auto fault = find_json_fault(text, limits)) return make_error_code(fault->error);
    json_scanner scanner(text);
    if (!scanner.take('{')) return make_error_code(json_error::not_object);
    std::vector<json_member> members;
    scanner.skip_space();
    while (scanner.peek() == '"' || scanner.take(',')) {
        json_member member;
        member.key = decode_quoted(scanner.take_string());
        scanner.take(':');
        member.value = scanner.take_value();
        members.push_back(std::move(member));
        scanner.skip_space();
    }
    return members;
}

std::optional<std::string> decode_json_string(std::string_view value) {
    if (value.size() < 2 || value.front() != '"') return std::nullopt;
    return decode_quoted(value);
}

std::optional<std::vector<std::string>> decode_string_array(std::string_view value) {
    json_scanner scan(value);
    if (!scan.take('[')) return std::nullopt;
    std::vector<std::string> texts;
    while (!scan.at_end() && !scan.take(']')) {
        scan.take(',');
        scan.skip_space();
        auto text = decode_json_string(scan.take_value());
        if (!text) return std::nullopt;
        texts.push_back(std::move(*text));
    }
    return texts;
}

} // namespace prooftrack::net
