#include "api/message.hpp"

#include <algorithm>
#include <cctype>

#include "api/problem.hpp"

namespace prooftrack::api {

std::string media_type(std::string_view content_type) {
    std::string type(content_type.substr(0, content_type.find(';')));
    type.erase(std::remove_if(type.begin(), type.end(), [](char c) { return c == ' ' || c == '\t'; }), type.end());
    std::transform(type.begin(), type.end(), type.begin(), [](char c) {
        return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    });
    return type;
}

api_response problem_response(const problem& what) {
    api_response response;
    response.status = http_status(what);
    response.content_type = "application/problem+json";
    response.body = format_problem(what);
    if (what.retry_after) response.headers.emplace_back("Retry-After", std::to_string(what.retry_after->count()));
    return response;
}

} // namespace prooftrack::api
