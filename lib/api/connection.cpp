#include "api/connection.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "api/problem.hpp"

// Reading and answering; sending is in connection_write.cpp.

namespace prooftrack::api {
namespace {

/// A refused body up to this size is read, so that the connection can go on.
constexpr std::size_t small_body = 64 * 1024;
constexpr milliseconds patience_at_stop{1000};

} // namespace

connection::connection(connection_host& host, socket_type socket, peer_credentials peer)
    : host_(host), socket_(std::move(socket)), peer_(std::move(peer)) {}

void connection::start() {
    error_code ignored;
    socket_.non_blocking(true, ignored);
    host_.on_idle(*this);
    if (const auto most = host_.limits().first_request; most.count() > 0) host_.deadlines().start(*this, most);
    watch();
}

void connection::turn_away(api_response response) {
    error_code ignored;
    socket_.non_blocking(true, ignored);
    close_after_ = true;
    unread_rest_ = true;
    in_a_hurry_ = true;
    asked_ = std::chrono::steady_clock::now();
    send(std::move(response));
}

void connection::close() {
    if (phase_ == phase::closed) return;
    const auto self = shared_from_this();
    report_aborted();
    phase_ = phase::closed;
    idle_hook::unlink();
    if (const request_ticket ticket = std::exchange(ticket_, no_ticket); ticket != no_ticket)
        host_.handler().cancel(ticket);
    host_.deadlines().stop(*this);
    release_body();
    stream_.reset();
    error_code ignored;
    socket_.close(ignored);
    host_.on_closed(*this);
}

void connection::finish() {
    close_after_ = true;
    in_a_hurry_ = true;
    // Whoever has just connected is about to ask: closing now would look like a refusal, which a passed socket is there
    // to prevent.
    const bool is_about_to_ask = phase_ == phase::idle && (serial_ == 0 || has_unread_input());
    const bool is_endless = stream_ && stream_->endless();
    if (is_about_to_ask || (!is_endless && (phase_ == phase::reading || phase_ == phase::queued))) {
        await_last_request();
    } else if (phase_ == phase::idle || phase_ == phase::draining || is_endless) {
        close();
    } else if (phase_ == phase::answering && ticket_ != no_ticket) {
        host_.handler().cancel(std::exchange(ticket_, no_ticket));
        on_response(
            serial_, problem_response(make_problem(problem_code::unavailable, "the daemon is stopping: ask again")));
    }
}

/// Whoever is about to send a request or in the middle of it may end, but a stalled client does not hold up the stop.
void connection::await_last_request() {
    host_.deadlines().start(*this, std::min(host_.limits().stall, patience_at_stop));
}

void connection::report_aborted() {
    // An answer that was cut short keeps its status; nobody was answered when the client left during its wait.
    if (phase_ != phase::answering && phase_ != phase::writing && phase_ != phase::streaming) return;
    const int status = phase_ == phase::answering ? 0 : status_;
    host_.on_answered({head_.method, route_, status, std::chrono::steady_clock::now() - asked_, peer_.uid});
}

void connection::release_body() {
    if (!body_) return;
    body_->leave();
    body_.reset();
}

bool connection::has_unread_input() {
    int bytes = 0;
    return reader_.buffered() > 0 || (::ioctl(socket_.native_handle(), FIONREAD, &bytes) == 0 && bytes > 0);
}

void connection::on_deadline() {
    const auto self = shared_from_this(); // what follows may close
    switch (phase_) {
    case phase::reading:
        if (reader_.is_skipping()) break; // it was answered
        refuse_for_good(make_problem(problem_code::timeout, "the rest of the request did not arrive in time"));
        return;
    case phase::answering:
        if (ticket_ != no_ticket) host_.handler().cancel(std::exchange(ticket_, no_ticket));
        close_after_ = true;
        on_response(
            serial_, problem_response(make_problem(problem_code::unavailable, "the daemon did not answer in time")));
        return;
    case phase::queued:
        release_body();
        refuse_for_good(make_problem(
            problem_code::unavailable, "the bodies of other requests took all the memory for them: try again"));
        return;
    case phase::streaming:
        return beat();
    case phase::idle:
    case phase::writing:
    case phase::draining:
    case phase::closed:
        break;
    }
    close();
}

bool connection::wants_input() const {
    if (input_ended_) return false;
    switch (phase_) {
    case phase::idle:
    case phase::reading:
    case phase::draining:
        return true;
    case phase::answering:
    case phase::writing:
    case phase::streaming:
        return reader_.buffered() < host_.limits().buffered_ahead;
    case phase::queued:
    case phase::closed:
        return false;
    }
    return false;
}

void connection::watch() {
    if (reading_ || !wants_input()) return;
    reading_ = true;
    socket_.async_wait(socket_type::wait_read, [self = shared_from_this()](const error_code& error) {
        self->reading_ = false;
        if (self->phase_ != phase::closed) self->on_readable(error);
    });
}

void connection::watch_hang_up() {
    if (std::exchange(watching_hang_up_, true)) return;
    socket_.async_wait(socket_type::wait_error, [self = shared_from_this()](const error_code& error) {
        self->watching_hang_up_ = false;
        if (self->phase_ != phase::closed && !error) self->close();
    });
}

void connection::on_readable(const error_code& error) {
    if (error) return close();
    if (!wants_input()) return;
    const auto space = host_.scratch();
    error_code failure;
    const std::size_t bytes = socket_.read_some(boost::asio::buffer(space.data(), space.size()), failure);
    if (failure == boost::asio::error::would_block) return watch();
    if (failure == boost::asio::error::eof) return on_input_end();
    if (failure) return close();
    moved_at_ = std::chrono::steady_clock::now();
    if (phase_ == phase::draining) {
        drained_ += bytes;
        if (drained_ > host_.limits().drained) return close();
        return watch();
    }
    if (stream_) return watch(); // nothing may follow the request of a stream
    reader_.append(std::string_view(space.data(), bytes));
    if (phase_ == phase::idle || phase_ == phase::reading) advance();
    watch();
}

void connection::on_input_end() {
    input_ended_ = true;
    // A client that only said that it sends no more still reads; one that has gone hangs up both ways.
    pollfd state{socket_.native_handle(), 0, 0};
    const bool gone = ::poll(&state, 1, 0) == 1 && (state.revents & (POLLHUP | POLLERR)) != 0;
    if (gone || phase_ == phase::idle || phase_ == phase::reading || phase_ == phase::draining) return close();
    watch_hang_up();
}

void connection::advance() {
    for (;;) {
        const request_reader::step step = reader_.next();
        if (step != request_reader::step::idle && phase_ == phase::idle) begin_request();
        switch (step) {
        case request_reader::step::idle:
            if (input_ended_) return close();
            phase_ = phase::idle;
            host_.on_idle(*this);
            return;
        case request_reader::step::more:
            if (input_ended_) return close();
            if (body_until_) {
                const steady_duration left = *body_until_ - std::chrono::steady_clock::now();
                host_.deadlines().start(*this, std::min<steady_duration>(left, host_.limits().stall));
            }
            return;
        case request_reader::step::head:
            if (!on_head()) return;
            break;
        case request_reader::step::whole:
            return answer();
        case request_reader::step::refused:
            return refuse_for_good(reader_.refusal());
        }
    }
}

void connection::begin_request() {
    phase_ = phase::reading;
    body_until_.reset();
    head_ = {};
    route_ = {};
    host_.on_busy(*this);
    host_.deadlines().start(*this, host_.limits().stall);
}

bool connection::on_head() {
    head_ = reader_.head();
    head_.who = {peer_.uid, peer_.pid};
    head_.may_change = host_.may_change(peer_);
    if (auto refused = host_.handler().refuse(head_)) {
        refuse_at_head(std::move(*refused));
        return false;
    }
    const std::size_t limit = host_.handler().body_limit(head_);
    const std::uint64_t share = reader_.content_length().value_or(limit);
    if (!head_.has_body || share > limit) {
        reader_.accept_body(limit, host_.handler().advice_on_length(head_)); // refuses the longer one
        return true;
    }
    const auto bytes = static_cast<std::size_t>(share);
    body_reader& reader = *this;
    body_ = std::make_shared<body_share>(host_.budget_for(bytes), socket_.get_executor(), reader);
    if (!body_->acquire(bytes, {host_.rank_of(peer_), peer_.uid})) {
        phase_ = phase::queued;
        host_.deadlines().start(*this, host_.limits().body_total);
        watch_hang_up();
        return false;
    }
    begin_body();
    return phase_ == phase::reading;
}

/// Before any of its body is read: what is refused takes no memory, and its client is not asked to go on.
void connection::refuse_at_head(api_response response) {
    const auto length = reader_.content_length();
    const bool is_passed_over = !head_.has_body || (length && *length <= small_body && !reader_.expects_continue());
    if (is_passed_over) {
        close_after_ = close_after_ || !reader_.keep_alive();
        reader_.skip_body();
    } else {
        close_after_ = true;
        unread_rest_ = true;
    }
    ++serial_;
    asked_ = std::chrono::steady_clock::now();
    send(std::move(response));
}

void connection::on_granted() {
    const auto self = shared_from_this(); // the client may have left, and then nobody else holds it
    phase_ = phase::reading;
    begin_body();
    if (phase_ != phase::reading) return;
    advance();
    watch();
}

void connection::on_wanted() {
    if (!body_until_) return; // it is whole
    body_until_ = std::min(*body_until_, std::chrono::steady_clock::now() + host_.limits().wanted_body);
}

void connection::begin_body() {
    body_until_ = std::chrono::steady_clock::now() + host_.limits().body_total;
    host_.deadlines().start(*this, host_.limits().stall);
    reader_.accept_body(host_.handler().body_limit(head_), host_.handler().advice_on_length(head_));
    if (!reader_.expects_continue() || reader_.buffered() > 0) return;
    // Nothing else is on its way to the client, so these few bytes fit into its socket, or it is not reading at all.
    static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    error_code failure;
    const std::size_t sent = socket_.write_some(boost::asio::buffer(go_on), failure);
    if (failure || sent != go_on.size()) close();
}

void connection::answer() {
    phase_ = phase::answering;
    body_until_.reset();
    asked_ = std::chrono::steady_clock::now();
    host_.deadlines().start(*this, host_.limits().answer);
    close_after_ = close_after_ || !reader_.keep_alive();
    api_request request{head_, reader_.take_body()};
    if (body_) body_->shrink(request.body.size());
    reader_.begin_next();
    const std::uint64_t serial = ++serial_;
    // Whoever holds the answer's handler is not done with the body.
    auto respond = [weak = weak_from_this(), serial, body = body_](api_response response) {
        if (const auto self = weak.lock()) self->on_response(serial, std::move(response));
    };
    const request_ticket ticket = host_.handler().handle(std::move(request), std::move(respond));
    if (phase_ == phase::answering && serial == serial_) ticket_ = ticket;
}

void connection::on_response(std::uint64_t serial, api_response response) {
    if (phase_ != phase::answering || serial != serial_) return;
    ++serial_;
    ticket_ = no_ticket;
    send(std::move(response));
}

void connection::refuse_for_good(const problem& what) {
    close_after_ = true;
    unread_rest_ = what.code != problem_code::timeout;
    asked_ = std::chrono::steady_clock::now();
    send(problem_response(what));
}

} // namespace prooftrack::api
