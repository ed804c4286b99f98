// What single steps of the hot paths cost: schedule, codec, parser, signing, router.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "api/event_hub.hpp"
#include "api/router.hpp"
#include "callback/signing.hpp"
#include "proof/body_hash.hpp"
#include "proof/codec.hpp"
#include "proof/reply_parser.hpp"
#include "support/fake_backend.hpp"
#include "track/tracker.hpp"

namespace prooftrack {
namespace {

const std::string asked_id = "550e8400-e29b-41d4-a716-446655440000";
const std::string reply_body =
    R"({"merchant_transaction_id":"550e8400-e29b-41d4-a716-446655440000","status":"processing","type":"deposit",)"
    R"("fiat_amount":"125.50","fiat_currency":"EUR","crypto_amount":"0.00210000","crypto_currency":"BTC",)"
    R"("created_at":"2026-04-01T10:00:00.000Z","updated_at":"2026-04-01T10:03:45.120Z"})";

/// One poll through the core with `range(0)` rows: taken from the schedule, answered unchanged, planned again.
void schedule_a_poll(benchmark::State& state) {
    random_source random(17);
    track::tracker core({}, random);
    instant now{steady_time(std::chrono::hours(3)), wall_time(std::chrono::hours(490'000))};
    std::vector<track::active_transaction> rows;
    for (std::int64_t number = 0; number < state.range(0); ++number) {
        track::active_transaction row{
            *transaction_id::parse(fmt::format("550e8400-e29b-41d4-a716-{:012x}", number)), {}};
        row.facts.tracked_at = now.wall;
        row.facts.overdue_at = now.wall + std::chrono::hours(24'000);
        row.facts.last_polled_at = now.wall;
        rows.push_back(std::move(row));
    }
    std::vector<track::tracker_action> actions;
    core.step(track::loaded_event{std::move(rows)}, now, actions);
    core.step(track::started_event{}, now, actions);
    for (auto _ : state) {
        auto poll = core.next_poll(now);
        while (!poll) {
            const auto wake = core.next_wake(now);
            const auto by = std::chrono::ceil<milliseconds>(*wake - now.steady);
            now.steady += by;
            now.wall += by;
            core.step(track::woken_event{}, now, actions);
            poll = core.next_poll(now);
        }
        track::poll_answer answer;
        answer.what = track::reply_class::unchanged;
        answer.http_status = 200;
        core.step(track::answered_event{poll->ticket, std::move(answer)}, now, actions);
        actions.clear();
    }
}
BENCHMARK(schedule_a_poll)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);

void classify(benchmark::State& state, std::uint64_t known) {
    proof::reply_view reply;
    reply.status = 200;
    reply.content_type = "application/json";
    reply.body = reply_body;
    const proof::poll_question asked{asked_id, known, 7};
    for (auto _ : state) benchmark::DoNotOptimize(classify_reply(reply, asked, wall_time(std::chrono::hours(490'000))));
}
void classify_unchanged(benchmark::State& state) { classify(state, proof::hash_body(reply_body, 7)); }
void classify_changed(benchmark::State& state) { classify(state, 1); }
BENCHMARK(classify_unchanged);
BENCHMARK(classify_changed);

void parse_reply(benchmark::State& state) {
    const auto bytes = fmt::format(
        "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Wed, 01 Apr 2026 10:03:45 GMT\r\nContent-Type: application/json\r\n"
        "Content-Length: {}\r\nConnection: keep-alive\r\n\r\n{}",
        reply_body.size(), reply_body);
    proof::reply_parser parser(65'536);
    for (auto _ : state) {
        parser.reset(65'536);
        if (parser.feed(bytes) != bytes.size() || !parser.done()) state.SkipWithError("not whole");
    }
}
BENCHMARK(parse_reply);

void sign_event(benchmark::State& state) {
    const std::vector<secret> keys(1, *callback::parse_webhook_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    const std::string body(600, 'x');
    for (auto _ : state)
        benchmark::DoNotOptimize(
            callback::sign_webhook(keys, "evt_01920000000070008000000000000000", 1'775'037'825, body));
}
BENCHMARK(sign_event);

void route(benchmark::State& state, const char* method, const std::string& target, const std::string& body) {
    boost::asio::io_context loop(1);
    fake_backend backend;
    backend.transactions.emplace(asked_id, fake_backend::make_view(asked_id));
    api::event_hub hub(loop.get_executor(), backend);
    api::router routes(loop.get_executor(), backend, hub);
    for (auto _ : state) {
        api::request_head head;
        head.method = method;
        head.target = target;
        head.has_body = !body.empty();
        head.content_type = body.empty() ? "" : "application/json";
        routes.handle({std::move(head), body}, [](const api::api_response& response) {
            benchmark::DoNotOptimize(response.status);
        });
        backend.calls.clear();
    }
}
void route_get(benchmark::State& state) { route(state, "GET", "/v1/transactions/" + asked_id, ""); }
void route_post(benchmark::State& state) {
    route(state, "POST", "/v1/transactions", R"({"merchant_transaction_id": ")" + asked_id + R"("})");
}
BENCHMARK(route_get);
BENCHMARK(route_post);

} // namespace
} // namespace prooftrack

BENCHMARK_MAIN();
