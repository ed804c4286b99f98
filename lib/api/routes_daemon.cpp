// The router's actions about the daemon itself.

#include <fmt/format.h>

#include "api/answer.hpp"
#include "api/file_stream.hpp"
#include "api/json_fields.hpp"
#include "api/openapi.hpp"
#include "api/render.hpp"
#include "api/router.hpp"
#include "base/json_string.hpp"

namespace prooftrack::api {
namespace {

constexpr std::size_t max_level_length = 32;

api_response health_response(const health_report& report) {
    if (report.ok) {
        std::string body = fmt::format("{{\"ok\":true,\"reasons\":{}", render_reasons(report.reasons));
        if (!report.proof.empty()) {
            body += ",\"proof\":";
            append_json_string(body, report.proof);
        }
        return json_response(200, body + '}');
    }
    problem why = make_problem(problem_code::unavailable, fmt::format("{}", fmt::join(report.reasons, "; ")));
    why.members.push_back(problem_member::texts("reasons", report.reasons));
    if (!report.proof.empty()) why.members.push_back(problem_member::text("proof", report.proof));
    return problem_response(why);
}

/// In chunks, so that a missing last chunk shows a failed one; for HTTP/1.0, where proxies ask for it, with its
/// length.
api_response backup_response(const std::filesystem::path& path, bool chunked) {
    auto stream = file_stream::open_and_unlink(path);
    if (!stream) {
        return problem_response(make_problem(
            problem_code::store_unavailable, fmt::format("the copy cannot be read: {}", stream.error().message())));
    }
    api_response response;
    response.content_type = "application/vnd.sqlite3";
    response.stream = std::move(*stream);
    response.chunked = chunked;
    return response;
}

} // namespace

request_ticket router::status(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    behind_.status_json(answer_with<std::string>(
        std::move(call.respond), [](std::string body) { return json_response(200, std::move(body)); }));
    return no_ticket;
}

request_ticket router::healthy(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    call.respond(health_response(behind_.healthy()));
    return no_ticket;
}

request_ticket router::ready(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    call.respond(health_response(behind_.ready()));
    return no_ticket;
}

request_ticket router::metrics(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    behind_.metrics_text(answer_with<std::string>(
        std::move(call.respond), [](std::string text) { return metrics_response(std::move(text)); }));
    return no_ticket;
}

request_ticket router::backup(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    auto render = [chunked = !call.head.http_1_0](const std::filesystem::path& copy) {
        return backup_response(copy, chunked);
    };
    behind_.backup(call.head.who, answer_with<std::filesystem::path>(std::move(call.respond), std::move(render)));
    return no_ticket;
}

request_ticket router::set_log_level(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    const auto fields = json_fields::parse(call.body, {"level"});
    if (!fields) return answer_problem(call.respond, fields.error());
    auto level = fields->text("level");
    if (!level) return answer_problem(call.respond, level.error());
    if (!*level || (*level)->empty() || (*level)->size() > max_level_length) {
        return answer_problem(
            call.respond, make_problem(problem_code::invalid_request, "level is missing: a word such as info"));
    }
    auto render = [shown = **level](std::monostate) {
        std::string body = "{\"level\":";
        append_json_string(body, shown);
        return json_response(200, body + "}");
    };
    behind_.set_log_level(
        std::move(**level), call.head.who, answer_with<std::monostate>(std::move(call.respond), std::move(render)));
    return no_ticket;
}

request_ticket router::openapi(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    call.respond(json_response(200, std::string(openapi_document())));
    return no_ticket;
}

} // namespace prooftrack::api
