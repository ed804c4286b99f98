#include "api/message.hpp"

#include "api/problem.hpp"

namespace prooftrack::api {

api_response problem_response(const problem& what) {
    api_response response;
    response.status = http_status(what);
    response.content_type = "application/problem+json";
    response.body = format_problem(what);
    if (what.retry_after) response.headers.emplace_back("Retry-After", std::to_string(what.retry_after->count()));
    return response;
}

} // namespace prooftrack::api
