#pragma once

// Idle keep-alive connections to receivers.

#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>

#include <boost/asio/any_io_executor.hpp>

#include "base/time.hpp"
#include "net/http_exchange.hpp"
#include "net/steady_alarm.hpp"

namespace prooftrack::callback {

/// A connection and how much of its life is spent.
struct pooled_connection {
    net::http_connection connection;
    steady_time born{};
    steady_time idle_since{};
    std::uint32_t requests = 0;
};

struct idle_connection_limits {
    std::size_t idle_in_all = 256;
    std::size_t idle_per_key = 64;
    steady_duration idle_for = std::chrono::seconds(20); ///< then it is closed
    steady_duration age = std::chrono::minutes(5);       ///< then it is not reused: DNS is looked up again
    std::uint32_t requests = 1000;                       ///< likewise
};

/// Keeps connections that may carry another request. Bounded; the longest idle one goes first. A key names everything
/// that two requests must have in common to share a connection.
class idle_connections {
  public:
    explicit idle_connections(const boost::asio::any_io_executor& loop, idle_connection_limits limits = {});

    /// Of that key, the one used last whose reply is whole. One whose peer has closed it, or has sent what nobody asked
    /// for, is closed and never given out: its next bytes would be read as an answer. nullopt when there is none.
    std::optional<pooled_connection> take(const std::string& key);

    /// Takes it back, or closes it when it is used up or the table is full.
    void put(const std::string& key, pooled_connection connection);

    void clear();
    std::size_t size() const { return idle_.size(); }

  private:
    struct entry {
        std::string key;
        pooled_connection connection;
    };
    using place = std::list<entry>::iterator;

    void drop_oldest_of(const std::string& key);
    void sweep();
    void arm();

    idle_connection_limits limits_;
    std::list<entry> idle_;                                     // longest idle first
    std::unordered_map<std::string, std::deque<place>> by_key_; // likewise; no empty ones
    net::steady_alarm alarm_;
};

} // namespace prooftrack::callback
