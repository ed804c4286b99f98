// The router's actions that export.

#include "api/answer.hpp"
#include "api/export_form.hpp"
#include "api/export_stream.hpp"
#include "api/router.hpp"

namespace prooftrack::api {
namespace {

parsed<track::export_query> read_export_query(
    track::export_list list, const query_values& query, export_format& format) {
    if (auto known = query.allow_only({"format", "since", "until"}); !known) return known.error();
    const std::string* const word = query.find("format");
    if (word != nullptr && *word != "ndjson" && *word != "csv")
        return make_problem(problem_code::invalid_request, "format is ndjson or csv");
    format = word != nullptr && *word == "csv" ? export_format::csv : export_format::ndjson;
    const auto span = query.span("since", "until");
    if (!span) return span.error();
    track::export_query request = export_of(list, format);
    request.since = span->begin;
    request.until = span->end;
    return request;
}

} // namespace

request_ticket router::export_list(track::export_list list, api_call call) {
    auto format = export_format::ndjson;
    auto query = read_export_query(list, call.query, format);
    if (!query) return answer_problem(call.respond, query.error());
    auto render = [chunked = !call.head.http_1_0, format](std::shared_ptr<byte_source> source) {
        api_response response;
        response.content_type = content_type_of(format);
        const char* const filler = format == export_format::csv ? "" : ndjson_filler; // in CSV a space is a value's
        response.stream = std::make_shared<export_stream>(std::move(source), filler);
        response.chunked = chunked;
        return response;
    };
    behind_.export_rows(
        std::move(*query), answer_with<std::shared_ptr<byte_source>>(std::move(call.respond), std::move(render)));
    return no_ticket;
}

request_ticket router::export_transactions(api_call call) {
    return export_list(track::export_list::transactions, std::move(call));
}

request_ticket router::export_events(api_call call) { return export_list(track::export_list::events, std::move(call)); }

request_ticket router::export_deliveries(api_call call) {
    return export_list(track::export_list::deliveries, std::move(call));
}

} // namespace prooftrack::api
