#include "api/router.hpp"

#include <array>

#include <fmt/format.h>

#include "api/answer.hpp"
#include "api/problem.hpp"

namespace prooftrack::api {

struct route_table {
    struct entry {
        route_info info;
        router::action action;
    };
    static constexpr std::size_t size = 40;
    static const std::array<entry, size> entries;
};

const std::array<route_table::entry, route_table::size> route_table::entries{{
    {{"POST", "/v1/transactions", body_kind::import, true}, &router::track},
    {{"GET", "/v1/transactions", body_kind::none, false}, &router::list_transactions},
    {{"GET", "/v1/transactions/{id}", body_kind::none, false}, &router::get_transaction},
    {{"DELETE", "/v1/transactions/{id}", body_kind::none, true}, &router::untrack},
    {{"PATCH", "/v1/transactions/{id}", body_kind::json, true}, &router::set_options},
    {{"POST", "/v1/transactions/untrack", body_kind::json, true}, &router::untrack_matching},
    {{"GET", "/v1/transactions/{id}/history", body_kind::none, false}, &router::history},
    {{"POST", "/v1/transactions/{id}/poll", body_kind::none, true}, &router::poll},
    {{"POST", "/v1/hints", body_kind::json, true}, &router::hint},
    {{"POST", "/v1/sessions", body_kind::json, true}, &router::create_session},
    {{"GET", "/v1/users/{id}/kyc-status", body_kind::none, true}, &router::kyc_status},
    {{"GET", "/v1/events", body_kind::none, false}, &router::events},
    {{"GET", "/v1/deliveries", body_kind::none, false}, &router::deliveries},
    {{"POST", "/v1/deliveries/retry", body_kind::json, true}, &router::retry_dead},
    {{"POST", "/v1/deliveries/{id}/retry", body_kind::none, true}, &router::retry_delivery},
    {{"POST", "/v1/replays", body_kind::json, true}, &router::begin_replay},
    {{"GET", "/v1/replays", body_kind::none, false}, &router::list_replays},
    {{"DELETE", "/v1/replays/{id}", body_kind::none, true}, &router::cancel_replay},
    {{"GET", "/v1/consumers", body_kind::none, false}, &router::list_consumers},
    {{"PUT", "/v1/consumers/{name}", body_kind::optional_json, true}, &router::put_consumer},
    {{"DELETE", "/v1/consumers/{name}", body_kind::none, true}, &router::delete_consumer},
    {{"POST", "/v1/consumers/{name}/ack", body_kind::json, true}, &router::acknowledge},
    {{"POST", "/v1/callbacks/{name}/test", body_kind::none, true}, &router::test_callback},
    {{"POST", "/v1/callbacks/{name}/pause", body_kind::none, true}, &router::pause_callback},
    {{"POST", "/v1/callbacks/{name}/resume", body_kind::none, true}, &router::resume_callback},
    {{"POST", "/v1/callbacks/{name}/flush", body_kind::none, true}, &router::flush_callback},
    {{"POST", "/v1/deliveries/dismiss", body_kind::json, true}, &router::dismiss_dead},
    {{"POST", "/v1/deliveries/{id}/dismiss", body_kind::optional_json, true}, &router::dismiss_delivery},
    {{"GET", "/v1/status", body_kind::none, false}, &router::status},
    {{"GET", "/healthz", body_kind::none, false}, &router::healthy},
    {{"GET", "/readyz", body_kind::none, false}, &router::ready},
    {{"GET", "/metrics", body_kind::none, false}, &router::metrics},
    {{"GET", "/v1/backup", body_kind::none, true}, &router::backup},
    {{"GET", "/v1/export/transactions", body_kind::none, false}, &router::export_transactions},
    {{"GET", "/v1/export/events", body_kind::none, false}, &router::export_events},
    {{"GET", "/v1/export/deliveries", body_kind::none, false}, &router::export_deliveries},
    {{"POST", "/v1/reconcile", body_kind::merchant_list, true}, &router::reconcile},
    {{"PUT", "/v1/log-level", body_kind::json, true}, &router::set_log_level},
    {{"PUT", "/v1/maintenance", body_kind::json, true}, &router::set_maintenance},
    {{"GET", "/v1/openapi.json", body_kind::none, false}, &router::openapi},
}};

namespace {

constexpr std::string_view ndjson_type = "application/x-ndjson";
constexpr std::string_view csv_type = "text/csv";

std::string_view take_segment(std::string_view& path) {
    path.remove_prefix(1);
    const std::string_view segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    return segment;
}

/// Whether `path` is an instance of `pattern`; its parts in braces are put into `captures`, still encoded.
bool matches(std::string_view pattern, std::string_view path, std::vector<std::string_view>& captures) {
    captures.clear();
    while (pattern.starts_with('/') && path.starts_with('/')) {
        const std::string_view wanted = take_segment(pattern);
        const std::string_view given = take_segment(path);
        if (wanted.starts_with('{') && !given.empty()) {
            captures.push_back(given);
        } else if (wanted != given) {
            return false;
        }
    }
    return pattern.empty() && path.empty();
}

struct route_match {
    const route_table::entry* entry = nullptr; ///< null: no such path, or not with this method
    std::string allow;                         ///< methods of the path, "" = no such path
    std::vector<std::string_view> captures;
};

/// Where the answer is made by work.
bool is_made_by_work(std::string_view path) { return path == "/v1/backup" || path.starts_with("/v1/export/"); }

/// HEAD is GET without a body, but not for those.
std::string_view effective_method(const request_head& head, std::string_view path) {
    return head.method == "HEAD" && !is_made_by_work(path) ? std::string_view("GET") : head.method;
}

route_match find_route(const request_head& head) {
    const std::string_view path = split_target(head.target).path;
    const std::string_view method = effective_method(head, path);
    route_match found;
    std::vector<std::string_view> captures;
    for (const route_table::entry& entry : route_table::entries) {
        if (!matches(entry.info.path, path, captures)) continue;
        if (entry.info.method == method) {
            found.entry = &entry;
            found.captures = std::move(captures);
            return found;
        }
        if (!found.allow.empty()) found.allow += ", ";
        found.allow += entry.info.method;
        if (entry.info.method == "GET" && !is_made_by_work(path)) found.allow += ", HEAD";
    }
    return found;
}

bool is_encoded(std::string_view content_encoding) {
    const std::string coding = media_type(content_encoding);
    return !coding.empty() && coding != "identity";
}

bool takes_type(body_kind kind, std::string_view type) {
    if (kind == body_kind::merchant_list) return type == ndjson_type || type == csv_type;
    if (type.empty() || type == "application/json") return true;
    return kind == body_kind::import && type == ndjson_type;
}

std::string_view advice_on_type(body_kind kind) {
    if (kind == body_kind::import) return "send application/json or application/x-ndjson";
    return kind == body_kind::merchant_list ? "send application/x-ndjson or text/csv" : "send application/json";
}

std::optional<api_response> refuse_route(const request_head& head, const route_match& match) {
    if (match.entry == nullptr && match.allow.empty()) {
        return problem_response(make_problem(
            problem_code::route_not_found, "there is no such path: GET /v1/openapi.json lists what there is"));
    }
    if (match.entry == nullptr) {
        auto response = problem_response(
            make_problem(problem_code::method_not_allowed, fmt::format("this path takes {}", match.allow)));
        response.headers.emplace_back("Allow", match.allow);
        return response;
    }
    const route_info& route = match.entry->info;
    std::optional<api_response> refused;
    if (route.admin && !head.may_change) {
        refused = problem_response(make_problem(
            problem_code::not_allowed, "only root, the daemon's own user and members of api.admin_group may do this"));
    } else if (head.has_body && is_encoded(head.content_encoding)) {
        refused = problem_response(make_problem(
            problem_code::unsupported_media_type, fmt::format(
                                                      "the body has Content-Encoding {}: send it uncompressed, "
                                                      "without Content-Encoding",
                                                      head.content_encoding.substr(0, 64))));
        refused->headers.emplace_back("Accept-Encoding", "identity");
    } else if (
        head.has_body && route.body != body_kind::none && !takes_type(route.body, media_type(head.content_type))) {
        refused = problem_response(
            make_problem(problem_code::unsupported_media_type, std::string(advice_on_type(route.body))));
    }
    if (refused) refused->route = route.path;
    return refused;
}

/// A body on a route that takes none is a mistake of the caller, unless it says nothing.
parsed<void> check_body(const route_info& route, std::string_view body) {
    const bool blank = body.find_first_not_of(" \t\r\n") == std::string_view::npos;
    if (route.body == body_kind::none && !blank && body != "{}") {
        return make_problem(problem_code::invalid_request, "this path takes no body");
    }
    if ((route.body == body_kind::json) && blank) {
        return make_problem(problem_code::invalid_request, "the body is missing: send a JSON object");
    }
    if (route.body == body_kind::merchant_list && blank) {
        return make_problem(problem_code::invalid_request, "the body is missing: send your list, as NDJSON or CSV");
    }
    return {};
}

} // namespace

std::span<const route_info> api_routes() {
    static const auto routes = [] {
        std::vector<route_info> made;
        made.reserve(std::size(route_table::entries));
        for (const route_table::entry& entry : route_table::entries) {
            made.push_back(entry.info);
        }
        return made;
    }();
    return routes;
}

router::router(boost::asio::any_io_executor loop, backend& behind, event_hub& hub)
    : loop_(std::move(loop)), behind_(behind), hub_(hub) {}

std::optional<api_response> router::refuse(const request_head& head) { return refuse_route(head, find_route(head)); }

std::size_t router::body_limit(const request_head& head) {
    const route_match match = find_route(head);
    if (match.entry == nullptr || match.entry->info.body == body_kind::none) return max_useless_body_bytes;
    const body_kind kind = match.entry->info.body;
    const bool import = kind == body_kind::import && media_type(head.content_type) == ndjson_type;
    return import || kind == body_kind::merchant_list ? max_import_bytes : max_body_bytes;
}

std::string_view router::advice_on_length(const request_head& head) {
    const route_match match = find_route(head);
    const bool is_list = match.entry != nullptr && match.entry->info.body == body_kind::merchant_list;
    return is_list ? "`prooftrackctl reconcile` takes a longer list" : "";
}

request_ticket router::handle(api_request request, unique_function<void(api_response)> respond) {
    const route_match match = find_route(request.head);
    if (auto refused = refuse_route(request.head, match)) {
        respond(std::move(*refused));
        return no_ticket;
    }
    const route_info& route = match.entry->info;
    responder answer = [respond = std::move(respond), path = route.path](api_response response) mutable {
        response.route = path;
        respond(std::move(response));
    };
    api_call call;
    for (std::string_view part : match.captures) {
        auto decoded = percent_decode(part);
        if (!decoded) {
            return answer_problem(
                answer,
                make_problem(
                    problem_code::invalid_request, "the path is not percent-encoded correctly: write % as %25"));
        }
        call.captures.push_back(std::move(*decoded));
    }
    auto query = query_values::parse(split_target(request.head.target).query);
    if (!query) return answer_problem(answer, query.error());
    const auto body = check_body(route, request.body);
    if (!body) return answer_problem(answer, body.error());
    call.query = std::move(*query);
    call.head = std::move(request.head);
    call.body = std::move(request.body);
    call.respond = std::move(answer);
    action act = match.entry->action;
    if (route.body == body_kind::import && media_type(call.head.content_type) == ndjson_type) act = &router::import;
    return (this->*act)(std::move(call));
}

void router::cancel(request_ticket ticket) { behind_.cancel_wait(wait_of(ticket)); }

} // namespace prooftrack::api
