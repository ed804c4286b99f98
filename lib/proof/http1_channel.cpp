#include "proof/http1_channel.hpp"

#include <utility>

#include <fmt/format.h>
#include <openssl/crypto.h>

#include "base/expects.hpp"

namespace prooftrack::proof {

http1_channel::http1_channel(std::shared_ptr<proof_stream> stream, poll_channel_events& events)
    : stream_(std::move(stream)), events_(&events) {
    stream_->start_reading(*this);
}

http1_channel::~http1_channel() {
    close();
    OPENSSL_cleanse(request_bytes_.data(), request_bytes_.size());
}

void http1_channel::start(poll_in_flight request, const proof_setup& setup) {
    expects(capacity() > 0, "http1_channel: a request while one is in flight");
    parser_.reset(request.max_reply);
    request_bytes_.clear();
    setup.where()->append_poll(request_bytes_, request.ticket.id, setup.token());
    request_.emplace(std::move(request));
}

void http1_channel::flush() {
    if (request_) stream_->send_at_once(request_bytes_);
}

void http1_channel::on_bytes(std::string_view bytes) {
    if (!request_) return end(); // what comes next could not be told from an answer
    const std::size_t taken = parser_.feed(bytes);
    if (parser_.fault() != reply_fault::none) return fail(parser_.fault());
    if (!parser_.done() || !finish_reply()) return;
    if (taken < bytes.size()) return end(); // bytes that no request asked for
    events_->on_progress();
}

void http1_channel::on_end(bool is_clean, const std::string& why) {
    if (request_ && parser_.untouched()) {
        events_->on_no_reply(take_request(), no_reply::unanswered, why);
    } else if (request_) {
        if (is_clean) parser_.finish(); // framed by the end of the connection, perhaps
        if (!parser_.done()) return fail(reply_fault::truncated);
        finish_reply();
    }
    end();
}

void http1_channel::on_deadline(steady_time now) {
    if (!request_ || request_->deadline > now) return;
    const auto limit = std::chrono::duration_cast<milliseconds>(request_->deadline - request_->written);
    give_up(fmt::format("reply: timed out after {}", format_duration(limit)));
}

void http1_channel::give_up(std::string_view why) {
    if (request_) events_->on_no_reply(take_request(), no_reply::given_up, why);
    end();
}

void http1_channel::close() noexcept {
    events_ = nullptr;
    request_.reset();
    stream_->close();
}

poll_in_flight http1_channel::take_request() {
    poll_in_flight request = std::move(*request_);
    request_.reset();
    return request;
}

/// True when another request may follow; else the channel has ended.
bool http1_channel::finish_reply() {
    const reply_view reply{parser_.status(),     parser_.content_type(), parser_.content_encoding(),
                           parser_.request_id(), parser_.retry_after(),  parser_.date(),
                           parser_.body()};
    const bool goes_on = events_->on_reply(take_request(), reply) && parser_.keep_alive();
    if (!goes_on) end();
    return events_ != nullptr;
}

void http1_channel::fail(reply_fault fault) {
    events_->on_fault(take_request(), parser_.status(), describe(fault));
    end();
}

void http1_channel::end() {
    poll_channel_events* events = std::exchange(events_, nullptr);
    if (events == nullptr) return; // it has ended, or was closed from inside an event
    stream_->close();
    events->on_ended();
}

} // namespace prooftrack::proof
