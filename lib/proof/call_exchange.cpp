#include "proof/call_exchange.hpp"

#include <algorithm>
#include <utility>

#include "proof/codec.hpp"
#include "proof/error_body.hpp"
#include "proof/http_date.hpp"

namespace prooftrack::proof {
namespace {

steady_time steady_now() { return std::chrono::steady_clock::now(); }

/// The longest Retry-After that is reported to a user. It pauses nothing here.
constexpr milliseconds max_retry_after = std::chrono::hours(24);

wall_time wall_now() { return std::chrono::floor<milliseconds>(std::chrono::system_clock::now()); }

} // namespace

call_exchange::call_exchange(
    client_context& context, proof_call request, steady_time until, call_handler handler, unique_function<void()> ended)
    : context_(context), setup_(context.setup), request_(std::move(request)), until_(until),
      handler_(std::move(handler)), ended_(std::move(ended)),
      stream_(std::make_shared<proof_stream>(context.loop, setup_->where())),
      parser_(std::max(max_call_reply, setup_->options().max_reply_bytes)), timer_(context.loop) {}

call_exchange::~call_exchange() { stream_->close(); }

void call_exchange::start() {
    connect_until_ = std::min(until_, steady_now() + setup_->options().connect_timeout);
    watch(connect_until_);
    stream_->open(context_.resolver, connect_until_ - steady_now(), [this](stream_step step, const std::string& why) {
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
    if (steady_now() < (sent_ ? until_ : connect_until_)) return;
    if (sent_) return fail(proof_error::timed_out, "no whole reply");
    fail(proof_error::unreachable, setup_->where()->describe_connect_timeout());
}

void call_exchange::on_step(stream_step step, const std::string& why) {
    if (step == stream_step::handshaking) return;
    if (step == stream_step::failed) return fail(proof_error::unreachable, why);
    if (stream_->uses_tls()) context_.observer.on_handshake(stream_->resumed());
    sent_ = true;
    until_ = std::min<steady_time>(until_, steady_now() + setup_->options().request_timeout);
    watch(until_);
    stream_->start_reading(*this);
    stream_->send(setup_->where()->format_call(request_, setup_->token()));
}

void call_exchange::on_bytes(std::string_view bytes) {
    parser_.feed(bytes);
    if (parser_.fault() != reply_fault::none) {
        fail(proof_error::unusable_reply, std::string(describe(parser_.fault())));
    } else if (parser_.done()) {
        complete();
    }
}

void call_exchange::on_end(bool is_clean, const std::string& why) {
    if (is_clean && !parser_.untouched()) parser_.finish();
    if (parser_.done()) return complete();
    fail(proof_error::interrupted, why);
}

void call_exchange::complete() {
    if (!is_plain_coding(parser_.content_encoding())) {
        return fail(
            proof_error::unusable_reply,
            "the body has the content encoding " + quote_field(parser_.content_encoding()));
    }
    proof_reply reply;
    reply.status = parser_.status();
    reply.content_type = std::string(parser_.content_type());
    reply.request_id = sanitize_request_id(parser_.request_id());
    const wall_time now = wall_now();
    const auto date = parse_http_date(parser_.date(), now);
    reply.retry_after = parse_retry_after(parser_.retry_after(), date, now, max_retry_after);
    if (reply.status >= 400) {
        if (auto error = parse_error_body(parser_.body())) {
            reply.is_own_error = true;
            reply.error_code = std::move(error->code);
            reply.message = std::move(error->message);
            if (reply.request_id.empty()) reply.request_id = std::move(error->request_id);
        }
    }
    reply.body = parser_.take_body();
    finish(std::move(reply));
}

void call_exchange::give_up() {
    if (sent_) return fail(proof_error::interrupted, "the daemon stopped before the reply");
    fail(proof_error::stopped, {});
}

void call_exchange::fail(proof_error why, std::string detail) {
    finish(op_error{make_error_code(why), "call Proof", std::move(detail)});
}

void call_exchange::finish(op_result<proof_reply> outcome) {
    if (!handler_) return;
    auto handler = std::exchange(handler_, {});
    timer_.cancel();
    stream_->close();
    ended_();
    handler(std::move(outcome));
}

} // namespace prooftrack::proof
