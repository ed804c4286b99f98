#include "api/target.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace prooftrack::api {
namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

problem bad_query(std::string detail) { return make_problem(problem_code::invalid_request, std::move(detail)); }

} // namespace

std::optional<std::string> percent_decode(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (text.size() - i < 3) return std::nullopt;
        const int high = hex_digit(text[i + 1]);
        const int low = hex_digit(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

bool is_callback_name(std::string_view name) {
    constexpr std::size_t max_length = 64;
    return !name.empty() && name.size() <= max_length &&
           name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string_view::npos;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || stop != end || text.empty()) return std::nullopt;
    return value;
}

request_target split_target(std::string_view target) {
    for (std::string_view scheme : {"http://", "https://"}) {
        if (!target.starts_with(scheme)) continue;
        const std::size_t path = target.find_first_of("/?", scheme.size());
        target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
    }
    request_target split;
    split.path = target.substr(0, target.find('?'));
    if (split.path.size() < target.size()) split.query = target.substr(split.path.size() + 1);
    return split;
}

parsed<query_values> query_values::parse(std::string_view query) {
    query_values made;
    while (!query.empty()) {
        const std::string_view item = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), item.size() + 1));
        const std::size_t equals = item.find('=');
        auto name = percent_decode(item.substr(0, equals));
        auto value = percent_decode(equals == std::string_view::npos ? std::string_view() : item.substr(equals + 1));
        if (!name || !value) return bad_query("the query is not percent-encoded correctly: write % as %25");
        if (made.find(*name) != nullptr) return bad_query(fmt::format("the query has '{}' twice: give it once", *name));
        made.values_.emplace_back(std::move(*name), std::move(*value));
    }
    return made;
}

parsed<void> query_values::allow_only(std::initializer_list<std::string_view> known, std::string_view prefix) const {
    for (const auto& [name, value] : values_) {
        if (std::find(known.begin(), known.end(), name) != known.end()) continue;
        if (!prefix.empty() && name.starts_with(prefix)) continue;
        if (known.size() == 0)
            return bad_query(fmt::format("unknown query parameter '{}': this path takes none", name));
        const std::string more = prefix.empty() ? "" : fmt::format(", {}KEY", prefix);
        return bad_query(
            fmt::format("unknown query parameter '{}': this path takes {}{}", name, fmt::join(known, ", "), more));
    }
    return {};
}

std::vector<std::pair<std::string, std::string>> query_values::with_prefix(std::string_view prefix) const {
    std::vector<std::pair<std::string, std::string>> found;
    for (const auto& [name, value] : values_) {
        if (name.starts_with(prefix)) found.emplace_back(name.substr(prefix.size()), value);
    }
    return found;
}

const std::string* query_values::find(std::string_view name) const {
    for (const auto& [key, value] : values_) {
        if (key == name) return &value;
    }
    return nullptr;
}

parsed<std::optional<wall_time>> query_values::time(std::string_view name) const {
    const std::string* value = find(name);
    if (value == nullptr) return std::optional<wall_time>();
    const auto when = parse_wall_time(*value);
    if (!when) return bad_query(fmt::format("{} is not an RFC 3339 time such as 2026-04-01T10:03:45.120Z", name));
    return when;
}

parsed<query_values::time_span> query_values::span(std::string_view begin, std::string_view end) const {
    const auto from = time(begin);
    if (!from) return from.error();
    const auto to = time(end);
    if (!to) return to.error();
    if (*from && *to && **from >= **to)
        return bad_query(fmt::format("{} is not earlier than {}: nothing lies between them", begin, end));
    return time_span{*from, *to};
}

parsed<std::optional<std::uint64_t>> query_values::number(std::string_view name) const {
    const std::string* value = find(name);
    if (value == nullptr) return std::optional<std::uint64_t>();
    const auto number = parse_number(*value);
    if (!number) return bad_query(fmt::format("{} is not a whole number from 0", name));
    return number;
}

parsed<std::optional<std::string>> query_values::text(std::string_view name, std::size_t max_length) const {
    const std::string* value = find(name);
    if (value == nullptr) return std::optional<std::string>();
    if (value->empty() || value->size() > max_length) {
        return bad_query(fmt::format("{} is 1 to {} characters", name, max_length));
    }
    return std::optional<std::string>(*value);
}

parsed<std::optional<std::string>> query_values::callback_name(std::string_view name) const {
    const std::string* value = find(name);
    if (value == nullptr) return std::optional<std::string>();
    if (!is_callback_name(*value)) return bad_query(fmt::format("{} is 1 to 64 of a-z 0-9 _ -", name));
    return std::optional<std::string>(*value);
}

parsed<std::size_t> query_values::limit() const {
    const auto value = number("limit");
    if (!value) return value.error();
    if (!*value) return default_limit;
    if (**value < 1 || **value > largest_limit) return bad_query("limit is 1 to 1000");
    return static_cast<std::size_t>(**value);
}

parsed<milliseconds> query_values::wait() const {
    const std::string* value = find("wait");
    if (value == nullptr) return milliseconds(0);
    const auto wait = parse_duration(*value);
    if (!wait) return bad_query("wait is a number with a unit, such as 30s");
    if (*wait > longest_wait) return bad_query("wait is at most 10m: ask again when it is over");
    return *wait;
}

} // namespace prooftrack::api
