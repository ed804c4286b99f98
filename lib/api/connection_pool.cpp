#include "api/connection_pool.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "api/problem.hpp"
#include "api/response_head.hpp"

namespace prooftrack::api {
namespace {

/// Nobody is silent who moved in this time: a burst of new connections does not push out the ones before.
constexpr milliseconds silence{250};
/// At most this many at a time get an error answer for want of a place; more are closed without one.
constexpr std::size_t most_turned_away = 32;

problem why_full(
    place_count::verdict full, const place_limits& limits, const peer_credentials& peer, client_rank rank) {
    if (full == place_count::verdict::user_is_full) {
        const std::size_t most = rank == client_rank::admin ? limits.one_admin : limits.one_user;
        return make_problem(
            problem_code::too_many_connections,
            fmt::format(
                "user {} has {} connections in use, as many as one user may have: use fewer "
                "waits and streams at a time, or raise api.max_clients ({})",
                peer.uid, most, limits.all));
    }
    return make_problem(
        problem_code::unavailable,
        fmt::format(
            "all connections that users of this rank may have are in use: try again, or raise "
            "api.max_clients ({})",
            limits.all));
}

} // namespace

connection_pool::connection_pool(
    const boost::asio::any_io_executor& loop, request_handler& answers, settings chosen,
    std::function<void(const api_request_fact&)> on_request)
    : loop_(loop), answers_(answers), settings_(chosen), on_request_(std::move(on_request)), deadlines_(loop),
      scratch_(std::make_unique<std::array<char, 64 * 1024>>()), places_(settings_.places) {}

connection_pool::~connection_pool() {
    when_free_ = {};
    on_empty_ = {};
    close_all();
}

template <class Predicate>
connection* connection_pool::find_idle(Predicate qualifies) {
    for (connection& candidate : idle_) {
        if (qualifies(candidate) && !candidate.has_unread_input()) return &candidate;
    }
    return nullptr;
}

connection* connection_pool::find_silent() {
    connection* longest = nullptr;
    const steady_time until = std::chrono::steady_clock::now() - silence;
    for (const auto& [candidate, known] : connections_) {
        if (candidate->is_answering() || candidate->moved_at() > until) continue;
        if (longest == nullptr || candidate->moved_at() < longest->moved_at()) longest = candidate;
    }
    return longest;
}

bool connection_pool::may_accept() {
    if (places_.size() < places_.limits().all) return true;
    return find_who_makes_way(place_count::verdict::all_is_full, client_rank::owner, -1) != nullptr;
}

std::optional<milliseconds> connection_pool::look_again() const {
    return settings_.evicts == eviction::silent ? std::optional(silence) : std::nullopt;
}

connection* connection_pool::find_who_makes_way(place_count::verdict full, client_rank rank, std::int64_t uid) {
    if (settings_.evicts == eviction::silent) {
        connection* served = find_idle([](const connection& candidate) { return candidate.was_answered(); });
        return served != nullptr ? served : find_silent();
    }
    return find_idle([this, full, rank, uid](connection& candidate) {
        const member& known = connections_.at(&candidate);
        if (full == place_count::verdict::user_is_full) return candidate.peer().uid == uid;
        return full == place_count::verdict::all_is_full || known.rank >= rank;
    });
}

void connection_pool::adopt(connection::socket_type socket, peer_credentials peer) {
    const client_rank rank = rank_of(peer);
    for (auto full = places_.look(rank, peer.uid); full != place_count::verdict::free;
         full = places_.look(rank, peer.uid)) {
        connection* making_way = find_who_makes_way(full, rank, peer.uid);
        if (making_way == nullptr) return turn_away(std::move(socket), std::move(peer), full);
        making_way->close();
    }
    places_.take(rank, peer.uid);
    auto made = std::make_shared<connection>(*this, std::move(socket), std::move(peer));
    connections_.emplace(made.get(), member{made, rank, true});
    made->start();
}

void connection_pool::turn_away(connection::socket_type socket, peer_credentials peer, place_count::verdict full) {
    if (turned_away_ == most_turned_away) return; // closes the socket
    ++turned_away_;
    const client_rank rank = rank_of(peer);
    api_response response = problem_response(why_full(full, places_.limits(), peer, rank));
    response.headers.emplace_back("Retry-After", "1");
    auto made = std::make_shared<connection>(*this, std::move(socket), std::move(peer));
    connections_.emplace(made.get(), member{made, rank, false});
    made->turn_away(std::move(response));
}

void connection_pool::reconfigure(place_limits places, access_rules access) {
    settings_.access = access;
    places_.set_limits(places);
    tell_free();
}

const std::string& connection_pool::http_date() {
    const auto now = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
    const auto second = std::chrono::floor<seconds>(now.time_since_epoch());
    if (second != date_second_) {
        date_second_ = second;
        date_ = format_http_date(now);
    }
    return date_;
}

void connection_pool::finish(unique_function<void()> empty) {
    on_empty_ = std::move(empty);
    std::vector<std::shared_ptr<connection>> all; // finishing one may end others through the shared budget
    all.reserve(connections_.size());
    for (const auto& [raw, known] : connections_) all.push_back(known.held);
    for (const auto& each : all) each->finish();
    if (connections_.empty()) tell_empty();
}

void connection_pool::close_all() {
    while (!connections_.empty()) {
        const auto first = connections_.begin()->second.held;
        first->close();
    }
}

void connection_pool::on_answered(const api_request_fact& fact) { on_request_(fact); }

void connection_pool::on_idle(connection& who) {
    if (!who.idle_hook::is_linked()) idle_.push_back(who);
    tell_free();
}

void connection_pool::on_busy(connection& who) { who.idle_hook::unlink(); }

void connection_pool::on_closed(connection& who) {
    const auto found = connections_.find(&who);
    if (found->second.has_place) {
        places_.give_back(found->second.rank, who.peer().uid);
    } else {
        --turned_away_;
    }
    connections_.erase(found);
    tell_free();
    if (connections_.empty()) tell_empty();
}

void connection_pool::tell_free() {
    if (when_free_) boost::asio::post(loop_, std::exchange(when_free_, {}));
}

void connection_pool::tell_empty() {
    if (on_empty_) boost::asio::post(loop_, std::exchange(on_empty_, {}));
}

} // namespace prooftrack::api
