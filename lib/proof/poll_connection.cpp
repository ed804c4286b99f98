#include "proof/poll_connection.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "proof/codec.hpp"
#include "proof/poll_pool.hpp"

namespace prooftrack::proof {
namespace {

steady_time steady_now() { return std::chrono::steady_clock::now(); }

wall_time wall_now() { return std::chrono::floor<milliseconds>(std::chrono::system_clock::now()); }

} // namespace

poll_connection::poll_connection(poll_pool& pool, client_context& context, connection_lifetime lifetime)
    : pool_(pool), context_(context), setup_(context.setup),
      wire_(std::make_shared<wire>(context.loop, context.sockets, setup_->where(), *this)),
      parser_(setup_->options().max_reply_bytes), begun_(steady_now()), requests_left_(lifetime.requests) {
    connect_until_ = begun_ + setup_->options().connect_timeout;
    retire_at_ = begun_ + lifetime.age;
    wire_->open(context.resolver, setup_->options().connect_timeout);
}

poll_connection::~poll_connection() { wire_->close(); }

bool poll_connection::accepts(steady_time now) const {
    return stage_ == stage::ready && !retiring_ && requests_left_ > 0 && now < retire_at_ &&
           context_.setup->has_server_of(*setup_);
}

steady_time poll_connection::deadline() const {
    if (is_connecting()) return connect_until_;
    if (!in_flight_.empty()) return in_flight_.front().deadline;
    return std::min(idle_since_ + context_.rules.idle, retire_at_);
}

bool poll_connection::fill(steady_time now) {
    if (context_.setup->has_server_of(*setup_)) setup_ = context_.setup; // a newer token, other limits
    const std::size_t depth = pool_.depth();
    if (in_flight_.capacity() < depth) in_flight_.set_capacity(depth);
    std::string& requests = pool_.request_buffer();
    requests.clear();
    bool starved = false;
    while (in_flight_.size() < depth && requests_left_ > 0) {
        auto taken = pool_.take_poll(answered_since_idle_ || !was_idle_);
        if (!taken) {
            starved = true;
            break;
        }
        taken->written = now;
        taken->deadline = now + setup_->options().request_timeout;
        setup_->where()->append_poll(requests, taken->ticket.id, setup_->token());
        in_flight_.push_back(std::move(*taken));
        --requests_left_;
    }
    if (in_flight_.empty()) {
        was_idle_ = true;
        answered_since_idle_ = false;
        idle_since_ = now;
    }
    deepest_ = std::max(deepest_, in_flight_.size());
    if (!requests.empty()) wire_->send(requests);
    pool_.note_deadline(deadline());
    return !starved;
}

void poll_connection::on_handshake_begins() {
    stage_ = stage::handshaking;
    connect_until_ = std::min(connect_until_, steady_now() + tls_timeout);
    pool_.note_deadline(connect_until_);
}

void poll_connection::on_open(bool tls, bool resumed) {
    stage_ = stage::ready;
    idle_since_ = steady_now();
    if (tls) context_.observer.on_handshake(resumed);
    pool_.on_ready(*this);
}

void poll_connection::on_bytes(std::string_view bytes) {
    const steady_time now = steady_now();
    while (!bytes.empty() && stage_ == stage::ready) {
        if (in_flight_.empty()) {
            // Bytes without a request: what comes next could not be distinguished from an answer.
            if (is_pipelined()) pool_.disable_pipeline("bytes that no request asked for");
            return end(false);
        }
        if (parser_.untouched()) parser_.reset(setup_->options().max_reply_bytes);
        bytes.remove_prefix(parser_.feed(bytes));
        if (parser_.fault() != reply_fault::none) {
            answer_fault(parser_.fault());
            settle_rest("reply: the reply before it was unusable");
            return end(true);
        }
        if (parser_.done()) answer_front(now);
    }
}

void poll_connection::answer_front(steady_time now) {
    poll_in_flight request = std::move(in_flight_.front());
    in_flight_.pop_front();
    const reply_view reply{parser_.status(),     parser_.content_type(), parser_.content_encoding(),
                           parser_.request_id(), parser_.retry_after(),  parser_.date(),
                           parser_.body()};
    const poll_question question{request.ticket.id, request.ticket.known_body, setup_->options().seed};
    track::poll_answer answer = classify_reply(reply, question, wall_now());
    answer.took = now - request.written;
    const bool keep_alive = parser_.keep_alive();
    const bool mixed_up = answer.error == wrong_id_error;
    parser_.reset(setup_->options().max_reply_bytes);
    if (++answered_ == 1) wire_->keep_session();
    answered_since_idle_ = true;
    pool_.answer(std::move(request.ticket), std::move(answer));
    if (mixed_up && is_pipelined()) pool_.disable_pipeline("a reply about another transaction");
    if (keep_alive && !mixed_up) return;
    // Announced: what is unanswered was not looked at (RFC 9112, 9.3.2).
    settle_rest("reply: connection closed");
    end(true);
}

void poll_connection::on_drained() {
    if (stage_ != stage::ready) return;
    const steady_time now = steady_now();
    if (accepts(now) && !pool_.is_crowded()) {
        if (!fill(now)) pool_.on_available(*this);
    } else if (in_flight_.empty()) {
        end(true);
    }
}

void poll_connection::on_end(wire_end how, std::string text) {
    if (is_connecting()) {
        stage_ = stage::ended;
        return pool_.on_connect_failed(*this, text);
    }
    if (!in_flight_.empty() && !parser_.untouched()) {
        if (how == wire_end::clean) parser_.finish();
        if (parser_.done()) {
            answer_front(steady_now()); // framed by the end of the connection
            if (stage_ == stage::ended) return;
        } else {
            answer_fault(reply_fault::truncated);
        }
    } else if (in_flight_.size() > 1 && answered_since_idle_) {
        pool_.disable_pipeline("the connection ended between replies");
    }
    const bool was_busy = !in_flight_.empty();
    settle_rest(text);
    end(was_busy);
}

void poll_connection::on_deadline(steady_time now) {
    if (is_connecting()) {
        if (connect_until_ > now) return;
        const char* why = stage_ == stage::handshaking ? "tls: timed out" : "connect: timed out";
        stage_ = stage::ended;
        wire_->close();
        return pool_.on_connect_failed(*this, why);
    }
    if (in_flight_.empty()) return end(false);
    if (in_flight_.front().deadline > now) return;
    const auto limit =
        std::chrono::duration_cast<milliseconds>(in_flight_.front().deadline - in_flight_.front().written);
    give_up(fmt::format("reply: timed out after {}", format_duration(limit)));
}

void poll_connection::retire() {
    retiring_ = true;
    if (in_flight_.empty()) end(false);
}

void poll_connection::give_up(std::string_view why) {
    while (!in_flight_.empty()) {
        poll_in_flight request = std::move(in_flight_.front());
        in_flight_.pop_front();
        answer_silence(request, why);
    }
    end(true);
}

void poll_connection::answer_silence(poll_in_flight& request, std::string_view why) {
    track::poll_answer answer;
    answer.error = why;
    answer.took = steady_now() - request.written;
    pool_.answer(std::move(request.ticket), std::move(answer));
}

void poll_connection::answer_fault(reply_fault fault) {
    poll_in_flight request = std::move(in_flight_.front());
    in_flight_.pop_front();
    track::poll_answer answer;
    answer.what = track::reply_class::unusable;
    answer.http_status = parser_.status();
    answer.error = fmt::format("reply: {}", describe(fault));
    answer.took = steady_now() - request.written;
    if (is_pipelined()) pool_.disable_pipeline(describe(fault));
    pool_.answer(std::move(request.ticket), std::move(answer));
}

void poll_connection::settle_rest(std::string_view why) {
    // Only a connection that has lived can be stale: the first request of a fresh one that gets nothing back met a real
    // fault.
    const bool reused = answered_ > 0 || was_idle_;
    while (!in_flight_.empty()) {
        poll_in_flight request = std::move(in_flight_.front());
        in_flight_.pop_front();
        if (reused && !request.repeated && pool_.repeat(request)) continue;
        answer_silence(request, why);
    }
}

void poll_connection::end(bool replace) {
    if (stage_ == stage::ended) return;
    if (stage_ == stage::ready) wire_->keep_session();
    stage_ = stage::ended;
    wire_->close();
    pool_.on_ended(*this, replace);
}

} // namespace prooftrack::proof
