#include "api/connection_pool.hpp"

#include <utility>
#include <vector>

#include <boost/asio/post.hpp>

namespace prooftrack {

connection_pool::connection_pool(const boost::asio::any_io_executor& loop, request_handler& answers, settings chosen,
                                 std::function<void(const api_request_fact&)> on_request)
    : loop_(loop), answers_(answers), settings_(std::move(chosen)), on_request_(std::move(on_request)),
      deadlines_(loop), scratch_(std::make_unique<std::array<char, 64 * 1024>>()) {}

connection_pool::~connection_pool() {
    on_room_ = {};
    on_empty_ = {};
    close_all();
}

bool connection_pool::make_room() {
    if (connections_.size() < settings_.max_clients) return true;
    for (connection& candidate : idle_) {
        if (candidate.has_unread_input()) continue;
        candidate.close();
        return connections_.size() < settings_.max_clients;
    }
    return false;
}

void connection_pool::adopt(connection::socket_type socket, peer_credentials peer) {
    auto made = std::make_shared<connection>(*this, std::move(socket), std::move(peer));
    connections_.emplace(made.get(), made);
    made->start();
}

void connection_pool::reconfigure(std::size_t max_clients, access_rules access) {
    settings_.max_clients = max_clients;
    settings_.access = access;
    tell_room();
}

void connection_pool::finish(unique_function<void()> empty) {
    on_empty_ = std::move(empty);
    std::vector<std::shared_ptr<connection>> all; // finishing one may end others through the shared budget
    all.reserve(connections_.size());
    for (const auto& [raw, held] : connections_) all.push_back(held);
    for (const auto& each : all) each->finish();
    if (connections_.empty()) tell_empty();
}

void connection_pool::close_all() {
    while (!connections_.empty()) {
        const auto first = connections_.begin()->second;
        first->close();
    }
}

void connection_pool::on_answered(const api_request_fact& fact) { on_request_(fact); }

void connection_pool::on_idle(connection& who) {
    if (!who.idle_hook::is_linked()) idle_.push_back(who);
    tell_room();
}

void connection_pool::on_busy(connection& who) { who.idle_hook::unlink(); }

void connection_pool::on_closed(connection& who) {
    connections_.erase(&who);
    tell_room();
    if (connections_.empty()) tell_empty();
}

void connection_pool::tell_room() {
    if (on_room_) boost::asio::post(loop_, std::exchange(on_room_, {}));
}

void connection_pool::tell_empty() {
    if (on_empty_) boost::asio::post(loop_, std::exchange(on_empty_, {}));
}

} // namespace prooftrack
