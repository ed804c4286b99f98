#include "proof/h2_channel.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <openssl/crypto.h>

#include "base/expects.hpp"
#include "proof/steady_now.hpp"

namespace prooftrack::proof {
h2_channel::h2_channel(std::shared_ptr<proof_stream> stream, const proof_setup& setup, poll_channel_events& events)
    : stream_(std::move(stream)), where_(setup.where()), events_(&events),
      session_({.reply_bytes = setup.options().max_reply_bytes}), requests_(h2_limits{}.streams), heard_(steady_now()) {
    stream_->start_reading(*this, reading::all_that_came);
    send_output();
}

h2_channel::~h2_channel() {
    close();
    OPENSSL_cleanse(authorization_.data(), authorization_.size());
    OPENSSL_cleanse(output_.data(), output_.capacity());
}

std::size_t h2_channel::capacity() const { return events_ == nullptr || is_silent_ ? 0 : session_.capacity(); }

void h2_channel::start(poll_in_flight request, const proof_setup& setup) {
    expects(capacity() > 0, "h2_channel: a request without capacity");
    const origin& where = *setup.where();
    path_.clear();
    where.append_poll_path(path_, request.ticket.id);
    authorization_.assign("Bearer ").append(setup.token().reveal());
    const std::array<h2_field, 4> fields{{
        {"user-agent", where.user_agent()},
        {"accept", "application/json"},
        {"accept-encoding", "identity"},
        {"authorization", authorization_},
    }};
    if (in_flight() == 0) {
        busy_since_ = request.written;
        // Goes first: whether the connection still lives is known before the replies are late.
        if (request.written - heard_ >= h2_silence && !is_pinged()) ping(request.written);
    }
    const std::size_t slot = session_.submit(
        {.authority = where.authority(), .path = path_, .fields = fields, .max_reply = request.max_reply});
    earliest_ = std::min(earliest_, request.deadline);
    requests_.at(slot) = std::move(request);
    ++in_flight_;
    has_started_ = true;
}

void h2_channel::flush() { send_output(); }

void h2_channel::send_output() {
    session_.take_output(output_);
    if (!output_.empty() && stream_->is_open()) stream_->send(output_);
    output_.clear();
}

steady_time h2_channel::next_deadline() const {
    if (in_flight() == 0) return steady_time::max();
    return std::min(earliest_, is_pinged() ? pong_until_ : silent_at());
}

void h2_channel::on_bytes(std::string_view bytes) {
    heard_ = steady_now();
    pong_until_ = steady_time::max();
    const std::size_t before = session_.in_flight();
    const bool was_settling = is_settling();
    const std::size_t room = capacity();
    is_silent_ = false;
    session_.receive(bytes);
    const bool has_outcomes = session_.in_flight() != before;
    if (!settle()) return;
    const bool has_settled = was_settling && !is_settling();
    if (has_outcomes || has_settled || capacity() > room || session_.is_closing()) events_->on_progress();
}

void h2_channel::on_end(bool, const std::string& why) {
    session_.finish(why);
    settle();
}

bool h2_channel::settle() {
    while (events_ != nullptr) {
        const auto outcome = session_.next_outcome();
        if (!outcome) break;
        hand_over(*outcome);
    }
    if (events_ == nullptr) return false;
    if (session_.requires_http1()) where_->http2().forbid();
    if (where_->http2().is_forbidden(steady_now())) session_.announce_end();
    send_output();
    if (!session_.has_failed() && !(session_.is_closing() && in_flight() == 0)) return true;
    end();
    return false;
}

void h2_channel::hand_over(const h2_outcome& outcome) {
    poll_in_flight request = take(outcome.slot);
    note(outcome.how);
    switch (outcome.how) {
    case h2_end::reply:
        // A reply about something else says nothing about the others: a stream tells which request it answers.
        events_->on_reply(std::move(request), outcome.reply);
        break;
    case h2_end::throttled: {
        reply_view throttled;
        throttled.status = too_many_requests;
        events_->on_reply(std::move(request), throttled);
        break;
    }
    case h2_end::unusable:
        events_->on_fault(std::move(request), outcome.reply.status, outcome.error);
        break;
    case h2_end::cut:
        events_->on_no_reply(std::move(request), no_reply::cut, fmt::format("reply: {}", outcome.error));
        break;
    case h2_end::refused:
        events_->on_no_reply(std::move(request), no_reply::unprocessed, outcome.error);
        break;
    case h2_end::unanswered: {
        const no_reply of_living = is_over() ? no_reply::unanswered : no_reply::reset;
        const no_reply kind = session_.requires_http1() ? no_reply::unprocessed : of_living;
        events_->on_no_reply(std::move(request), kind, outcome.error);
        break;
    }
    }
}

/// Replies that are none, or streams that the server resets while the connection lives, are HTTP/2 spoken badly. A
/// connection that is lost takes many requests along, and counts once.
void h2_channel::note(h2_end how) {
    if (how == h2_end::reply) {
        has_replied_ = true;
        where_->http2().note(true, heard_);
    } else if (how == h2_end::unusable) {
        where_->http2().note(false, steady_now());
    } else if (how == h2_end::unanswered && !is_over()) {
        where_->http2().note(false, steady_now());
    }
}

void h2_channel::ping(steady_time now) {
    session_.ping();
    pong_until_ = now + h2_ping_timeout;
}

bool h2_channel::is_dead(steady_time now) const {
    if (pong_until_ <= now) return true;
    return is_silent_ && earliest_ <= now && pong_until_ - now <= h2_ping_timeout - h2_least_ping_timeout;
}

void h2_channel::on_deadline(steady_time now) {
    if (is_dead(now)) {
        session_.finish("reply: the connection is silent (no answer to a PING)");
        settle();
        return;
    }
    if (!is_pinged() && in_flight() > 0 && silent_at() <= now) {
        is_silent_ = true;
        ping(now);
    }
    earliest_ = steady_time::max();
    for (std::size_t slot = 0; slot < requests_.size() && events_ != nullptr; ++slot) {
        if (!requests_[slot]) continue;
        if (requests_[slot]->deadline > now) {
            earliest_ = std::min(earliest_, requests_[slot]->deadline);
            continue;
        }
        session_.cancel(slot);
        poll_in_flight request = take(slot);
        const auto limit = std::chrono::duration_cast<milliseconds>(request.deadline - request.written);
        const std::string why = fmt::format("reply: timed out after {}", format_duration(limit));
        events_->on_no_reply(std::move(request), no_reply::given_up, why);
    }
    if (settle()) events_->on_progress();
}

void h2_channel::give_up(std::string_view why) {
    for (std::size_t slot = 0; slot < requests_.size() && events_ != nullptr; ++slot) {
        if (!requests_[slot]) continue;
        session_.cancel(slot);
        events_->on_no_reply(take(slot), no_reply::given_up, why);
    }
    if (events_ != nullptr) end();
}

void h2_channel::close() noexcept {
    if (std::exchange(events_, nullptr) == nullptr) return;
    session_.announce_end();
    send_output();
    stream_->close();
}

poll_in_flight h2_channel::take(std::size_t slot) {
    poll_in_flight request = std::move(requests_.at(slot).value());
    requests_[slot].reset();
    --in_flight_;
    return request;
}

void h2_channel::end() {
    if (has_started_ && !has_replied_) where_->http2().note(false, steady_now());
    poll_channel_events* events = events_;
    close();
    events->on_ended();
}

} // namespace prooftrack::proof
