#include "prooftrackctl/bridge/message.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "track/event.hpp"

namespace prooftrack::ctl {

namespace {

constexpr std::array<std::string_view, 4> places{"type", "state", "status", "merchant_transaction_id"};

std::string one_word(std::string_view text) {
    constexpr std::size_t longest = 64;
    std::string word(text.substr(0, longest));
    std::replace_if(
        word.begin(), word.end(),
        [](char c) {
            const bool stays =
                (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
            return !stays;
        },
        '_');
    return word.empty() ? "none" : word;
}

std::string value_of_place(std::string_view place, const bridge_event& event) {
    if (place == "type") return event.type;
    if (place == "state") return event.state;
    if (place == "status") return one_word(event.status);
    return event.transaction;
}

/// The event's bytes without that member and the comma before it.
std::optional<std::string> without_seq(const json_view& event) {
    const std::string_view value = event["seq"].raw();
    const std::string_view whole = event.raw();
    const auto begin = static_cast<std::size_t>(value.data() - whole.data());
    const std::size_t comma = whole.rfind(',', begin);
    if (comma == std::string_view::npos) return std::nullopt;
    std::string body(whole.substr(0, comma));
    body += whole.substr(begin + value.size());
    return body;
}

/// Calls `literal(text)` and `place(name)` in the order of the pattern; false when a brace does not close.
template <class Literal, class Place>
bool walk(std::string_view pattern, Literal literal, Place place) {
    while (!pattern.empty()) {
        const std::size_t open = pattern.find('{');
        literal(pattern.substr(0, open));
        if (open == std::string_view::npos) return true;
        pattern.remove_prefix(open + 1);
        const std::size_t close = pattern.find('}');
        if (close == std::string_view::npos) return false;
        place(pattern.substr(0, close));
        pattern.remove_prefix(close + 1);
    }
    return true;
}

} // namespace

std::optional<bridge_event> read_bridge_event(const json_view& event) {
    const auto seq = event["seq"].unsigned_integer();
    const auto at = parse_wall_time(event["timestamp"].text());
    if (!seq || !at) return std::nullopt;
    const json_view data = event["data"];
    bridge_event read;
    read.seq = *seq;
    read.id = event["id"].text();
    read.type = event["type"].text();
    read.timestamp = event["timestamp"].text();
    read.at = *at;
    read.sequence = track::event_sequence(*at);
    read.transaction = data["merchant_transaction_id"].text();
    read.state = data["state"].text();
    read.status = data["status"].text();
    if (read.id.empty() || read.type.empty() || read.transaction.empty()) return std::nullopt;
    const auto body = without_seq(event);
    if (!body) return std::nullopt;
    read.body = *body;
    return read;
}

std::string fault_of_routing_key(std::string_view pattern) {
    if (pattern.size() > max_routing_key) return fmt::format("a routing key has at most {} bytes", max_routing_key);
    std::string fault;
    const auto check = [&fault](std::string_view name) {
        if (std::find(places.begin(), places.end(), name) == places.end() && fault.empty())
            fault =
                fmt::format("there is no {{{}}}: {{type}}, {{state}}, {{status}}, {{merchant_transaction_id}}", name);
    };
    if (!walk(
            pattern, [](std::string_view) {}, check) &&
        fault.empty())
        fault = "a { without its }";
    return fault;
}

std::string routing_key_of(std::string_view pattern, const bridge_event& event) {
    std::string key;
    walk(
        pattern, [&key](std::string_view text) { key += text; },
        [&](std::string_view place) { key += value_of_place(place, event); });
    if (key.size() > max_routing_key) key.resize(max_routing_key);
    return key;
}

} // namespace prooftrack::ctl
