#pragma once

// The connections of one listener: how many there may be, who makes room, how they end.

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <unordered_map>

#include <boost/asio/any_io_executor.hpp>
#include <boost/intrusive/list.hpp>

#include "api/connection.hpp"
#include "base/unique_function.hpp"

namespace prooftrack {

/// All buffered request bodies together. Small ones have a part of it to themselves, so that a single transaction never
/// waits behind imports.
inline constexpr std::size_t max_buffered_bodies = 64 * 1024 * 1024;
inline constexpr std::size_t max_buffered_small_bodies = 4 * 1024 * 1024;
inline constexpr std::size_t small_body_bytes = 64 * 1024;

/// Owns its connections. A request, wait or stream in progress is never ended to make room; only an idle connection is.
class connection_pool final : public connection_host {
  public:
    struct settings {
        std::size_t max_clients = 256;
        access_rules access;
        connection_limits limits;
    };

    /// `answers` must outlive it. `on_request` is told of each answered request.
    connection_pool(const boost::asio::any_io_executor& loop, request_handler& answers, settings chosen,
                    std::function<void(const api_request_fact&)> on_request);
    ~connection_pool();
    connection_pool(const connection_pool&) = delete;
    connection_pool& operator=(const connection_pool&) = delete;

    /// True when one more may come in: there is room, or the connection idle for longest was closed to make it.
    bool make_room();

    /// Requires that `make_room` said yes.
    void adopt(connection::socket_type socket, peer_credentials peer);

    /// Called (once) when there may be room again after `make_room` said no.
    void on_room(unique_function<void()> handler) { on_room_ = std::move(handler); }

    void reconfigure(std::size_t max_clients, access_rules access);
    std::size_t size() const { return connections_.size(); }

    /// Lets what is in progress end; `empty` runs when no connection is left, posted.
    void finish(unique_function<void()> empty);
    void close_all();

    request_handler& handler() override { return answers_; }
    deadline_set& deadlines() override { return deadlines_; }
    body_budget& budget_for(std::size_t body) override { return body <= small_body_bytes ? small_bodies_ : bodies_; }
    const connection_limits& limits() const override { return settings_.limits; }
    std::span<char> scratch() override { return *scratch_; }
    bool may_change(const peer_credentials& peer) const override { return is_admin(settings_.access, peer); }
    void on_answered(const api_request_fact& fact) override;
    void on_idle(connection& who) override;
    void on_busy(connection& who) override;
    void on_closed(connection& who) override;

  private:
    using idle_list = boost::intrusive::list<connection, boost::intrusive::base_hook<idle_hook>,
                                             boost::intrusive::constant_time_size<false>>;
    void tell_room();
    void tell_empty();

    boost::asio::any_io_executor loop_;
    request_handler& answers_;
    settings settings_;
    std::function<void(const api_request_fact&)> on_request_;
    deadline_set deadlines_;
    body_budget small_bodies_{max_buffered_small_bodies};
    body_budget bodies_{max_buffered_bodies - max_buffered_small_bodies};
    std::unique_ptr<std::array<char, 64 * 1024>> scratch_;
    std::unordered_map<connection*, std::shared_ptr<connection>>
        connections_; // shared with their pending reads and writes
    idle_list idle_;  ///< the one that is idle for longest first
    unique_function<void()> on_room_;
    unique_function<void()> on_empty_;
};

} // namespace prooftrack
