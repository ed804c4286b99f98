#include <algorithm>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "net/json.hpp"
#include "net/json_scan.hpp"

namespace prooftrack::net {
namespace {

/// Digits without leading and trailing zeros and a power of ten: one spelling for each decimal value.
std::string canonical_number(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    const auto mark = std::min(text.find_first_of("eE"), text.size());
    const std::string_view mantissa = text.substr(0, mark);
    const auto point = std::min(mantissa.find('.'), mantissa.size());
    std::string digits(mantissa.substr(0, point));
    const std::string_view fraction = mantissa.substr(std::min(point + 1, mantissa.size()));
    digits += fraction;
    // At most 9 significant digits, or the text would have been refused: no overflow.
    long long exponent = mark < text.size() ? std::strtoll(std::string(text.substr(mark + 1)).c_str(), nullptr, 10) : 0;
    exponent -= static_cast<long long>(fraction.size());
    digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
    if (digits.empty()) return "0";
    const std::size_t kept = digits.find_last_not_of('0') + 1;
    exponent += static_cast<long long>(digits.size() - kept);
    digits.resize(kept);
    const std::string_view sign = negative ? "-" : "";
    return exponent == 0 ? fmt::format("{}{}", sign, digits) : fmt::format("{}{}e{}", sign, digits, exponent);
}

void append_quoted(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (static_cast<unsigned char>(c) < 0x20)
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<int>(c));
        else
            out += c;
    }
    out += '"';
}

void append_value(std::string& out, json_scanner& scanner); // recursion bounded by json_limits::max_depth

void append_object(std::string& out, json_scanner& scanner) {
    std::vector<std::pair<std::string, std::string>> members;
    scanner.take('{');
    scanner.skip_space();
    while (scanner.peek() == '"' || scanner.take(',')) {
        std::pair<std::string, std::string> member;
        member.first = decode_quoted(scanner.take_string());
        scanner.take(':');
        append_value(member.second, scanner);
        members.push_back(std::move(member));
        scanner.skip_space();
    }
    scanner.take('}');
    const auto by_name = [](const auto& left, const auto& right) { return left.first < right.first; };
    std::stable_sort(members.begin(), members.end(), by_name);
    out += '{';
    bool first = true;
    for (std::size_t i = 0; i < members.size(); ++i) {
        if (i + 1 < members.size() && members[i].first == members[i + 1].first) continue; // the last one counts
        if (!std::exchange(first, false)) out += ',';
        append_quoted(out, members[i].first);
        out += ':';
        out += members[i].second;
    }
    out += '}';
}

void append_array(std::string& out, json_scanner& scanner) {
    scanner.take('[');
    scanner.skip_space();
    out += '[';
    bool first = true;
    while (!scanner.at_end() && !scanner.take(']')) {
        if (!std::exchange(first, false)) {
            scanner.take(',');
            out += ',';
        }
        append_value(out, scanner);
        scanner.skip_space();
    }
    out += ']';
}

void append_value(std::string& out, json_scanner& scanner) {
    scanner.skip_space();
    const char next = scanner.peek();
    if (next == '{') return append_object(out, scanner);
    if (next == '[') return append_array(out, scanner);
    if (next == '"') return append_quoted(out, decode_quoted(scanner.take_string()));
    const std::string_view scalar = scanner.take_scalar();
    const bool is_number = next == '-' || (next >= '0' && next <= '9');
    if (is_number)
        out += canonical_number(scalar);
    else
        out += scalar;
}

} // namespace

result<std::string> canonical_json(std::string_view text, const json_limits& limits) {
    json_limits bounded = limits;
    bounded.allow_number_overflow = false;
    if (const auto fault = find_json_fault(text, bounded)) return make_error_code(fault->error);
    json_scanner scanner(text);
    std::string out;
    out.reserve(text.size());
    append_value(out, scanner);
    return out;
}

} // namespace prooftrack::net
