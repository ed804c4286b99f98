#include "api/replay_body.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "api/json_fields.hpp"
#include "api/problem.hpp"
#include "api/target.hpp"
#include "base/event_names.hpp"

namespace prooftrack::api {
namespace {

/// A seq is a signed number in the store.
constexpr std::uint64_t largest_seq = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) - 1;

parsed<std::optional<event_seq>> read_seq(const json_fields& fields, std::string_view name) {
    const auto number = fields.number(name);
    if (!number) return number.error();
    if (!*number) return std::optional<event_seq>();
    if (**number > largest_seq) return refused(fmt::format("{} is at most {}", name, largest_seq));
    return std::optional(event_seq{**number});
}

parsed<std::optional<wall_time>> read_time(const json_fields& fields, std::string_view name) {
    const auto text = fields.text(name);
    if (!text) return text.error();
    if (!*text) return std::optional<wall_time>();
    const auto when = parse_wall_time(**text);
    if (!when) return refused(fmt::format("{} is not an RFC 3339 time such as 2026-04-01T10:03:45.120Z", name));
    return when;
}

parsed<void> read_range(const json_fields& fields, track::replay_query& into) {
    const auto after = read_seq(fields, "after_seq");
    if (!after) return after.error();
    const auto before = read_seq(fields, "before_seq");
    if (!before) return before.error();
    const auto since = read_time(fields, "since");
    if (!since) return since.error();
    const auto until = read_time(fields, "until");
    if (!until) return until.error();
    into.after = after->value_or(event_seq{});
    into.before = *before;
    into.since = *since;
    into.until = *until;
    if (into.before && value_of(*into.before) <= value_of(into.after) + 1) {
        return refused(fmt::format(
            "no event lies between after_seq {} and before_seq {}: both ends are left out", value_of(into.after),
            value_of(*into.before)));
    }
    if (into.since && into.until && *into.since >= *into.until)
        return refused("since is not earlier than until: no event lies between them");
    return {};
}

bool selects_any(const std::string& pattern) {
    return std::any_of(selectable_events.begin(), selectable_events.end(), [&](std::string_view event) {
        return pattern_selects(pattern, event);
    });
}

parsed<std::vector<std::string>> read_types(const json_fields& fields) {
    const auto raw = fields.raw("types");
    if (!raw) return std::vector<std::string>();
    auto types = net::decode_string_array(*raw);
    if (!types || types->empty() || types->size() > most_replay_types) {
        return refused(fmt::format(
            "types is an array of 1 to {} names or patterns of events, as [\"transaction.completed\"]; without it, "
            "every event that the callback selects",
            most_replay_types));
    }
    for (const std::string& pattern : *types) {
        if (selects_any(pattern)) continue;
        return refused(fmt::format(
            "types: '{}' selects no event; there are {}", pattern.substr(0, 64), fmt::join(selectable_events, ", ")));
    }
    return std::move(*types);
}

} // namespace

parsed<replay_request> read_replay(std::string_view body) {
    const auto fields =
        json_fields::parse(body, {"callback", "after_seq", "before_seq", "since", "until", "types", "only", "dry_run"});
    if (!fields) return fields.error();
    replay_request request;
    auto callback = fields->text("callback");
    if (!callback) return callback.error();
    if (!*callback || !is_callback_name(**callback))
        return refused("callback is the name of a [[callback]]: 1 to 64 of a-z 0-9 _ -");
    request.query.callback = std::move(**callback);
    if (const auto range = read_range(*fields, request.query); !range) return range.error();
    auto types = read_types(*fields);
    if (!types) return types.error();
    request.query.types = std::move(*types);
    const auto only = fields->text("only");
    if (!only) return only.error();
    if (*only && *only != "missing" && *only != "all")
        return refused("only is \"missing\" (what was never owed to the callback) or \"all\"");
    request.query.only_missing = *only != "all";
    const auto dry_run = fields->raw("dry_run");
    if (dry_run && *dry_run != "true" && *dry_run != "false") return refused("dry_run is true or false");
    request.dry_run = dry_run == "true";
    return request;
}

} // namespace prooftrack::api
