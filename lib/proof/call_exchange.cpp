#include "proof/call_exchange.hpp"

#include <algorithm>
#include <utility>

#include <openssl/crypto.h>

#include "proof/codec.hpp"
#include "proof/error_body.hpp"
#include "proof/http_date.hpp"
#include "proof/steady_now.hpp"

namespace prooftrack::proof {
namespace {

/// The longest Retry-After that is reported to a user. It pauses nothing here.
constexpr milliseconds max_retry_after = std::chrono::hours(24);

wall_time wall_now() { return std::chrono::floor<milliseconds>(std::chrono::system_clock::now()); }

} // namespace

call_exchange::call_exchange(
    client_context& context, proof_call request, steady_time until, call_handler handler, unique_function<void()> ended)
    : context_(context), setup_(context.setup), request_(std::move(request)), until_(until),
      handler_(std::move(handler)), ended_(std::move(ended)), timer_(context.loop) {}

call_exchange::~call_exchange() {
    if (stream_) stream_->close();
}

void call_exchange::start() {
    const steady_time now = steady_now();
    stream_ = std::make_shared<proof_stream>(context_.loop, setup_->where(), setup_->offered_protocols(now));
    connect_until_ = std::min(until_, now + setup_->options().connect_timeout);
    watch(connect_until_);
    stream_->open(context_.resolver, connect_until_ - now, [this](stream_step step, const std::string& why) {
        on_step(step, why);
    });
}

void call_exchange::watch(steady_time until) {
    timer_.expires_at(until);
    timer_.async_wait(lifetime_.guarded([this](error_code error) {
        if (!error) on_timeout();
    }));
}

void call_exchange::on_timeout() {
    if (steady_now() < (channel_ ? until_ : connect_until_)) return;
    if (channel_) return fail(proof_error::timed_out, "no whole reply");
    fail(proof_error::unreachable, setup_->where()->describe_connect_timeout());
}

void call_exchange::on_step(stream_step step, const std::string& why) {
    if (step == stream_step::handshaking) return;
    if (step == stream_step::failed) return fail(proof_error::unreachable, why);
    if (stream_->uses_tls()) context_.observer.on_handshake(stream_->resumed());
    channel_ = make_call_channel(stream_->alpn(), *setup_, std::max(max_call_reply, setup_->options().max_reply_bytes));
    channel_->start(request_, *setup_);
    until_ = std::min<steady_time>(until_, steady_now() + setup_->options().request_timeout);
    watch(until_);
    stream_->start_reading(*this);
    send_output();
}

void call_exchange::send_output() {
    std::string out;
    channel_->take_output(out);
    if (!out.empty() && stream_->is_open()) stream_->send(out);
    OPENSSL_cleanse(out.data(), out.size()); // the token
}

void call_exchange::on_bytes(std::string_view bytes) {
    const auto end = channel_->receive(bytes);
    if (end) return conclude(*end);
    send_output();
}

void call_exchange::on_end(bool is_clean, const std::string& why) { conclude(channel_->finish(is_clean, why)); }

void call_exchange::conclude(const call_end& end) {
    switch (end.what) {
    case call_end::kind::reply:
        return complete(end.reply);
    case call_end::kind::failed:
        return fail(end.error, end.why);
    case call_end::kind::unprocessed:
        break;
    }
    // HTTP/1.1 has no such end: that repeat is the last.
    const bool repeats = !end.is_throttled && (end.requires_http1 || !std::exchange(repeated_, true));
    if (!repeats || until_ <= steady_now()) return fail(proof_error::unreachable, end.why);
    disconnect();
    start();
}

void call_exchange::complete(const reply_view& from) {
    if (!is_plain_coding(from.content_encoding)) {
        return fail(
            proof_error::unusable_reply, "the body has the content encoding " + quote_field(from.content_encoding));
    }
    proof_reply reply;
    reply.status = from.status;
    reply.content_type = from.content_type;
    reply.request_id = sanitize_request_id(from.request_id);
    const wall_time now = wall_now();
    const auto date = parse_http_date(from.date, now);
    reply.retry_after = parse_retry_after(from.retry_after, date, now, max_retry_after);
    if (reply.status >= 400) {
        if (auto error = parse_error_body(from.body)) {
            reply.is_own_error = true;
            reply.error_code = std::move(error->code);
            reply.message = std::move(error->message);
            if (reply.request_id.empty()) reply.request_id = std::move(error->request_id);
        }
    }
    reply.body = from.body;
    finish(std::move(reply));
}

void call_exchange::give_up() {
    if (channel_) return fail(proof_error::interrupted, "the daemon stopped before the reply");
    fail(proof_error::stopped, {});
}

void call_exchange::fail(proof_error why, std::string detail) {
    finish(op_error{make_error_code(why), "call Proof", std::move(detail)});
}

void call_exchange::finish(op_result<proof_reply> outcome) {
    if (!handler_) return;
    auto handler = std::exchange(handler_, {});
    timer_.cancel();
    disconnect();
    ended_();
    handler(std::move(outcome));
}

void call_exchange::disconnect() {
    if (channel_) channel_->close();
    if (channel_) send_output();
    channel_.reset();
    stream_->close();
}

} // namespace prooftrack::proof
