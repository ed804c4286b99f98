#include "track/event.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/event_names.hpp"
#include "base/expects.hpp"
#include "base/traceparent.hpp"

namespace prooftrack::track {
namespace {

constexpr std::string_view test_name = "callback.test";
static_assert(selectable_events.size() == static_cast<std::size_t>(event_type::test), "in the order of event_type");
static_assert(event_type_count == selectable_events.size() + 1);

void append_json_or_null(std::string& out, std::string_view word) {
    if (word.empty()) {
        out += "null";
    } else {
        append_json_string(out, word);
    }
}

} // namespace

std::string_view to_string(event_type type) {
    return type == event_type::test ? test_name : selectable_events.at(static_cast<std::size_t>(type));
}

std::optional<event_type> parse_event_type(std::string_view name) {
    for (std::size_t i = 0; i < event_type_count; ++i) {
        const auto type = static_cast<event_type>(i);
        if (to_string(type) == name) return type;
    }
    return std::nullopt;
}

bool is_final(event_type type) {
    return type == event_type::completed || type == event_type::failed || type == event_type::cancelled ||
           type == event_type::reversed;
}

bool selects(std::string_view pattern, event_type type) { return pattern_selects(pattern, to_string(type)); }

std::string make_event_id(wall_time now, random_source& random) {
    const auto time = static_cast<std::uint64_t>(now.time_since_epoch().count()) & 0xFFFFFFFFFFFFULL;
    const std::uint64_t high = (time << 16U) | 0x7000U | (random.next() & 0x0FFFU);
    const std::uint64_t low = (random.next() & 0x3FFFFFFFFFFFFFFFULL) | 0x8000000000000000ULL;
    return fmt::format("evt_{:016x}{:016x}", high, low);
}

std::string format_event(const event_facts& facts) {
    std::string out;
    out.reserve(320 + facts.metadata.size() + facts.proof.size());
    out += "{\"id\":";
    append_json_string(out, facts.id);
    out += ",\"type\":";
    append_json_string(out, to_string(facts.type));
    out += ",\"timestamp\":";
    append_json_string(out, format_wall_time(facts.timestamp));
    out += ",\"data\":{\"merchant_transaction_id\":";
    append_json_string(out, facts.transaction);
    out += ",\"state\":";
    append_json_string(out, to_string(facts.state));
    out += ",\"status\":";
    append_json_or_null(out, facts.status);
    out += ",\"previous_status\":";
    append_json_or_null(out, facts.previous_status);
    out += ",\"final\":";
    out += is_final(facts.type) ? "true" : "false";
    out += ",\"metadata\":";
    out += facts.metadata;
    out += ",\"proof\":";
    out += facts.proof.empty() ? std::string_view("null") : facts.proof;
    out += "}}";
    return out;
}

std::string insert_seq(std::string_view frozen, event_seq seq) {
    constexpr std::size_t behind_id = std::string_view("{\"id\":\"\"").size() + event_id_length;
    expects(frozen.size() > behind_id && frozen[behind_id - 1] == '"', "event: not the bytes of an event");
    return fmt::format("{},\"seq\":{}{}", frozen.substr(0, behind_id), value_of(seq), frozen.substr(behind_id));
}

std::string_view event_transaction(std::string_view frozen) {
    // What stands before it is ours and never holds such a name, and an id has no characters that JSON escapes.
    constexpr std::string_view name = "\"data\":{\"merchant_transaction_id\":";
    const std::size_t at = frozen.find(name);
    if (at == std::string_view::npos) return {};
    const std::size_t begin = std::min(frozen.size(), at + name.size() + 1); // behind the quote
    return frozen.substr(begin, frozen.find('"', begin) - begin);
}

std::uint64_t event_sequence(wall_time timestamp) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(timestamp.time_since_epoch().count(), 0));
}

std::string event_traceparent(std::string_view tracked_by, std::string_view event_id) {
    constexpr std::size_t parent_id_length = 16;
    if (event_id.size() != event_id_length) return {};
    return with_parent(tracked_by, event_id.substr(event_id_length - parent_id_length));
}

wall_time next_event_time(wall_time now, std::optional<wall_time> last) {
    return last && now <= *last ? *last + milliseconds(1) : now;
}

} // namespace prooftrack::track
