#include "callback/idle_connections.hpp"

namespace prooftrack::callback {

idle_connections::idle_connections(const boost::asio::any_io_executor& loop, idle_connection_limits limits)
    : limits_(limits), alarm_(loop, [this] { sweep(); }) {}

std::optional<pooled_connection> idle_connections::take(const std::string& key) {
    const auto same = by_key_.find(key);
    if (same == by_key_.end()) return std::nullopt;
    std::optional<pooled_connection> found;
    std::deque<place>& places = same->second;
    for (std::size_t left = places.size(); left > 0 && !found; --left) {
        const place newest = places[left - 1];
        const auto readiness = newest->connection.connection.look();
        if (readiness == net::http_connection::readiness::busy) continue; // its reply may still end
        if (readiness == net::http_connection::readiness::ready) found = std::move(newest->connection);
        places.erase(places.begin() + static_cast<std::ptrdiff_t>(left - 1));
        idle_.erase(newest);
    }
    if (places.empty()) by_key_.erase(same);
    return found;
}

void idle_connections::put(const std::string& key, pooled_connection connection) {
    const steady_time now = std::chrono::steady_clock::now();
    const bool used_up = connection.requests >= limits_.requests || now - connection.born >= limits_.age;
    if (used_up || limits_.idle_per_key == 0 || limits_.idle_in_all == 0) return;
    if (const auto same = by_key_.find(key); same != by_key_.end() && same->second.size() >= limits_.idle_per_key)
        drop_oldest_of(key);
    if (idle_.size() >= limits_.idle_in_all) drop_oldest_of(idle_.front().key);
    connection.idle_since = now;
    idle_.push_back(entry{key, std::move(connection)});
    by_key_[key].push_back(std::prev(idle_.end()));
    if (idle_.size() == 1) arm(); // else it is armed for an older one
}

/// What is oldest in all is also the oldest of its key.
void idle_connections::drop_oldest_of(const std::string& key) {
    const auto same = by_key_.find(key);
    const place oldest = same->second.front();
    same->second.pop_front();
    if (same->second.empty()) by_key_.erase(same);
    idle_.erase(oldest); // `key` may be its own
}

void idle_connections::clear() {
    by_key_.clear();
    idle_.clear();
    alarm_.disarm();
}

void idle_connections::sweep() {
    const steady_time now = std::chrono::steady_clock::now();
    while (!idle_.empty() && now - idle_.front().connection.idle_since >= limits_.idle_for)
        drop_oldest_of(idle_.front().key);
    arm();
}

void idle_connections::arm() {
    if (idle_.empty())
        alarm_.disarm();
    else
        alarm_.arm(idle_.front().connection.idle_since + limits_.idle_for);
}

} // namespace prooftrack::callback
