#include "callback/idle_connections.hpp"

#include <algorithm>
#include <iterator>

namespace prooftrack {

idle_connections::idle_connections(const boost::asio::any_io_executor& loop, idle_connection_limits limits)
    : limits_(limits), alarm_(loop, [this] { sweep(); }) {}

std::optional<pooled_connection> idle_connections::take(const std::string& key) {
    for (auto each = idle_.end(); each != idle_.begin();) {
        --each;
        if (each->key != key) continue;
        pooled_connection connection = std::move(each->connection);
        each = idle_.erase(each);
        if (!connection.stream.is_stale()) return connection;
    }
    return std::nullopt;
}

void idle_connections::put(const std::string& key, pooled_connection connection) {
    const steady_time now = std::chrono::steady_clock::now();
    const bool used_up = connection.requests >= limits_.requests || now - connection.born >= limits_.age;
    if (used_up || limits_.idle_per_key == 0 || limits_.idle_in_all == 0) return;
    const auto same = [&key](const entry& each) { return each.key == key; };
    if (std::count_if(idle_.begin(), idle_.end(), same) >= static_cast<std::ptrdiff_t>(limits_.idle_per_key))
        idle_.erase(std::find_if(idle_.begin(), idle_.end(), same));
    if (idle_.size() >= limits_.idle_in_all) idle_.pop_front();
    connection.idle_since = now;
    idle_.push_back(entry{key, std::move(connection)});
    arm();
}

void idle_connections::clear() {
    idle_.clear();
    alarm_.disarm();
}

void idle_connections::sweep() {
    const steady_time now = std::chrono::steady_clock::now();
    while (!idle_.empty() && now - idle_.front().connection.idle_since >= limits_.idle_for) idle_.pop_front();
    arm();
}

void idle_connections::arm() {
    if (idle_.empty())
        alarm_.disarm();
    else
        alarm_.arm(idle_.front().connection.idle_since + limits_.idle_for);
}

} // namespace prooftrack
