// The router's actions about replays.

#include <fmt/format.h>

#include "api/answer.hpp"
#include "api/render.hpp"
#include "api/replay_body.hpp"
#include "api/router.hpp"

namespace prooftrack::api {

request_ticket router::begin_replay(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    auto request = read_replay(call.body);
    if (!request) return answer_problem(call.respond, request.error());
    auto render = [is_dry_run = request->dry_run](const track::replay_view& replay) {
        if (is_dry_run) return json_response(200, fmt::format("{{\"events\":{}}}", replay.events));
        return json_response(202, fmt::format("{{\"id\":{},\"events\":{}}}", value_of(replay.id), replay.events));
    };
    behind_.begin_replay(
        std::move(*request), call.head.who,
        answer_with<track::replay_view>(std::move(call.respond), std::move(render)));
    return no_ticket;
}

request_ticket router::list_replays(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    behind_.replays(answer_with<std::vector<track::replay_view>>(
        std::move(call.respond),
        [](const std::vector<track::replay_view>& list) { return json_response(200, render_replays(list)); }));
    return no_ticket;
}

request_ticket router::cancel_replay(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    const auto id = parse_number(call.captures.at(0));
    if (!id) {
        return answer_problem(
            call.respond,
            make_problem(
                problem_code::invalid_request, "a replay's id is a whole number, as `prooftrackctl replays` shows it"));
    }
    behind_.cancel_replay(
        replay_id(*id), call.head.who,
        answer_with<track::replay_view>(std::move(call.respond), [](const track::replay_view& cancelled) {
            return json_response(200, render_replay(cancelled));
        }));
    return no_ticket;
}

} // namespace prooftrack::api
