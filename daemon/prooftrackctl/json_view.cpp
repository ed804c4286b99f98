#include "prooftrackctl/json_view.hpp"

#include <algorithm>
#include <charconv>

#include "net/json.hpp"
#include "track/event.hpp"

namespace prooftrack::ctl {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::size_t skip_space(std::string_view text, std::size_t at) {
    while (at < text.size() && is_space(text[at])) ++at;
    return at;
}

/// Behind the closing quote of the string that starts at `at`; npos when it does not close.
std::size_t skip_string(std::string_view text, std::size_t at) {
    for (++at; at < text.size(); ++at) {
        if (text[at] == '\\') {
            ++at;
        } else if (text[at] == '"') {
            return at + 1;
        }
    }
    return std::string_view::npos;
}

std::size_t skip_brackets(std::string_view text, std::size_t at) {
    std::string open;
    while (at < text.size()) {
        const char c = text[at];
        if (c == '"') {
            at = skip_string(text, at);
            if (at == std::string_view::npos) return at;
            continue;
        }
        if (c == '{' || c == '[') open.push_back(c == '{' ? '}' : ']');
        if (c == '}' || c == ']') {
            if (open.empty() || open.back() != c) return std::string_view::npos;
            open.pop_back();
            if (open.empty()) return at + 1;
        }
        ++at;
    }
    return std::string_view::npos;
}

/// Behind the value that starts at `at`; npos when there is none.
std::size_t skip_value(std::string_view text, std::size_t at) {
    if (at >= text.size()) return std::string_view::npos;
    if (text[at] == '"') return skip_string(text, at);
    if (text[at] == '{' || text[at] == '[') return skip_brackets(text, at);
    const std::size_t end = std::min(text.find_first_of(" \t\r\n,:{}[]\"", at), text.size());
    const std::string_view word = text.substr(at, end - at);
    const bool literal = word == "true" || word == "false" || word == "null";
    const bool number = !word.empty() && word.find_first_not_of("0123456789+-.eE") == std::string_view::npos;
    return literal || number ? end : std::string_view::npos;
}

/// The bytes of a JSON string with its quotes -> the text; the bytes themselves when they are not one.
std::string unescape(std::string_view raw) { return net::decode_json_string(raw).value_or(std::string(raw)); }

} // namespace

json_view json_view::parse(std::string_view text) {
    const std::size_t start = skip_space(text, 0);
    const std::size_t end = skip_value(text, start);
    if (end == std::string_view::npos || skip_space(text, end) != text.size()) return {};
    return json_view(text.substr(start, end - start));
}

json_view::type json_view::kind() const {
    if (raw_.empty()) return type::missing;
    switch (raw_.front()) {
    case '{':
        return type::object;
    case '[':
        return type::array;
    case '"':
        return type::string;
    case 'n':
        return type::null;
    case 't':
    case 'f':
        return type::boolean;
    default:
        return type::number;
    }
}

std::vector<json_view::member> json_view::members() const {
    std::vector<member> found;
    if (kind() != type::object) return found;
    std::size_t at = skip_space(raw_, 1);
    while (at < raw_.size() && raw_[at] == '"') {
        const std::size_t name_end = skip_string(raw_, at);
        if (name_end == std::string_view::npos) break;
        const std::string_view name = raw_.substr(at, name_end - at);
        at = skip_space(raw_, name_end);
        if (at >= raw_.size() || raw_[at] != ':') break;
        at = skip_space(raw_, at + 1);
        const std::size_t end = skip_value(raw_, at);
        if (end == std::string_view::npos) break;
        found.push_back({unescape(name), json_view(raw_.substr(at, end - at))});
        at = skip_space(raw_, end);
        if (at >= raw_.size() || raw_[at] != ',') break;
        at = skip_space(raw_, at + 1);
    }
    return found;
}

json_view json_view::operator[](std::string_view name) const {
    for (const member& one : members()) {
        if (one.name == name) return one.value;
    }
    return {};
}

std::vector<json_view> json_view::elements() const {
    std::vector<json_view> found;
    if (kind() != type::array) return found;
    std::size_t at = skip_space(raw_, 1);
    while (at < raw_.size() && raw_[at] != ']') {
        const std::size_t end = skip_value(raw_, at);
        if (end == std::string_view::npos) break;
        found.push_back(json_view(raw_.substr(at, end - at)));
        at = skip_space(raw_, end);
        if (at >= raw_.size() || raw_[at] != ',') break;
        at = skip_space(raw_, at + 1);
    }
    return found;
}

std::optional<std::string> json_view::string() const {
    if (kind() != type::string) return std::nullopt;
    return unescape(raw_);
}

std::optional<std::uint64_t> json_view::unsigned_integer() const {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(raw_.data(), raw_.data() + raw_.size(), value);
    if (raw_.empty() || error != std::errc{} || end != raw_.data() + raw_.size()) return std::nullopt;
    return value;
}

std::optional<double> json_view::number() const {
    if (kind() != type::number) return std::nullopt;
    double value = 0;
    const auto [end, error] = std::from_chars(raw_.data(), raw_.data() + raw_.size(), value);
    if (error != std::errc{} || end != raw_.data() + raw_.size()) return std::nullopt;
    return value;
}

std::optional<bool> json_view::boolean() const {
    if (raw_ == "true") return true;
    if (raw_ == "false") return false;
    return std::nullopt;
}

std::string json_view::text() const {
    switch (kind()) {
    case type::missing:
    case type::null:
        return {};
    case type::string:
        return unescape(raw_);
    default:
        return std::string(raw_);
    }
}

std::string one_line(std::string_view json) {
    while (!json.empty() && is_space(json.front())) json.remove_prefix(1);
    while (!json.empty() && is_space(json.back())) json.remove_suffix(1);
    std::string line(json);
    for (char& c : line) {
        if (c == '\n' || c == '\r') c = ' ';
    }
    return line;
}

std::string json_string(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

} // namespace prooftrack::ctl
