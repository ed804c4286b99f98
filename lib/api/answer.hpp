#pragma once

// How the actions of the router answer.

#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "api/backend.hpp"
#include "api/message.hpp"
#include "api/problem.hpp"

namespace prooftrack::api {

using responder = unique_function<void(api_response)>;

inline api_response json_response(int status, std::string body) {
    api_response response;
    response.status = status;
    response.body = std::move(body);
    return response;
}

/// Prometheus' text format, version 0.0.4.
inline api_response metrics_response(std::string text) {
    api_response response = json_response(200, std::move(text));
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    return response;
}

/// The router's tickets are its backend's waits: what cannot wait cannot be cancelled.
constexpr request_ticket ticket_of(wait_id wait) { return request_ticket{value_of(wait)}; }
constexpr wait_id wait_of(request_ticket ticket) { return wait_id{static_cast<std::uint64_t>(ticket)}; }

/// Answers at once with a problem: what an action returns for bad input.
inline request_ticket answer_problem(responder& respond, const problem& what) {
    respond(problem_response(what));
    return no_ticket;
}

/// A backend's handler that answers with its problem, or with what `render` makes of its value.
template <class T, class Render>
backend_handler<T> answer_with(responder respond, Render render) {
    return [respond = std::move(respond), render = std::move(render)](outcome<T> result) mutable {
        if (const problem* refused = std::get_if<problem>(&result)) {
            respond(problem_response(*refused));
        } else {
            respond(render(std::move(std::get<T>(result))));
        }
    };
}

} // namespace prooftrack::api
