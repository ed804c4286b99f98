#include "api/problem.hpp"

#include <array>

#include <fmt/format.h>

#include "base/json_string.hpp"

namespace prooftrack::api {
namespace {

constexpr std::array<problem_kind, 30> kinds{{
    {problem_code::invalid_request, 400, "invalid_request", "The request is not valid"},
    {problem_code::not_allowed, 403, "not_allowed", "Not allowed for this user"},
    {problem_code::route_not_found, 404, "route_not_found", "There is no such path"},
    {problem_code::unknown_transaction, 404, "unknown_transaction", "No such transaction is tracked"},
    {problem_code::unknown_delivery, 404, "unknown_delivery", "There is no such delivery"},
    {problem_code::unknown_consumer, 404, "unknown_consumer", "There is no such consumer"},
    {problem_code::unknown_callback, 404, "unknown_callback", "No such callback is configured"},
    {problem_code::unknown_replay, 404, "unknown_replay", "There is no such replay"},
    {problem_code::method_not_allowed, 405, "method_not_allowed", "The path does not take this method"},
    {problem_code::timeout, 408, "timeout", "The request did not arrive in time"},
    {problem_code::already_tracked, 409, "already_tracked", "Tracked already, with other options"},
    {problem_code::already_ended, 409, "already_ended", "The tracking has ended"},
    {problem_code::replay_running, 409, "replay_running", "A replay is running already"},
    {problem_code::replay_ended, 409, "replay_ended", "The replay has ended"},
    {problem_code::session_outcome_unknown, 409, "session_outcome_unknown", "The outcome of this key is not known"},
    {problem_code::idempotency_key_reused, 409, "idempotency_key_reused", "The key was used with another body"},
    {problem_code::session_replayed, 409, "session_replayed", "The session exists already"},
    {problem_code::callback_paused, 409, "callback_paused", "The callback is paused"},
    {problem_code::not_dead, 409, "not_dead", "The delivery is not dead"},
    {problem_code::cursor_gone, 410, "cursor_gone", "The events behind this cursor are gone"},
    {problem_code::too_large, 413, "too_large", "The request is too large"},
    {problem_code::unsupported_media_type, 415, "unsupported_media_type", "The body is of an unsupported type"},
    {problem_code::too_many_connections, 429, "too_many_connections", "This user has too many connections"},
    {problem_code::header_too_large, 431, "header_too_large", "The request's header is too large"},
    {problem_code::proof_unusable_reply, 502, "proof_unusable_reply", "Proof's reply cannot be used"},
    {problem_code::proof_unreachable, 502, "proof_unreachable", "Proof cannot be reached"},
    {problem_code::proof_timeout, 504, "proof_timeout", "Proof did not answer in time"},
    {problem_code::store_unavailable, 503, "store_unavailable", "The database cannot take changes now"},
    {problem_code::unavailable, 503, "unavailable", "Not available now"},
    {problem_code::passed_through, 0, "proof_error", "Proof refused the request"},
}};

} // namespace

std::span<const problem_kind> problem_kinds() { return kinds; }

const problem_kind& kind_of(problem_code code) { return kinds.at(static_cast<std::size_t>(code)); }

std::string_view word_of(problem_code code) { return kind_of(code).word; }

int http_status(const problem& what) {
    if (what.code != problem_code::passed_through) return kind_of(what.code).status;
    return what.status >= 400 && what.status <= 599 ? what.status : 502;
}

problem make_problem(problem_code code, std::string detail) {
    problem made;
    made.code = code;
    made.detail = std::move(detail);
    return made;
}

problem refused(std::string detail) { return make_problem(problem_code::invalid_request, std::move(detail)); }

namespace {

void append_value(std::string& out, const problem_member::value_type& value) {
    if (const auto* number = std::get_if<std::uint64_t>(&value)) {
        out += fmt::format("{}", *number);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
        append_json_string(out, *text);
    } else {
        out += '[';
        for (const std::string& each : std::get<std::vector<std::string>>(value)) {
            if (out.back() != '[') out += ',';
            append_json_string(out, each);
        }
        out += ']';
    }
}

} // namespace

std::string format_problem(const problem& what) {
    const problem_kind& kind = kind_of(what.code);
    const bool passed = what.code == problem_code::passed_through;
    std::string out = "{\"type\":";
    append_json_string(out, fmt::format("urn:prooftrackd:problem:{}", kind.word));
    out += ",\"title\":";
    append_json_string(out, kind.title);
    out += fmt::format(R"(,"status":{},"detail":)", http_status(what));
    append_json_string(out, what.detail);
    out += ",\"code\":";
    append_json_string(out, passed && !what.proof_code.empty() ? std::string_view(what.proof_code) : kind.word);
    for (const problem_member& member : what.members) {
        out += ',';
        append_json_string(out, member.name());
        out += ':';
        append_value(out, member.value());
    }
    out += '}';
    return out;
}

} // namespace prooftrack::api
