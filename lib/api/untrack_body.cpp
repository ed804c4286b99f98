#include "api/untrack_body.hpp"

#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "api/json_fields.hpp"
#include "api/problem.hpp"
#include "api/tracking_body.hpp"

namespace prooftrack::api {
namespace {

constexpr std::string_view metadata_prefix = "metadata.";

parsed<track::tracking_state> read_state(const std::string& text) {
    constexpr std::string_view open_states = "tracking, overdue, not_found, rejected";
    const auto state = track::parse_tracking_state(text);
    if (!state) return refused(fmt::format("filter: state is one of {}", open_states));
    if (is_ended(*state))
        return refused(
            fmt::format("filter: what is {} can be untracked no more: state is one of {}", text, open_states));
    return *state;
}

/// Adds one member of the filter to the query.
parsed<void> read_member(const net::json_member& member, track::transaction_query& into) {
    const std::string_view name(member.key);
    const bool is_metadata = name.starts_with(metadata_prefix);
    if (!is_metadata && name != "state" && name != "status" && name != "tracked_before") {
        return refused(fmt::format(
            "unknown member '{}' of the filter: it takes state, status, metadata.KEY, tracked_before",
            name.substr(0, 64)));
    }
    auto value = net::decode_json_string(member.value);
    if (!value) return refused(fmt::format("filter: {} is not a string", name.substr(0, 64)));
    if (is_metadata) {
        const std::string_view key = name.substr(metadata_prefix.size());
        if (into.metadata.size() == track::most_metadata_filters)
            return refused(fmt::format("filter: at most {} members of the metadata", into.metadata.size()));
        if (key.size() > max_metadata_bytes || value->size() > max_metadata_bytes)
            return refused(
                fmt::format("filter: metadata.KEY and its value are at most {} bytes each", max_metadata_bytes));
        into.metadata.push_back({std::string(key), std::move(*value)});
    } else if (name == "state") {
        const auto state = read_state(*value);
        if (!state) return state.error();
        into.state = *state;
    } else if (name == "status") {
        if (value->empty() || value->size() > track::max_status_length)
            return refused(fmt::format("filter: status is 1 to {} characters", track::max_status_length));
        into.status = std::move(*value);
    } else {
        into.tracked_before = parse_wall_time(*value);
        if (!into.tracked_before)
            return refused("filter: tracked_before is not an RFC 3339 time such as 2026-04-01T10:03:45.120Z");
    }
    return {};
}

parsed<bool> read_dry_run(const json_fields& fields) {
    const auto given = fields.raw("dry_run");
    if (!given || *given == "false") return false;
    if (*given == "true") return true;
    return refused("dry_run is true or false");
}

} // namespace

parsed<untrack_request> parse_untrack_request(std::string_view text) {
    const auto fields = json_fields::parse(text, {"filter", "dry_run"});
    if (!fields) return fields.error();
    const auto filter = fields->raw("filter");
    if (!filter || !filter->starts_with('{')) return refused("filter is missing, or not a JSON object");
    const auto members = json_fields::parse_open(*filter);
    if (!members) return members.error();
    if (members->members().empty())
        return refused("an empty filter would end everything: give state, status, metadata.KEY or tracked_before");
    untrack_request request;
    for (const net::json_member& member : members->members()) {
        if (const auto read = read_member(member, request.filter); !read) return read.error();
    }
    const auto dry_run = read_dry_run(*fields);
    if (!dry_run) return dry_run.error();
    request.is_dry_run = *dry_run;
    return request;
}

} // namespace prooftrack::api
