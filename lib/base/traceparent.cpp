#include "base/traceparent.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace prooftrack {
namespace {

constexpr unsigned defined_flags = 0x03; // sampled; random trace id

bool is_hex_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

bool is_hex(std::string_view text) { return std::all_of(text.begin(), text.end(), is_hex_digit); }

bool is_id(std::string_view text) { return is_hex(text) && text.find_first_not_of('0') != std::string_view::npos; }

unsigned digit_value(char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); }

} // namespace

std::string read_traceparent(std::string_view header) {
    if (header.size() < traceparent_length) return {};
    const std::string_view version = header.substr(0, 2);
    if (!is_hex(version) || version == "ff" || header[2] != '-') return {};
    const bool goes_on = header.size() > traceparent_length;
    if (goes_on && (version == "00" || header[traceparent_length] != '-')) return {};
    const std::string_view trace_id = header.substr(3, 32);
    const std::string_view parent_id = header.substr(36, 16);
    const std::string_view flags = header.substr(53, 2);
    if (header[35] != '-' || header[52] != '-' || !is_id(trace_id) || !is_id(parent_id) || !is_hex(flags)) return {};
    return fmt::format("00-{}-{}-{:02x}", trace_id, parent_id, digit_value(flags[1]) & defined_flags);
}

std::string with_parent(std::string_view traceparent, std::string_view parent_id) {
    if (traceparent.size() != traceparent_length || parent_id.size() != 16) return {};
    return read_traceparent(fmt::format("{}{}{}", traceparent.substr(0, 36), parent_id, traceparent.substr(52)));
}

} // namespace prooftrack
