#include "api/list_queries.hpp"

#include <fmt/format.h>

#include "api/problem.hpp"
#include "api/tracking_body.hpp"

namespace prooftrack::api {
namespace {

constexpr std::size_t max_cursor_length = 512;
constexpr std::string_view metadata_prefix = "metadata.";

/// Longer ones are in no metadata.
parsed<std::vector<track::metadata_filter>> read_metadata(const query_values& query) {
    std::vector<track::metadata_filter> filters;
    for (auto& [key, value] : query.with_prefix(metadata_prefix)) {
        if (filters.size() == track::most_metadata_filters)
            return refused(fmt::format("at most {} members of the metadata in one search", filters.size()));
        if (key.size() > max_metadata_bytes || value.size() > max_metadata_bytes)
            return refused(fmt::format("metadata.KEY and its value are at most {} bytes each", max_metadata_bytes));
        filters.push_back({std::move(key), std::move(value)});
    }
    return filters;
}

/// What an id may begin with.
bool is_id_prefix(const std::string& text) {
    if (text.empty()) return false;
    return transaction_id::parse(text).has_value() || transaction_id::parse(text + "0").has_value();
}

parsed<void> read_times(const query_values& query, track::transaction_query& into) {
    const auto settled = query.span("settled_after", "settled_before");
    if (!settled) return settled.error();
    const auto tracked = query.span("tracked_after", "tracked_before");
    if (!tracked) return tracked.error();
    into.settled_after = settled->begin;
    into.settled_before = settled->end;
    into.tracked_after = tracked->begin;
    into.tracked_before = tracked->end;
    return {};
}

/// `since`, `until` and `limit`.
template <class Query>
parsed<void> read_span(const query_values& query, Query& into) {
    const auto span = query.span("since", "until");
    if (!span) return span.error();
    const auto limit = query.limit();
    if (!limit) return limit.error();
    into.since = span->begin;
    into.until = span->end;
    into.limit = *limit;
    return {};
}

} // namespace

parsed<track::transaction_query> read_transaction_query(const query_values& query) {
    const auto known = query.allow_only(
        {"state", "status", "settled_after", "settled_before", "tracked_after", "tracked_before", "not_delivered_to",
         "id_prefix", "limit", "cursor"},
        metadata_prefix);
    if (!known) return known.error();
    track::transaction_query request;
    if (const std::string* state = query.find("state")) {
        request.state = track::parse_tracking_state(*state);
        if (!request.state)
            return refused("state is one of tracking, settled, overdue, not_found, rejected, abandoned, untracked");
    }
    auto status = query.text("status", track::max_status_length);
    if (!status) return status.error();
    if (const auto times = read_times(query, request); !times) return times.error();
    auto metadata = read_metadata(query);
    if (!metadata) return metadata.error();
    auto callback = query.callback_name("not_delivered_to");
    if (!callback) return callback.error();
    if (const std::string* prefix = query.find("id_prefix")) {
        if (!is_id_prefix(*prefix))
            return refused("id_prefix is the beginning of an id: 1 to 128 of A-Z a-z 0-9 . _ ~ -");
        request.id_prefix = *prefix;
    }
    const auto limit = query.limit();
    if (!limit) return limit.error();
    auto cursor = query.text("cursor", max_cursor_length);
    if (!cursor) return cursor.error();
    request.status = std::move(*status);
    request.metadata = std::move(*metadata);
    request.not_delivered_to = std::move(*callback);
    request.limit = *limit;
    request.cursor = cursor->value_or("");
    return request;
}

parsed<track::delivery_query> read_delivery_query(const query_values& query) {
    const auto known =
        query.allow_only({"state", "callback", "merchant_transaction_id", "since", "until", "limit", "cursor"});
    if (!known) return known.error();
    track::delivery_query request;
    if (const std::string* state = query.find("state")) {
        request.state = track::parse_delivery_state(*state);
        if (!request.state) return refused("state is one of pending, delivered, dead, dismissed");
    }
    auto callback = query.callback_name("callback");
    if (!callback) return callback.error();
    if (const std::string* id = query.find("merchant_transaction_id")) {
        if (auto valid = checked_id(*id); !valid) return valid.error();
        request.transaction = *id;
    }
    if (const auto span = read_span(query, request); !span) return span.error();
    auto cursor = query.text("cursor", max_cursor_length);
    if (!cursor) return cursor.error();
    request.callback = std::move(*callback);
    request.cursor = cursor->value_or("");
    return request;
}

parsed<track::event_query> read_event_query(const query_values& query) {
    track::event_query request;
    const auto after = query.number("after");
    if (!after) return after.error();
    if (query.find("wait") != nullptr)
        return refused("wait goes with after alone: a time that has passed brings nothing new");
    if (const auto span = read_span(query, request); !span) return span.error();
    request.after = event_seq(after->value_or(0));
    return request;
}

} // namespace prooftrack::api
