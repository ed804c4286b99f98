#include "proof/call_runner.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <boost/asio/post.hpp>

#include "proof/steady_now.hpp"

namespace prooftrack::proof {
namespace asio = boost::asio;
namespace {

/// A path of visible ASCII: anything else could split the request.
bool is_sendable_target(const std::string& target) {
    return target.starts_with('/') &&
           std::all_of(target.begin(), target.end(), [](char c) { return c > ' ' && c <= '~'; });
}

} // namespace

call_runner::call_runner(client_context& context) : context_(context), stop_timer_(context.loop) {}

call_runner::~call_runner() = default;

void call_runner::call(proof_call request, call_handler handler) {
    if (!is_sendable_target(request.target)) throw std::invalid_argument("proof call: target is not a path");
    const steady_time until = steady_now() + context_.options().connect_timeout + context_.options().request_timeout;
    waiting_.push_back({std::move(request), until, std::move(handler)});
    schedule_turn();
}

void call_runner::schedule_turn() {
    if (std::exchange(turn_posted_, true)) return;
    asio::post(context_.loop, lifetime_.guarded([this] { take_turn(); }));
}

void call_runner::take_turn() {
    turn_posted_ = false;
    std::erase_if(running_, [](const auto& each) { return each->has_ended(); });
    while (!waiting_.empty() && (stopping_ || running_.size() < max_calls)) {
        waiting_call next = std::move(waiting_.front());
        waiting_.pop_front();
        if (stopping_) {
            refuse(std::move(next), proof_error::stopped);
        } else if (next.until <= steady_now()) {
            refuse(std::move(next), proof_error::unreachable);
        } else {
            start(std::move(next));
        }
    }
    if (!stopping_ || !running_.empty() || !stopped_) return;
    stop_timer_.cancel();
    auto stopped = std::exchange(stopped_, {});
    stopped();
}

void call_runner::start(waiting_call next) {
    auto exchange = std::make_unique<call_exchange>(
        context_, std::move(next.request), next.until, std::move(next.handler), [this] { schedule_turn(); });
    running_.push_back(std::move(exchange));
    running_.back()->start();
}

void call_runner::refuse(waiting_call refused, proof_error why) {
    const char* detail = why == proof_error::stopped ? "" : "no connection was free in time";
    refused.handler(op_error{make_error_code(why), "call Proof", detail});
}

void call_runner::stop(steady_time until, unique_function<void()> stopped) {
    stopping_ = true;
    stopped_ = std::move(stopped);
    stop_timer_.expires_at(until);
    stop_timer_.async_wait(lifetime_.guarded([this](error_code error) {
        if (!error) give_up();
    }));
    schedule_turn();
}

void call_runner::give_up() {
    for (const auto& each : running_) {
        if (!each->has_ended()) each->give_up();
    }
    schedule_turn();
}

} // namespace prooftrack::proof
