#pragma once

// The connections of one listener: which are accepted, which are evicted, how they end.

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include <boost/asio/any_io_executor.hpp>
#include <boost/intrusive/list.hpp>

#include "api/connection.hpp"
#include "api/places.hpp"
#include "base/unique_function.hpp"

namespace prooftrack::api {

/// All buffered request bodies together. Small ones have a part of it to themselves, so that a single transaction never
/// waits behind imports; a part of either is kept for admins and owners, and one user gets half of the rest.
inline constexpr std::size_t small_body_bytes = 64 * 1024;
inline constexpr body_budget::limits small_body_limits{4U << 20U, 3U << 20U, 3U << 19U};
inline constexpr body_budget::limits large_body_limits{60U << 20U, 32U << 20U, 16U << 20U};

/// Who makes way for a new connection.
enum class eviction : std::uint8_t {
    idle,   ///< only one without a request, wait or stream in progress
    silent, ///< also one in whose request or answer nothing moved for a while, but not while the answer is made
};

/// Owns its connections.
class connection_pool final : public connection_host {
  public:
    struct settings {
        place_limits places = place_limits::shared(256, false);
        access_rules access;
        connection_limits limits;
        eviction evicts = eviction::idle;
    };

    /// `answers` must outlive it. `on_request` is called for each answered request.
    connection_pool(
        const boost::asio::any_io_executor& loop, request_handler& answers, settings chosen,
        std::function<void(const api_request_fact&)> on_request);
    ~connection_pool();
    connection_pool(const connection_pool&) = delete;
    connection_pool& operator=(const connection_pool&) = delete;

    /// False: all places are taken by connections that do not make way. Who comes is known only when it is accepted.
    bool may_accept();

    /// Takes it in, in the place of another one if need be; or answers that its user has too many already, or that all
    /// places of its rank are busy, and closes it. Requires that `may_accept` said yes.
    void adopt(connection::socket_type socket, peer_credentials peer);

    /// Called (once) when `may_accept` may say yes again.
    void when_free(unique_function<void()> handler) { when_free_ = std::move(handler); }
    /// When to call `may_accept` again even without a notification.
    std::optional<milliseconds> look_again() const;

    void reconfigure(place_limits places, access_rules access);
    std::size_t size() const { return connections_.size(); }

    /// Lets what is in progress end; `empty` runs when no connection is left, posted.
    void finish(unique_function<void()> empty);
    void close_all();

    request_handler& handler() override { return answers_; }
    deadline_set& deadlines() override { return deadlines_; }
    body_budget& budget_for(std::size_t body) override { return body <= small_body_bytes ? small_bodies_ : bodies_; }
    const connection_limits& limits() const override { return settings_.limits; }
    std::span<char> scratch() override { return *scratch_; }
    const std::string& http_date() override;
    client_rank rank_of(const peer_credentials& peer) const override {
        return prooftrack::api::rank_of(settings_.access, peer);
    }
    bool may_change(const peer_credentials& peer) const override {
        return prooftrack::api::may_change(settings_.access, peer);
    }
    void on_answered(const api_request_fact& fact) override;
    void on_idle(connection& who) override;
    void on_busy(connection& who) override;
    void on_closed(connection& who) override;

  private:
    using idle_list = boost::intrusive::list<
        connection, boost::intrusive::base_hook<idle_hook>, boost::intrusive::constant_time_size<false>>;
    struct member {
        std::shared_ptr<connection> held; // shared with its pending reads and writes
        client_rank rank = client_rank::everybody;
        bool has_place = false; ///< false: it only gets an error answer
    };

    /// The connection that makes way first, of those that `qualifies` holds for; null when there is none.
    template <class Predicate>
    connection* find_idle(Predicate qualifies);
    connection* find_silent();
    connection* find_who_makes_way(place_count::verdict full, client_rank rank, std::int64_t uid);
    void turn_away(connection::socket_type socket, peer_credentials peer, place_count::verdict full);
    void tell_free();
    void tell_empty();

    boost::asio::any_io_executor loop_;
    request_handler& answers_;
    settings settings_;
    std::function<void(const api_request_fact&)> on_request_;
    deadline_set deadlines_;
    body_budget small_bodies_{small_body_limits};
    body_budget bodies_{large_body_limits};
    std::unique_ptr<std::array<char, 64 * 1024>> scratch_;
    place_count places_;
    std::unordered_map<connection*, member> connections_;
    std::size_t turned_away_ = 0; ///< of them, without a place
    idle_list idle_;              ///< the one that is idle for longest first
    unique_function<void()> when_free_;
    unique_function<void()> on_empty_;
    seconds date_second_{-1}; ///< since the epoch, of `date_`
    std::string date_;
};

} // namespace prooftrack::api
