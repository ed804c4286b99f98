#include "proof/poll_pool.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

#include "proof/steady_now.hpp"
#include "track/poll_connections.hpp"

namespace prooftrack::proof {
namespace asio = boost::asio;

poll_pool::poll_pool(client_context& context, poll_source& source)
    : context_(context), source_(source), random_(context.options().seed), timer_(context.loop) {}

template <class Predicate>
std::size_t poll_pool::count(Predicate matches) const {
    return static_cast<std::size_t>(
        std::count_if(connections_.begin(), connections_.end(), [&](const auto& each) { return matches(*each); }));
}

std::vector<poll_connection*> poll_pool::all() const {
    std::vector<poll_connection*> each;
    for (const auto& connection : connections_) each.push_back(connection.get());
    return each;
}

void poll_pool::wake(std::size_t at_once) {
    at_once_ = std::max<std::size_t>(1, at_once);
    schedule_turn(true);
}

std::size_t poll_pool::limit() const {
    return std::clamp<std::size_t>(at_once_, 1, std::max<std::size_t>(1, context_.options().connections));
}

std::size_t poll_pool::most_at_once() const {
    return std::max<std::size_t>(1, context_.options().connections) * (speaks_http2() ? track::most_streams : 1);
}

bool poll_pool::speaks_http2() const { return reported_[1].idle + reported_[1].busy > 0; }

/// Those that are leaving do not count, but they are no more than those that do.
bool poll_pool::has_room() const { return counted() < limit() && connections_.size() < 2 * limit(); }

std::size_t poll_pool::counted() const {
    return count([](const auto& each) { return !each.is_leaving(); });
}

void poll_pool::close_surplus() {
    if (connections_.size() <= limit()) return; // nearly always, and cheap
    while (counted() > limit() && !available_.empty()) {
        poll_connection* unused_longest = available_.front();
        available_.erase(available_.begin());
        unused_longest->retire();
    }
}

void poll_pool::make_room() {
    if (connections_.size() >= 2 * limit()) return; // those that leave take the room
    const auto oldest = std::find_if(connections_.begin(), connections_.end(), [](const auto& each) {
        return each->is_ready() && !each->is_leaving();
    });
    if (oldest == connections_.end()) return;
    std::erase(available_, oldest->get());
    (*oldest)->retire();
}

void poll_pool::schedule_turn(bool pull) {
    pull_asked_ = pull_asked_ || pull;
    if (std::exchange(turn_posted_, true)) return;
    asio::post(context_.loop, lifetime_.guarded([this] { take_turn(); }));
}

void poll_pool::take_turn() {
    turn_posted_ = false;
    ended_.clear();
    if (std::exchange(pull_asked_, false)) pull();
    report();
    check_stopped();
}

void poll_pool::pull() {
    if (stopping_) return;
    const steady_time now = steady_now();
    bool starved = false;
    while (!starved && !available_.empty()) {
        poll_connection* connection = available_.back();
        available_.pop_back();
        if (!connection->accepts(now)) {
            connection->retire();
            continue;
        }
        starved = !connection->fill(now, streams_share());
        if (starved) on_available(*connection);
    }
    if (!starved) starved = fill_up(now);
    if (!starved || !repeats_.empty()) grow();
    close_surplus();
}

/// With enough connections for the spread they are filled before another is opened. True = no poll is left.
bool poll_pool::fill_up(steady_time now) {
    if (!speaks_http2()) return false; // one request fills a connection
    const std::size_t ready = count([&](const auto& each) { return each.accepts(now); });
    if (ready < std::min(track::connections_of_a_spread, limit()) && now >= retry_at_) return false;
    for (poll_connection* each : all()) {
        if (each->accepts(now) && !each->fill(now, track::most_streams)) return true;
    }
    return false;
}

void poll_pool::grow() {
    if (stopping_ || count([](const auto& each) { return each.is_awaited(); }) > 0) return;
    // An idle connection may be as stale as the one whose poll is to be repeated: that poll waits for a fresh one.
    if (repeats_.empty() && !source_.has_poll()) {
        growth_ = 1;
        return;
    }
    const steady_time now = steady_now();
    if (now < retry_at_) {
        wanted_ = true;
        return note_deadline(retry_at_);
    }
    // One that connects, if only in place of another, will soon be there for what waits.
    const bool awaits_none = count([](const auto& each) { return each.is_connecting(); }) == 0;
    const bool is_idle = awaits_none && count([](const auto& each) { return each.is_busy(); }) == 0;
    const bool has_to_open = repeats_.needs_new_connection() || (is_idle && !repeats_.empty());
    if (has_to_open && awaits_none && counted() >= limit()) make_room();
    const bool is_full = !has_room();
    for (std::size_t i = 0; i < growth_ && has_room(); ++i) open_connection();
    growth_ = std::min(growth_ * 2, limit());
    if (is_full && is_idle) refuse_repeats("no connection is free");
}

void poll_pool::open_connection(bool is_successor) {
    const auto around = [this](std::int64_t middle) { return random_.between(middle * 8 / 10, middle * 12 / 10); };
    connection_lifetime lifetime;
    lifetime.requests = static_cast<std::uint32_t>(around(context_.rules.requests));
    lifetime.age = milliseconds(around(context_.rules.age.count()));
    lifetime.http2_requests = std::min(
        lifetime.requests, static_cast<std::uint32_t>(
                               random_.between(track::most_requests_of_http2 * 8 / 10, track::most_requests_of_http2)));
    lifetime.is_successor = is_successor;
    connections_.push_back(std::make_unique<poll_connection>(*this, context_, lifetime));
    note_deadline(connections_.back()->deadline());
}

std::optional<poll_in_flight> poll_pool::take_new() {
    if (stopping_) return std::nullopt;
    auto ticket = source_.next_poll();
    if (!ticket) return std::nullopt;
    ++taken_;
    poll_in_flight request;
    request.ticket = std::move(*ticket);
    return request;
}

bool poll_pool::repeat(poll_in_flight& request) {
    if (stopping_ || !source_.may_repeat(request.ticket)) return false;
    ++request.tries.repeats;
    put_back(std::move(request));
    return true;
}

bool poll_pool::repeat_unprocessed(poll_in_flight& request, bool with_connection) {
    if (!count_refusal(request.tries, with_connection) || stopping_) return false;
    put_back(std::move(request));
    return true;
}

void poll_pool::put_back(poll_in_flight request) {
    request.deadline = steady_now() + context_.options().request_timeout;
    note_deadline(request.deadline);
    repeats_.add(std::move(request));
    schedule_turn(true);
}

std::size_t poll_pool::streams_share() const { return track::streams_share(in_flight()); }

bool poll_pool::needs_successor() const {
    std::size_t others = 0;
    std::size_t streams = 0;
    for (const auto& each : connections_) {
        if (each->is_leaving()) continue;
        ++others;
        streams += each->streams();
    }
    return track::is_successor_needed(others, streams, std::max(at_once_, in_flight()));
}

bool poll_pool::open_successor() {
    if (stopping_ || !has_room() || steady_now() < retry_at_) return false;
    open_connection(true);
    return true;
}

void poll_pool::answer(track::poll_ticket ticket, track::poll_answer answer) {
    ++answered_;
    if (answer.what != track::reply_class::no_reply) heard_ = steady_now();
    source_.on_answer(std::move(ticket), std::move(answer));
}

bool poll_pool::is_crowded() const { return stopping_ || (connections_.size() > limit() && counted() > limit()); }

void poll_pool::on_ready(poll_connection& connection) {
    missed_ = 0;
    retry_at_ = {};
    if (!connection.fill(steady_now(), streams_share())) {
        growth_ = 1;
        on_available(connection);
    } else {
        grow();
    }
    schedule_turn(false); // it reports
}

void poll_pool::on_available(poll_connection& connection) {
    const auto listed = std::find(available_.rbegin(), available_.rend(), &connection);
    if (listed == available_.rend()) available_.push_back(&connection);
    schedule_turn(false); // it reports
}

void poll_pool::on_connect_failed(poll_connection& connection, const std::string& why) {
    const steady_time now = steady_now();
    const auto tries_missed = (now - connection.begun()) / track::longest_connect_delay;
    bury(connection);
    ++failures_;
    ++missed_;
    growth_ = 1;
    retry_at_ = now + track::connect_delay(failures_);
    if (track::may_be_restart(missed_, heard_, now)) {
        wanted_ = true;
        return note_deadline(retry_at_);
    }
    if (count([](const auto& each) { return each.is_connecting(); }) == 0) refuse_repeats(why);
    // While other connections are answered, Proof is there: the polls wait for one of them.
    if (count([](const auto& each) { return each.is_ready(); }) == 0) {
        // A slow failure answers as many polls as fast ones would have, so that the core learns of both equally soon.
        const auto most = std::min<std::size_t>(limit(), static_cast<std::size_t>(tries_missed) + 1);
        if (answer_with_silence(most, why) < most) return;
    }
    wanted_ = true; // there may be more
    note_deadline(retry_at_);
}

std::size_t poll_pool::answer_with_silence(std::size_t most, const std::string& why) {
    for (std::size_t answered = 0; answered < most; ++answered) {
        auto request = take_new();
        if (!request) return answered;
        track::poll_answer silence;
        silence.error = why;
        answer(std::move(request->ticket), std::move(silence));
    }
    return most;
}

void poll_pool::on_ended(poll_connection& connection) {
    if (connection.is_barren()) retry_at_ = steady_now() + track::connect_delay(++failures_);
    bury(connection);
    schedule_turn(true); // another may be wanted in its place
}

void poll_pool::bury(poll_connection& connection) {
    std::erase(available_, &connection);
    const auto found = std::find_if(
        connections_.begin(), connections_.end(), [&](const auto& each) { return each.get() == &connection; });
    ended_.push_back(std::move(*found));
    connections_.erase(found);
    schedule_turn(false);
}

void poll_pool::refuse_repeats(const std::string& why) {
    for (poll_in_flight& each : repeats_.take_all()) refuse_repeat(std::move(each), why);
}

void poll_pool::refuse_repeat(poll_in_flight request, const std::string& why) {
    track::poll_answer silence;
    silence.error = why;
    silence.took = steady_now() - request.written;
    answer(std::move(request.ticket), std::move(silence));
}

/// Repeats wait no longer than for a reply.
void poll_pool::expire_repeats(steady_time now) {
    for (poll_in_flight& each : repeats_.take_expired(now))
        refuse_repeat(std::move(each), "reply: no connection was free to ask again");
    note_deadline(repeats_.next_deadline());
}

void poll_pool::note_deadline(steady_time when) {
    if (when >= timer_at_) return;
    timer_at_ = when;
    timer_.expires_at(when);
    timer_.async_wait(lifetime_.guarded([this](error_code error) {
        if (!error) sweep();
    }));
}

void poll_pool::sweep() {
    timer_at_ = steady_time::max();
    const steady_time now = steady_now();
    for (poll_connection* each : all()) {
        if (now >= stop_at_) {
            each->give_up("reply: none before the stop");
        } else if (each->deadline() <= now) {
            each->on_deadline(now);
        }
    }
    if (!repeats_.empty()) expire_repeats(now);
    if (wanted_ && now >= retry_at_) {
        wanted_ = false;
        schedule_turn(true);
    }
    if (wanted_) note_deadline(retry_at_);
    for (const auto& each : connections_) note_deadline(each->deadline());
    if (stopping_ && !connections_.empty()) note_deadline(stop_at_);
    report();
}

void poll_pool::retire_connections() {
    for (poll_connection* each : all()) each->retire();
    schedule_turn(true); // what was being connected may have been for polls that wait
}

void poll_pool::stop(steady_time until, unique_function<void()> stopped) {
    stopping_ = true;
    stop_at_ = until;
    stopped_ = std::move(stopped);
    refuse_repeats("stopping");
    for (poll_connection* each : all()) each->retire();
    if (!connections_.empty()) note_deadline(stop_at_);
    schedule_turn(false);
}

void poll_pool::check_stopped() {
    if (!stopping_ || !connections_.empty() || !stopped_) return;
    auto stopped = std::exchange(stopped_, {});
    stopped();
}

void poll_pool::report() {
    for (protocol_counts& reported : reported_) {
        protocol_counts now{reported.protocol};
        for (const auto& each : connections_) {
            if (each->is_ready() && each->protocol() == now.protocol) ++(each->is_busy() ? now.busy : now.idle);
        }
        if (now.busy == reported.busy && now.idle == reported.idle) continue;
        reported = now;
        context_.observer.on_connections(now.protocol, now.idle, now.busy);
    }
}

} // namespace prooftrack::proof
