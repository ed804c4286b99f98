// The router's actions that hold a callback up, hurry it, or let dead deliveries go.

#include <string_view>

#include <fmt/format.h>

#include "api/answer.hpp"
#include "api/json_fields.hpp"
#include "api/problem.hpp"
#include "api/render.hpp"
#include "api/router.hpp"
#include "api/target.hpp"

namespace prooftrack::api {
namespace {

/// The callback's name in the path and an empty query.
parsed<std::string> read_callback(const api_call& call) {
    if (auto query = call.query.allow_only({}); !query) return query.error();
    if (!is_callback_name(call.captures.at(0))) return refused("a callback's name is 1 to 64 of a-z 0-9 _ -");
    return call.captures.at(0);
}

} // namespace

request_ticket router::pause_callback(api_call call) {
    auto name = read_callback(call);
    if (!name) return answer_problem(call.respond, name.error());
    auto render = [](std::string body) { return json_response(200, std::move(body)); };
    behind_.pause_callback(
        std::move(*name), call.head.who, answer_with<std::string>(std::move(call.respond), std::move(render)));
    return no_ticket;
}

request_ticket router::resume_callback(api_call call) {
    auto name = read_callback(call);
    if (!name) return answer_problem(call.respond, name.error());
    auto render = [](std::string body) { return json_response(200, std::move(body)); };
    behind_.resume_callback(
        std::move(*name), call.head.who, answer_with<std::string>(std::move(call.respond), std::move(render)));
    return no_ticket;
}

request_ticket router::flush_callback(api_call call) {
    auto name = read_callback(call);
    if (!name) return answer_problem(call.respond, name.error());
    auto render = [](std::uint64_t due) { return json_response(202, fmt::format("{{\"due\":{}}}", due)); };
    behind_.flush_callback(
        std::move(*name), call.head.who, answer_with<std::uint64_t>(std::move(call.respond), std::move(render)));
    return no_ticket;
}

request_ticket router::dismiss_delivery(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    const auto id = parse_number(call.captures.at(0));
    if (!id)
        return answer_problem(
            call.respond, refused("a delivery's id is a whole number, as `prooftrackctl deliveries` shows it"));
    std::string note;
    if (call.body.find_first_not_of(" \t\r\n") != std::string::npos) {
        const auto fields = json_fields::parse(call.body, {"note"});
        if (!fields) return answer_problem(call.respond, fields.error());
        auto given = read_note(*fields);
        if (!given) return answer_problem(call.respond, given.error());
        note = std::move(*given);
    }
    auto render = [](const track::delivery_view& view) { return json_response(200, render_delivery(view)); };
    behind_.dismiss_delivery(
        delivery_id(*id), std::move(note), call.head.who,
        answer_with<track::delivery_view>(std::move(call.respond), std::move(render)));
    return no_ticket;
}

request_ticket router::dismiss_dead(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    const auto fields = json_fields::parse(call.body, {"state", "callback", "note"});
    if (!fields) return answer_problem(call.respond, fields.error());
    const auto state = fields->text("state");
    if (!state) return answer_problem(call.respond, state.error());
    if (*state != "dead")
        return answer_problem(call.respond, refused("state is \"dead\": only dead deliveries are dismissed"));
    auto callback = fields->text("callback");
    if (!callback) return answer_problem(call.respond, callback.error());
    if (*callback && !is_callback_name(**callback))
        return answer_problem(call.respond, refused("callback is 1 to 64 of a-z 0-9 _ -"));
    auto note = read_note(*fields);
    if (!note) return answer_problem(call.respond, note.error());
    auto render = [](std::uint64_t count) { return json_response(200, fmt::format("{{\"dismissed\":{}}}", count)); };
    behind_.dismiss_dead(
        std::move(*callback), std::move(*note), call.head.who,
        answer_with<std::uint64_t>(std::move(call.respond), std::move(render)));
    return no_ticket;
}

} // namespace prooftrack::api
