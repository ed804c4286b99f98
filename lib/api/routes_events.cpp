// The router's actions about events, deliveries, consumers and callbacks.

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "api/accept_weight.hpp"
#include "api/answer.hpp"
#include "api/json_fields.hpp"
#include "api/list_queries.hpp"
#include "api/problem.hpp"
#include "api/render.hpp"
#include "api/router.hpp"
#include "api/tracking_body.hpp"

namespace prooftrack::api {
namespace {

constexpr std::size_t max_name_length = 64;

bool is_consumer_name(std::string_view name) {
    const bool charset = std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
    });
    return charset && !name.empty() && name.size() <= max_name_length && name != "." && name != "..";
}

/// The consumer's name in the path and an empty query.
parsed<std::string> read_consumer_name(const api_call& call) {
    if (auto query = call.query.allow_only({}); !query) return query.error();
    if (!is_consumer_name(call.captures.at(0))) {
        return refused("a consumer's name is 1 to 64 of A-Z a-z 0-9 . _ - and neither '.' nor '..'");
    }
    return call.captures.at(0);
}

/// The stream is given to who names it and likes it no less than JSON.
bool wants_stream(const request_head& head) {
    const int stream = accept_weight(head.accept, "text/event-stream", accept_wildcards::ignored);
    return head.method == "GET" && stream > 0 &&
           stream >= accept_weight(head.accept, "application/json", accept_wildcards::counted);
}

/// `Last-Event-ID` wins: a browser that reconnects repeats the address, `after` included.
parsed<std::optional<std::uint64_t>> read_position(const api_call& call) {
    auto after = call.query.number("after");
    if (!after || call.head.last_event_id.empty()) return after;
    const auto last = parse_number(call.head.last_event_id);
    if (!last) return refused("Last-Event-ID is not the id of an event of this log: leave it away to start from now");
    return last;
}

api_response stream_response(std::shared_ptr<body_stream> stream) {
    api_response response;
    response.content_type = "text/event-stream";
    response.headers.emplace_back("Cache-Control", "no-cache");
    response.headers.emplace_back("X-Accel-Buffering", "no"); // nginx would hold events back until a buffer is full
    response.stream = std::move(stream);
    return response;
}

} // namespace

request_ticket router::events(api_call call) {
    if (wants_stream(call.head)) return stream_events(std::move(call));
    if (auto query = call.query.allow_only({"after", "since", "until", "limit", "wait"}); !query) {
        return answer_problem(call.respond, query.error());
    }
    if (call.query.find("since") != nullptr || call.query.find("until") != nullptr)
        return search_events(std::move(call));
    const auto after = call.query.number("after");
    if (!after) return answer_problem(call.respond, after.error());
    const auto limit = call.query.limit();
    if (!limit) return answer_problem(call.respond, limit.error());
    const auto wait = call.query.wait();
    if (!wait) return answer_problem(call.respond, wait.error());
    auto respond = answer_with<event_list>(
        std::move(call.respond), [](event_list list) { return json_response(200, render_events(list)); });
    return ticket_of(behind_.events(event_seq(after->value_or(0)), *limit, *wait, std::move(respond)));
}

request_ticket router::search_events(api_call call) {
    const auto request = read_event_query(call.query);
    if (!request) return answer_problem(call.respond, request.error());
    auto render = [](event_list list) { return json_response(200, render_events(list)); };
    behind_.events_between(*request, answer_with<event_list>(std::move(call.respond), std::move(render)));
    return no_ticket;
}

request_ticket router::stream_events(api_call call) {
    if (auto query = call.query.allow_only({"after"}); !query) return answer_problem(call.respond, query.error());
    const auto after = read_position(call);
    if (!after) return answer_problem(call.respond, after.error());
    if (!*after) {
        call.respond(stream_response(hub_.open(behind_.last_seq())));
        return no_ticket;
    }
    // Asked for one event first, so that a pruned cursor is answered with 410 and not with a broken stream.
    const event_seq position{**after};
    auto open = [this, position, alive = lifetime_.observe()](const event_list&) {
        return alive ? stream_response(hub_.open(position))
                     : problem_response(make_problem(problem_code::unavailable, "the daemon is stopping"));
    };
    behind_.events(position, 1, milliseconds(0), answer_with<event_list>(std::move(call.respond), std::move(open)));
    return no_ticket;
}

request_ticket router::deliveries(api_call call) {
    auto request = read_delivery_query(call.query);
    if (!request) return answer_problem(call.respond, request.error());
    behind_.deliveries(
        std::move(*request), answer_with<track::delivery_page>(std::move(call.respond), [](track::delivery_page list) {
            return json_response(200, render_deliveries(list));
        }));
    return no_ticket;
}

request_ticket router::retry_delivery(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    const auto id = parse_number(call.captures.at(0));
    if (!id)
        return answer_problem(
            call.respond, refused("a delivery's id is a whole number, as `prooftrackctl "
                                  "deliveries` shows it"));
    behind_.retry_delivery(
        delivery_id(*id), call.head.who,
        answer_with<std::monostate>(std::move(call.respond), [](std::monostate) { return json_response(202, "{}"); }));
    return no_ticket;
}

request_ticket router::retry_dead(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    const auto fields = json_fields::parse(call.body, {"state", "callback"});
    if (!fields) return answer_problem(call.respond, fields.error());
    const auto state = fields->text("state");
    if (!state) return answer_problem(call.respond, state.error());
    if (*state != "dead")
        return answer_problem(call.respond, refused("state is \"dead\": only dead deliveries are retried together"));
    auto callback = fields->text("callback");
    if (!callback) return answer_problem(call.respond, callback.error());
    if (*callback && !is_callback_name(**callback)) {
        return answer_problem(call.respond, refused("callback is 1 to 64 of a-z 0-9 _ -"));
    }
    behind_.retry_dead(
        std::move(*callback), call.head.who,
        answer_with<std::uint64_t>(std::move(call.respond), [](std::uint64_t count) {
            return json_response(202, fmt::format("{{\"retried\":{}}}", count));
        }));
    return no_ticket;
}

request_ticket router::put_consumer(api_call call) {
    auto name = read_consumer_name(call);
    if (!name) return answer_problem(call.respond, name.error());
    std::optional<event_seq> seq;
    if (call.body.find_first_not_of(" \t\r\n") != std::string::npos) {
        const auto fields = json_fields::parse(call.body, {"seq"});
        if (!fields) return answer_problem(call.respond, fields.error());
        const auto number = fields->number("seq");
        if (!number) return answer_problem(call.respond, number.error());
        if (*number) seq = event_seq(**number);
    }
    auto render = [this, alive = lifetime_.observe()](std::pair<bool, track::consumer_view> put) {
        return json_response(
            put.first ? 201 : 200, render_consumer(put.second, alive ? behind_.wall_now() : wall_time()));
    };
    behind_.put_consumer(
        std::move(*name), seq, call.head.who,
        answer_with<std::pair<bool, track::consumer_view>>(std::move(call.respond), std::move(render)));
    return no_ticket;
}

request_ticket router::delete_consumer(api_call call) {
    auto name = read_consumer_name(call);
    if (!name) return answer_problem(call.respond, name.error());
    auto render = [this, alive = lifetime_.observe()](const track::consumer_view& gone) {
        return json_response(200, render_consumer(gone, alive ? behind_.wall_now() : wall_time()));
    };
    behind_.delete_consumer(
        std::move(*name), call.head.who, answer_with<track::consumer_view>(std::move(call.respond), std::move(render)));
    return no_ticket;
}

request_ticket router::list_consumers(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    auto render = [this, alive = lifetime_.observe()](const std::vector<track::consumer_view>& list) {
        return json_response(200, render_consumers(list, alive ? behind_.wall_now() : wall_time()));
    };
    behind_.consumers(answer_with<std::vector<track::consumer_view>>(std::move(call.respond), std::move(render)));
    return no_ticket;
}

request_ticket router::acknowledge(api_call call) {
    auto name = read_consumer_name(call);
    if (!name) return answer_problem(call.respond, name.error());
    const auto fields = json_fields::parse(call.body, {"seq"});
    if (!fields) return answer_problem(call.respond, fields.error());
    const auto seq = fields->number("seq");
    if (!seq) return answer_problem(call.respond, seq.error());
    if (!*seq) return answer_problem(call.respond, refused("seq is missing: the last event that was handled"));
    auto render = [this, alive = lifetime_.observe()](const track::consumer_view& moved) {
        return json_response(200, render_consumer(moved, alive ? behind_.wall_now() : wall_time()));
    };
    behind_.acknowledge(
        std::move(*name), event_seq(**seq),
        answer_with<track::consumer_view>(std::move(call.respond), std::move(render)));
    return no_ticket;
}

request_ticket router::test_callback(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    if (!is_callback_name(call.captures.at(0))) {
        return answer_problem(call.respond, refused("a callback's name is 1 to 64 of a-z 0-9 _ -"));
    }
    behind_.test_callback(
        std::move(call.captures.at(0)), call.head.who,
        answer_with<callback_test_result>(std::move(call.respond), [](const callback_test_result& test) {
            return json_response(200, render_callback_test(test));
        }));
    return no_ticket;
}

} // namespace prooftrack::api
