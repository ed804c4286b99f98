#include "proof/h2_call.hpp"

#include <array>
#include <span>
#include <utility>

#include <openssl/crypto.h>

#include "proof/http1_call.hpp"
#include "proof/steady_now.hpp"

namespace prooftrack::proof {

std::unique_ptr<call_channel> make_call_channel(
    std::string_view protocol, const proof_setup& setup, std::size_t max_reply) {
    if (protocol == h2_protocol) return std::make_unique<h2_call>(setup, max_reply);
    return std::make_unique<http1_call>(max_reply);
}

h2_call::h2_call(const proof_setup& setup, std::size_t max_reply)
    : where_(setup.where()), session_({.streams = 1, .reply_bytes = max_reply, .buffered = 2 * max_reply}) {}

void h2_call::start(const proof_call& call, const proof_setup& setup) {
    const bool post = call.method == proof_call::method_kind::post;
    std::string path;
    where_->append_call_path(path, call);
    std::string authorization = "Bearer ";
    authorization.append(setup.token().reveal());
    const std::string length = std::to_string(call.body.size());
    const std::array<h2_field, 6> fields{{
        {"user-agent", where_->user_agent()},
        {"accept", "application/json"},
        {"accept-encoding", "identity"},
        {"authorization", authorization},
        {"content-type", "application/json"},
        {"content-length", length},
    }};
    started_ = steady_now();
    slot_ = session_.submit({
        .method = post ? "POST" : "GET",
        .authority = where_->authority(),
        .path = path,
        .fields = std::span(fields).first(post ? fields.size() : 4),
        .body = post ? std::string_view(call.body) : std::string_view(),
    });
    OPENSSL_cleanse(authorization.data(), authorization.size());
}

std::optional<call_end> h2_call::receive(std::string_view bytes) {
    session_.receive(bytes);
    const auto outcome = session_.next_outcome();
    if (!outcome) return std::nullopt;
    return judge(*outcome);
}

call_end h2_call::finish(bool, const std::string& why) {
    is_lost_ = true;
    session_.finish(why);
    const auto outcome = session_.next_outcome();
    return outcome ? judge(*outcome) : call_end{.why = why};
}

call_end h2_call::judge(const h2_outcome& outcome) {
    std::string why(outcome.error);
    reply_view throttled;
    switch (outcome.how) {
    case h2_end::reply:
        has_replied_ = true;
        where_->http2().note(true, steady_now());
        return {.what = call_end::kind::reply, .reply = outcome.reply};
    case h2_end::throttled:
        if (!outcome.unprocessed) break; // the connection ended: that does not tell what became of this call
        is_refused_ = true;
        if (session_.is_closing()) // left out by a GOAWAY
            return {.what = call_end::kind::unprocessed, .why = std::move(why), .is_throttled = true};
        throttled.status = too_many_requests;
        return {.what = call_end::kind::reply, .reply = throttled};
    case h2_end::cut:
        if (is_lost_) break;
        [[fallthrough]]; // bytes that are not HTTP/2
    case h2_end::unusable:
        return {.error = proof_error::unusable_reply, .why = std::move(why)};
    case h2_end::refused:
    case h2_end::unanswered:
        if (outcome.unprocessed) {
            is_refused_ = true;
            return {
                .what = call_end::kind::unprocessed,
                .why = std::move(why),
                .requires_http1 = session_.requires_http1()};
        }
        if (session_.has_failed() && !is_lost_) // bytes that are not HTTP/2
            return {.error = proof_error::unusable_reply, .why = std::move(why)};
        break;
    }
    return {.error = proof_error::interrupted, .why = std::move(why)};
}

void h2_call::close() {
    if (session_.requires_http1()) {
        where_->http2().forbid();
    } else if (!has_replied_ && !is_refused_ && !where_->http2().has_worked_since(started_)) {
        where_->http2().note(false, steady_now());
    }
    if (session_.in_flight() > 0) session_.cancel(slot_);
    session_.announce_end();
}

} // namespace prooftrack::proof
