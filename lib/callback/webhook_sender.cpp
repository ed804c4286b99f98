#include "callback/webhook_sender.hpp"

#include <algorithm>
#include <utility>

#include <boost/beast/core/string.hpp>
#include <fmt/format.h>

#include "callback/error.hpp"
#include "callback/reply_rules.hpp"
#include "callback/signing.hpp"

namespace prooftrack::callback {

namespace asio = boost::asio;

namespace {

constexpr steady_duration longest_handshake = std::chrono::seconds(5);

delivery_outcome failed(const op_error& error) {
    delivery_outcome outcome;
    outcome.error = error.message();
    return outcome;
}

bool has_header(const std::vector<secret_header>& headers, std::string_view name) {
    return std::any_of(headers.begin(), headers.end(), [name](const secret_header& each) {
        return boost::beast::iequals(each.name, name);
    });
}

} // namespace

net::http_request make_webhook_request(
    const webhook_target& target, const delivery_job& job, const std::string& user_agent) {
    const std::int64_t timestamp = std::chrono::floor<seconds>(job.now).time_since_epoch().count();
    net::http_request request;
    request.method = "POST";
    request.target = target.url.target;
    request.host = format_host_header(target.url);
    request.body = job.body;
    request.headers = {
        {"Content-Type", "application/json"},
        {"webhook-id", job.event_id},
        {"webhook-timestamp", fmt::format("{}", timestamp)},
        {"webhook-sequence", fmt::format("{}", job.sequence)}};
    if (!job.traceparent.empty() && !has_header(target.headers, "traceparent"))
        request.headers.emplace_back("traceparent", job.traceparent);
    for (const auto& [name, value] : {std::pair{"User-Agent", user_agent.c_str()}, std::pair{"Accept", "*/*"}}) {
        if (!has_header(target.headers, name)) request.headers.emplace_back(name, value);
    }
    request.secret_headers = target.headers;
    if (!target.keys.empty())
        request.headers.emplace_back(
            "webhook-signature", sign_webhook(target.keys, job.event_id, timestamp, *job.body));
    return request;
}

webhook_sender::webhook_sender(asio::any_io_executor loop, std::string user_agent, net::resolver_options names)
    : loop_(loop), user_agent_(std::move(user_agent)), resolver_(loop, std::move(names)), idle_(loop) {}

asio::awaitable<delivery_outcome> webhook_sender::async_send(
    std::shared_ptr<const webhook_target> target, delivery_job job, bool& was_refused) {
    if (!is_signed_enough(*target)) {
        op_error refusal{make_error_code(callback_error::not_signed), "sign", {}};
        co_return failed(refusal);
    }
    const steady_time until = std::chrono::steady_clock::now() + target->timeout;
    net::http_request request = make_webhook_request(*target, job, user_agent_);
    const net::reply_wait wait = job.wants_reply ? net::reply_wait::whole : net::reply_wait::receipt;
    auto attempt = async_attempt(target, std::move(request), wait, until);
    op_result<net::http_reply> reply = co_await std::move(attempt);
    if (reply.has_error()) {
        was_refused = reply.error().code == net::net_error::address_not_allowed;
        co_return failed(reply.error());
    }
    co_return judge_reply(*reply, job.now);
}

asio::awaitable<op_result<net::http_reply>> webhook_sender::async_attempt(
    std::shared_ptr<const webhook_target> target, net::http_request request, net::reply_wait wait, steady_time until) {
    std::optional<pooled_connection> kept = idle_.take(target->pool_key);
    if (kept) {
        auto exchange = async_http_exchange(kept->connection, request, net::http_limits(), wait, until);
        op_result<net::http_reply> reply = co_await std::move(exchange);
        const bool was_stale = reply.has_error() && reply.error().code == net::net_error::closed_before_reply;
        if (!was_stale) {
            ++kept->requests;
            if (kept->connection.is_open()) idle_.put(target->pool_key, std::move(*kept));
            co_return reply;
        }
        kept.reset();
    }
    auto opening = async_open(target, until);
    op_result<net::any_stream> opened = co_await std::move(opening);
    if (opened.has_error()) co_return opened.error();
    pooled_connection fresh{net::http_connection(std::move(*opened)), std::chrono::steady_clock::now(), {}, 1};
    auto exchange = async_http_exchange(fresh.connection, std::move(request), net::http_limits(), wait, until);
    op_result<net::http_reply> reply = co_await std::move(exchange);
    if (fresh.connection.is_open()) idle_.put(target->pool_key, std::move(fresh));
    co_return reply;
}

asio::awaitable<op_result<net::any_stream>> webhook_sender::async_open(
    std::shared_ptr<const webhook_target> target, steady_time until) {
    net::connect_options options;
    options.total = until - std::chrono::steady_clock::now();
    options.filter = target->filter;
    options.strict_rule = target->strict_rule;
    options.route = target->route;
    const http_url& url = target->url;
    if (url.scheme == url_scheme::http_unix) {
        auto connecting = net::async_connect_unix(url.socket_path, options.total);
        auto socket = co_await std::move(connecting);
        if (socket.has_error()) co_return socket.error();
        co_return net::any_stream(std::move(*socket));
    }
    auto connecting = async_connect_tcp(resolver_, url.host, url.port, options);
    auto socket = co_await std::move(connecting);
    if (socket.has_error()) co_return socket.error();
    if (url.scheme == url_scheme::http) co_return net::any_stream(std::move(*socket));
    net::tls_stream_ptr stream = target->tls->make_stream(std::move(*socket), url.host, url.port);
    const steady_duration left = until - std::chrono::steady_clock::now();
    auto securing = net::async_tls_handshake(*stream, std::min(left, longest_handshake));
    op_result<void> secured = co_await std::move(securing);
    if (secured.has_error()) co_return secured.error();
    co_return net::any_stream(std::move(stream));
}

} // namespace prooftrack::callback
