#include "proof/poll_connection.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "proof/codec.hpp"
#include "proof/h2_channel.hpp"
#include "proof/http1_channel.hpp"
#include "proof/poll_pool.hpp"
#include "proof/steady_now.hpp"
#include "track/poll_connections.hpp"

namespace prooftrack::proof {
namespace {

wall_time wall_now() { return std::chrono::floor<milliseconds>(std::chrono::system_clock::now()); }

/// So long the server's SETTINGS are waited for before other connections are opened for what it cannot carry.
constexpr seconds settling{1};

} // namespace

std::unique_ptr<poll_channel> make_poll_channel(
    std::shared_ptr<proof_stream> stream, const proof_setup& setup, poll_channel_events& events) {
    if (stream->alpn() == h2_protocol) return std::make_unique<h2_channel>(std::move(stream), setup, events);
    return std::make_unique<http1_channel>(std::move(stream), events);
}

poll_connection::poll_connection(poll_pool& pool, client_context& context, connection_lifetime lifetime)
    : pool_(pool), context_(context), setup_(context.setup),
      stream_(std::make_shared<proof_stream>(context.loop, setup_->where(), setup_->offered_protocols(steady_now()))),
      begun_(steady_now()), requests_left_(lifetime.requests), lifetime_(lifetime) {
    connect_until_ = begun_ + setup_->options().connect_timeout;
    retire_at_ = begun_ + lifetime.age;
    stream_->open(
        context.resolver, setup_->options().connect_timeout,
        [this](stream_step step, const std::string& why) { on_step(step, why); });
}

poll_connection::~poll_connection() { stream_->close(); }

void poll_connection::on_step(stream_step step, const std::string& why) {
    const steady_time now = steady_now();
    switch (step) {
    case stream_step::handshaking:
        stage_ = stage::handshaking;
        connect_until_ = std::min(connect_until_, now + tls_timeout);
        return pool_.note_deadline(connect_until_);
    case stream_step::open:
        stage_ = stage::ready;
        opened_at_ = idle_since_ = now;
        if (stream_->uses_tls()) context_.observer.on_handshake(stream_->resumed());
        channel_ = make_poll_channel(stream_, *setup_, *this);
        was_settling_ = channel_->is_settling();
        settling_until_ = now + settling;
        if (channel_->protocol() == h2_protocol) requests_left_ = lifetime_.http2_requests;
        context_.observer.on_connected(channel_->protocol());
        return pool_.on_ready(*this);
    case stream_step::failed:
        return fail(why);
    }
}

bool poll_connection::accepts(steady_time now) const {
    return stage_ == stage::ready && !retiring_ && requests_left_ > 0 && now < retire_at_ &&
           context_.setup->has_server_of(*setup_);
}

steady_time poll_connection::deadline() const {
    if (is_connecting()) return connect_until_;
    const steady_time own = own_deadline();
    return was_settling_ ? std::min(own, settling_until_) : own;
}

steady_time poll_connection::own_deadline() const {
    return is_busy() ? channel_->next_deadline() : std::min(idle_since_ + context_.rules.idle, retire_at_);
}

bool poll_connection::fill(steady_time now, std::size_t most) {
    if (context_.setup->has_server_of(*setup_)) setup_ = context_.setup; // a newer token, other limits
    bool starved = false;
    bool started = false;
    while (requests_left_ > 0 && channel_->capacity() > 0 && channel_->in_flight() < most) {
        auto taken = take_poll();
        starved = !taken;
        if (starved) break;
        taken->written = now;
        taken->deadline = now + setup_->options().request_timeout;
        taken->max_reply = setup_->options().max_reply_bytes;
        repeats_in_flight_.add(taken->tries);
        channel_->start(std::move(*taken), *setup_);
        started = true;
        ++started_;
        --requests_left_;
    }
    if (started) channel_->flush();
    if (started) prepare_end(now);
    if (channel_->in_flight() == 0) {
        was_idle_ = true;
        answered_since_idle_ = false;
        idle_since_ = now;
    }
    pool_.note_deadline(deadline());
    return !starved;
}

std::optional<poll_in_flight> poll_connection::take_poll() {
    if (is_fresh()) {
        if (auto again = pool_.repeats().take(repeats_in_flight_, track::is_new_connection(started_))) return again;
    }
    return pool_.take_new();
}

void poll_connection::prepare_end(steady_time now) {
    if (has_successor_ || channel_->protocol() != h2_protocol) return;
    const track::connection_use use{started_, requests_left_, opened_at_ - begun_, now - opened_at_, retire_at_ - now};
    if (!is_near_end(use)) return;
    needs_none_ = true; // it does not count among those that stay
    if (!pool_.needs_successor()) return;
    needs_none_ = false;
    has_successor_ = true; // so that it leaves its place
    has_successor_ = pool_.open_successor();
}

std::size_t poll_connection::streams() const {
    return is_ready() && !is_settling() ? channel_->in_flight() + channel_->capacity() : track::most_streams;
}

bool poll_connection::on_reply(poll_in_flight request, const reply_view& reply) {
    repeats_in_flight_.remove(request.tries);
    const poll_question question{request.ticket.id, request.ticket.known_body, setup_->options().seed};
    track::poll_answer answer = classify_reply(reply, question, wall_now());
    answer.took = steady_now() - request.written;
    const bool is_about_another = answer.error == wrong_id_error;
    if (++answered_ == 1) {
        stream_->keep_session();
        pool_.on_first_reply();
    }
    answered_since_idle_ = true;
    pool_.answer(std::move(request.ticket), std::move(answer));
    return !is_about_another;
}

void poll_connection::on_fault(poll_in_flight request, int status, std::string_view fault) {
    repeats_in_flight_.remove(request.tries);
    track::poll_answer answer;
    answer.what = track::reply_class::unusable;
    answer.http_status = status;
    answer.error = fmt::format("reply: {}", fault);
    answer.took = steady_now() - request.written;
    pool_.answer(std::move(request.ticket), std::move(answer));
}

void poll_connection::on_no_reply(poll_in_flight request, no_reply kind, std::string_view why) {
    repeats_in_flight_.remove(request.tries);
    if (kind == no_reply::unprocessed) answered_since_idle_ = true; // it lives: a repeat may go over it
    if (kind == no_reply::unprocessed && pool_.repeat_unprocessed(request, channel_->is_closing())) return;
    if (may_be_repeated(request, kind) && pool_.repeat(request)) return;
    track::poll_answer answer;
    if (kind == no_reply::cut) answer.what = track::reply_class::unusable;
    answer.error = why;
    answer.took = steady_now() - request.written;
    pool_.answer(std::move(request.ticket), std::move(answer));
}

bool poll_connection::may_be_repeated(const poll_in_flight& request, no_reply kind) const {
    const track::connection_facts facts{
        .has_lived = answered_ > 0 || was_idle_, .is_shared = channel_->protocol() == h2_protocol};
    return track::may_be_repeated(request.tries, kind, facts);
}

void poll_connection::on_progress() {
    if (stage_ != stage::ready) return;
    const bool has_settled = was_settling_ && !channel_->is_settling();
    if (has_settled) was_settling_ = false;
    const bool closes = channel_->is_closing() && !std::exchange(has_successor_, true);
    if (has_settled || closes) pool_.look_again(); // what it cannot carry needs another
    const steady_time now = steady_now();
    if (accepts(now) && !pool_.is_crowded()) {
        if (!fill(now, pool_.streams_share())) pool_.on_available(*this);
        if (!is_busy() && !pool_.repeats().empty()) pool_.look_again(); // idle, it takes none of those
    } else if (!is_busy()) {
        end();
    }
}

void poll_connection::on_ended() { end(); }

void poll_connection::on_deadline(steady_time now) {
    if (is_connecting()) {
        if (connect_until_ <= now)
            fail(stage_ == stage::handshaking ? "tls: timed out" : setup_->where()->describe_connect_timeout());
        return;
    }
    if (was_settling_ && settling_until_ <= now) {
        was_settling_ = false;
        pool_.look_again();
    }
    if (own_deadline() > now) return;
    if (is_busy()) return channel_->on_deadline(now);
    end();
}

void poll_connection::retire() {
    retiring_ = true;
    if (!is_busy()) end();
}

void poll_connection::give_up(std::string_view why) {
    if (is_ready()) channel_->give_up(why);
    end();
}

void poll_connection::fail(const std::string& why) {
    stage_ = stage::ended;
    stream_->close();
    pool_.on_connect_failed(*this, why);
}

void poll_connection::end() {
    if (stage_ == stage::ended) return;
    stage_ = stage::ended;
    if (channel_) channel_->close();
    stream_->close();
    pool_.on_ended(*this);
}

} // namespace prooftrack::proof
