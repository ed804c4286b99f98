#include "api/tracking_body.hpp"

#include <fmt/format.h>

#include "api/problem.hpp"
#include "base/target_rules.hpp"

namespace prooftrack::api {
namespace {

bool is_json_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/// Whether the host may be used is the engine's decision; here only what can never be a callback.
parsed<std::optional<std::string>> read_callback_url(const json_fields& fields) {
    if (fields.raw("callback_url") == "null") return std::optional<std::string>();
    auto url = fields.text("callback_url");
    if (!url || !*url) return url;
    const auto form = check_own_url_form(**url);
    if (!form) return refused(fmt::format("callback_url cannot be used: {}", form.error().message()));
    return url;
}

parsed<options_patch::metadata_text> read_metadata(std::string_view metadata) {
    if (metadata.starts_with('[') && metadata.find_first_not_of(" \t\r\n", 1) == metadata.size() - 1) {
        return refused("metadata is a JSON object, not a list: {} when empty, which PHP writes for (object)[]");
    }
    if (!metadata.starts_with('{')) return refused("metadata is not a JSON object");
    if (metadata.size() > max_metadata_bytes) return refused("metadata is at most 4096 bytes");
    auto canonical = net::canonical_json(metadata);
    if (!canonical) return refused(fmt::format("metadata cannot be used: {}", canonical.error().message()));
    return options_patch::metadata_text{std::string(metadata), std::move(*canonical)};
}

parsed<tracking_options> read_options(const json_fields& fields) {
    tracking_options options;
    if (const auto given = fields.raw("metadata")) {
        auto metadata = read_metadata(*given);
        if (!metadata) return metadata.error();
        options.metadata = std::move(metadata->bytes);
        options.metadata_canonical = std::move(metadata->canonical);
    }
    auto url = read_callback_url(fields);
    if (!url) return url.error();
    options.callback_url = std::move(*url);
    const auto overdue = fields.text("overdue_after");
    if (!overdue) return overdue.error();
    if (*overdue) {
        options.overdue_after = parse_duration(**overdue);
        if (!options.overdue_after || options.overdue_after->count() == 0) {
            return refused("overdue_after is a number above 0 with a unit, such as 24h");
        }
    }
    return options;
}

parsed<transaction_id> read_id(const json_fields& fields) {
    const auto id = fields.text("merchant_transaction_id");
    if (!id) return id.error();
    if (!*id) return refused("merchant_transaction_id is missing");
    return checked_id(**id);
}

/// The range of bytes to cut so that the member `tracking` goes, whose value is `value`, and one comma beside it.
std::pair<std::size_t, std::size_t> member_range(std::string_view text, std::string_view value) {
    // The name may be spelled with \u escapes, but there is no quote in it: the two quotes before the value are its
    // own.
    const auto value_begin = static_cast<std::size_t>(value.data() - text.data());
    const std::size_t name_end = text.rfind('"', value_begin - 1);
    const std::size_t begin = text.rfind('"', name_end - 1);
    const std::size_t end = value_begin + value.size();
    std::size_t after = end;
    while (is_json_space(text[after])) ++after;
    if (text[after] == ',') return {begin, after + 1};
    std::size_t before = begin;
    while (is_json_space(text[before - 1])) --before;
    return {text[before - 1] == ',' ? before - 1 : begin, end};
}

} // namespace

parsed<transaction_id> checked_id(std::string_view text) {
    auto id = transaction_id::parse(text);
    if (!id) return refused(fmt::format("merchant_transaction_id: {}", transaction_id_rule));
    return std::move(*id);
}

parsed<tracking_options> parse_tracking_options(std::string_view text) {
    const auto fields = json_fields::parse(text, {"callback_url", "metadata", "overdue_after"});
    if (!fields) return fields.error();
    return read_options(*fields);
}

parsed<track_request> parse_track_request(std::string_view text) {
    const auto fields =
        json_fields::parse(text, {"merchant_transaction_id", "callback_url", "metadata", "overdue_after"});
    if (!fields) return fields.error();
    auto id = read_id(*fields);
    if (!id) return id.error();
    auto options = read_options(*fields);
    if (!options) return options.error();
    return track_request{std::move(*id), std::move(*options)};
}

parsed<options_patch> parse_options_patch(std::string_view text) {
    const auto fields = json_fields::parse(text, {"metadata", "callback_url"});
    if (!fields) return fields.error();
    if (fields->members().empty())
        return refused("nothing to change: send metadata, callback_url (null takes it away), or both");
    options_patch patch;
    if (const auto given = fields->raw("metadata")) {
        auto metadata = read_metadata(*given);
        if (!metadata) return metadata.error();
        patch.metadata = std::move(*metadata);
    }
    auto url = read_callback_url(*fields);
    if (!url) return url.error();
    patch.sets_callback_url = fields->raw("callback_url").has_value();
    patch.callback_url = std::move(*url);
    return patch;
}

parsed<session_body> parse_session_body(std::string_view text) {
    const auto fields = json_fields::parse_open(text);
    if (!fields) return fields.error();
    session_body session;
    const auto tracking = fields->raw("tracking");
    if (!tracking) {
        session.body = std::string(text);
        return session;
    }
    if (!tracking->starts_with('{')) return refused("tracking is not a JSON object");
    auto options = parse_tracking_options(*tracking);
    if (!options) {
        problem why = options.error();
        why.detail = "tracking: " + why.detail;
        return why;
    }
    session.options = std::move(*options);
    const auto [begin, end] = member_range(text, *tracking);
    session.body.reserve(text.size());
    session.body += text.substr(0, begin);
    session.body += text.substr(end);
    return session;
}

parsed<transaction_id> parse_hint(std::string_view text) {
    const auto fields = json_fields::parse_open(text);
    if (!fields) return fields.error();
    return read_id(*fields);
}

} // namespace prooftrack::api
