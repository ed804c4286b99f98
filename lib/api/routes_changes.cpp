// The router's actions that change options, or many transactions.

#include "api/answer.hpp"
#include "api/render.hpp"
#include "api/router.hpp"
#include "api/tracking_body.hpp"
#include "api/untrack_body.hpp"

namespace prooftrack::api {

request_ticket router::set_options(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    auto id = checked_id(call.captures.at(0));
    if (!id) return answer_problem(call.respond, id.error());
    auto patch = parse_options_patch(call.body);
    if (!patch) return answer_problem(call.respond, patch.error());
    behind_.set_options(
        std::move(*id), std::move(*patch), call.head.who,
        answer_with<track::transaction_view>(std::move(call.respond), [](const track::transaction_view& view) {
            return json_response(200, render_transaction(view));
        }));
    return no_ticket;
}

request_ticket router::untrack_matching(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    auto request = parse_untrack_request(call.body);
    if (!request) return answer_problem(call.respond, request.error());
    behind_.untrack_matching(
        std::move(*request), call.head.who,
        answer_with<untrack_summary>(
            std::move(call.respond), [](untrack_summary done) { return json_response(200, render_untracked(done)); }));
    return no_ticket;
}

} // namespace prooftrack::api
