// The router's actions about transactions, sessions and users.

#include <algorithm>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "api/answer.hpp"
#include "api/import_reader.hpp"
#include "api/list_queries.hpp"
#include "api/render.hpp"
#include "api/router.hpp"
#include "api/tracking_body.hpp"

namespace prooftrack::api {
namespace {

/// About a millisecond of parsing.
constexpr std::size_t lines_a_slice = 256;
constexpr std::size_t max_user_id_length = 256;
constexpr std::size_t max_idempotency_key_length = 255;

api_response transaction_response(const track::transaction_view& view) {
    return json_response(200, render_transaction(view));
}

/// Proof's bytes as they came; a header of theirs must not become two of ours.
api_response proxied_response(proxied_reply reply) {
    const auto is_plain = [](std::string_view text) {
        return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
    };
    api_response response = json_response(reply.status, std::move(reply.body));
    if (!reply.content_type.empty() && is_plain(reply.content_type)) response.content_type = reply.content_type;
    if (!reply.request_id.empty() && is_plain(reply.request_id)) {
        response.headers.emplace_back("X-Request-Id", reply.request_id);
    }
    response.headers.emplace_back("Cache-Control", "no-store");
    return response;
}

/// An import on its way: read a slice, let the loop do other things, read the next.
struct import_job {
    import_reader reader;
    client_identity who;
    std::string traceparent;
    responder respond;
};

void finish_import(backend& behind, import_job& job) {
    auto rejected = job.reader.take_rejected();
    auto lines = job.reader.take_lines();
    for (import_line& line : lines) line.request.options.traceparent = job.traceparent;
    auto render = [rejected](import_summary summary) {
        auto& all = summary.rejected;
        all.insert(all.end(), rejected.begin(), rejected.end());
        std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.line < b.line; });
        return json_response(200, render_import(summary));
    };
    if (lines.empty()) {
        job.respond(render({}));
        return;
    }
    behind.import(std::move(lines), job.who, answer_with<import_summary>(std::move(job.respond), std::move(render)));
}

void read_import(
    const boost::asio::any_io_executor& loop, backend& behind, lifetime::watch alive, std::shared_ptr<import_job> job) {
    if (!alive) return;
    if (!job->reader.read_slice(lines_a_slice)) {
        finish_import(behind, *job);
        return;
    }
    boost::asio::post(loop, [loop, &behind, alive = std::move(alive), job = std::move(job)]() mutable {
        read_import(loop, behind, std::move(alive), std::move(job));
    });
}

/// The id in the path and an empty query: what most routes of one transaction take.
parsed<transaction_id> read_path_id(const api_call& call) {
    if (auto query = call.query.allow_only({}); !query) return query.error();
    return checked_id(call.captures.at(0));
}

} // namespace

request_ticket router::track(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    if (call.body.find_first_not_of(" \t\r\n") == std::string::npos) {
        return answer_problem(
            call.respond,
            make_problem(problem_code::invalid_request, "the body is missing: send {\"merchant_transaction_id\": …}"));
    }
    auto request = parse_track_request(call.body);
    if (!request) return answer_problem(call.respond, request.error());
    request->options.traceparent = std::move(call.head.traceparent);
    behind_.track(std::move(*request), call.head.who, answer_with<tracked>(std::move(call.respond), [](tracked done) {
                      return json_response(done.created ? 201 : 200, render_transaction(done.transaction));
                  }));
    return no_ticket;
}

request_ticket router::import(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    if (count_import_lines(call.body) > max_import_lines) {
        return answer_problem(
            call.respond,
            make_problem(problem_code::too_large, "an import is at most 100000 lines, nothing was taken: split it"));
    }
    auto job = std::make_shared<import_job>(import_job{
        import_reader(std::move(call.body)), call.head.who, std::move(call.head.traceparent), std::move(call.respond)});
    read_import(loop_, behind_, lifetime_.observe(), std::move(job));
    return no_ticket;
}

request_ticket router::get_transaction(api_call call) {
    if (auto query = call.query.allow_only({"wait"}); !query) return answer_problem(call.respond, query.error());
    auto id = checked_id(call.captures.at(0));
    if (!id) return answer_problem(call.respond, id.error());
    const auto wait = call.query.wait();
    if (!wait) return answer_problem(call.respond, wait.error());
    auto respond = answer_with<track::transaction_view>(std::move(call.respond), transaction_response);
    return ticket_of(behind_.get(std::move(*id), *wait, std::move(respond)));
}

request_ticket router::list_transactions(api_call call) {
    auto request = read_transaction_query(call.query);
    if (!request) return answer_problem(call.respond, request.error());
    behind_.list(
        std::move(*request),
        answer_with<track::transaction_page>(std::move(call.respond), [](track::transaction_page list) {
            return json_response(200, render_transactions(list));
        }));
    return no_ticket;
}

request_ticket router::history(api_call call) {
    auto id = read_path_id(call);
    if (!id) return answer_problem(call.respond, id.error());
    behind_.history(
        std::move(*id),
        answer_with<track::transaction_history>(std::move(call.respond), [](track::transaction_history history) {
            return json_response(200, render_history(history));
        }));
    return no_ticket;
}

request_ticket router::untrack(api_call call) {
    auto id = read_path_id(call);
    if (!id) return answer_problem(call.respond, id.error());
    behind_.untrack(
        std::move(*id), call.head.who,
        answer_with<track::transaction_view>(std::move(call.respond), transaction_response));
    return no_ticket;
}

request_ticket router::poll(api_call call) {
    auto id = read_path_id(call);
    if (!id) return answer_problem(call.respond, id.error());
    behind_.poll_now(
        std::move(*id), call.head.who,
        answer_with<std::monostate>(std::move(call.respond), [](std::monostate) { return json_response(202, "{}"); }));
    return no_ticket;
}

request_ticket router::hint(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    auto id = parse_hint(call.body);
    if (!id) return answer_problem(call.respond, id.error());
    behind_.hint(std::move(*id), answer_with<std::monostate>(std::move(call.respond), [](std::monostate) {
                     return json_response(202, "{}");
                 }));
    return no_ticket;
}

request_ticket router::create_session(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    if (const auto& key = call.head.idempotency_key) {
        const bool printable = std::all_of(key->begin(), key->end(), [](char c) { return c >= 0x20 && c < 0x7F; });
        if (key->empty() || key->size() > max_idempotency_key_length || !printable) {
            return answer_problem(
                call.respond,
                make_problem(problem_code::invalid_request, "Idempotency-Key is 1 to 255 printable ASCII characters"));
        }
    }
    auto body = parse_session_body(call.body);
    if (!body) return answer_problem(call.respond, body.error());
    session_request request;
    request.body = std::move(body->body);
    request.options = std::move(body->options);
    request.options.traceparent = std::move(call.head.traceparent);
    request.idempotency_key = std::move(call.head.idempotency_key);
    request.whole_body = std::move(call.body);
    behind_.create_session(
        std::move(request), call.head.who, answer_with<proxied_reply>(std::move(call.respond), proxied_response));
    return no_ticket;
}

request_ticket router::kyc_status(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    std::string& user = call.captures.at(0);
    const bool clean = std::none_of(user.begin(), user.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
    if (user.size() > max_user_id_length || !clean || user == "." || user == "..") {
        return answer_problem(
            call.respond, make_problem(
                              problem_code::invalid_request,
                              "a user id is 1 to 256 bytes without control characters, neither '.' nor '..'"));
    }
    behind_.kyc_status(std::move(user), answer_with<proxied_reply>(std::move(call.respond), proxied_response));
    return no_ticket;
}

} // namespace prooftrack::api
