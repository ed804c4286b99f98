// The router's action that reconciles.

#include "api/answer.hpp"
#include "api/export_stream.hpp"
#include "api/reconcile_form.hpp"
#include "api/router.hpp"

namespace prooftrack::api {
namespace {

parsed<track::reconcile_period> read_period(const query_values& query) {
    if (auto known = query.allow_only({"since", "until"}); !known) return known.error();
    const auto span = query.span("since", "until");
    if (!span) return span.error();
    track::reconcile_period period;
    if (span->begin) period.since = format_wall_time(*span->begin);
    if (span->end) period.until = format_wall_time(*span->end);
    return period;
}

} // namespace

request_ticket router::reconcile(api_call call) {
    auto period = read_period(call.query);
    if (!period) return answer_problem(call.respond, period.error());
    const auto format = media_type(call.head.content_type) == "text/csv" ? list_format::csv : list_format::ndjson;
    const auto checked = check_merchant_list(call.body, format);
    if (!checked) return answer_problem(call.respond, checked.error());
    auto render = [chunked = !call.head.http_1_0](std::shared_ptr<byte_source> source) {
        api_response response;
        response.content_type = "application/x-ndjson";
        response.stream = std::make_shared<export_stream>(std::move(source), ndjson_filler);
        response.chunked = chunked;
        return response;
    };
    behind_.reconcile(
        reconcile_job_of(std::move(call.body), format, std::move(*period)),
        answer_with<std::shared_ptr<byte_source>>(std::move(call.respond), std::move(render)));
    return no_ticket;
}

} // namespace prooftrack::api
