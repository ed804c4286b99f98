#pragma once

// One keep-alive connection that polls transactions, one after the other or pipelined.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <boost/circular_buffer.hpp>

#include "base/time.hpp"
#include "proof/client_context.hpp"
#include "proof/reply_parser.hpp"
#include "proof/wire.hpp"
#include "track/types.hpp"

namespace prooftrack::proof {

class poll_pool;

/// A request that was written and not answered.
struct poll_in_flight {
    track::poll_ticket ticket;
    steady_time written{};
    steady_time deadline{};
    bool repeated = false; ///< `may_repeat` returned true: this is the second try
};

/// What one connection drew from connection_rules.
struct connection_lifetime {
    std::uint32_t requests = 0;
    steady_duration age{};
};

/// Made by the pool and owned by it until it says `on_ended`. Answers come in the order of the requests; each request
/// has exactly one outcome: an answer to the source or a repeat handed to the pool.
class poll_connection final : public wire_listener {
  public:
    poll_connection(poll_pool& pool, client_context& context, connection_lifetime lifetime);
    ~poll_connection();
    poll_connection(const poll_connection&) = delete;
    poll_connection& operator=(const poll_connection&) = delete;

    /// Takes polls from the pool until every slot is in use (true) or there is none (false), and writes them in one
    /// piece. Only when `accepts`.
    bool fill(steady_time now);

    /// It may take polls: open, not about to be retired.
    bool accepts(steady_time now) const;
    bool is_ready() const { return stage_ == stage::ready; }
    bool is_connecting() const { return stage_ == stage::connecting || stage_ == stage::handshaking; }
    bool is_busy() const { return !in_flight_.empty(); }

    steady_time begun() const { return begun_; }

    /// When `on_deadline` is due.
    steady_time deadline() const;
    void on_deadline(steady_time now);

    /// Closes an idle or connecting connection now and a busy one after its answers.
    void retire();

    /// Answers what is in flight with no_reply and closes.
    void give_up(std::string_view why);

  private:
    enum class stage : std::uint8_t { connecting, handshaking, ready, ended };

    void on_handshake_begins() override;
    void on_open(bool tls, bool resumed) override;
    void on_bytes(std::string_view bytes) override;
    void on_drained() override;
    void on_end(wire_end how, std::string text) override;

    void answer_front(steady_time now);
    void answer_silence(poll_in_flight& request, std::string_view why);
    void answer_fault(reply_fault fault);
    void settle_rest(std::string_view why);
    void end(bool replace);
    bool is_pipelined() const { return deepest_ > 1; }

    poll_pool& pool_;
    client_context& context_;
    std::shared_ptr<const proof_setup> setup_; ///< what the requests in flight were made with
    std::shared_ptr<wire> wire_;
    reply_parser parser_;
    boost::circular_buffer<poll_in_flight> in_flight_;
    stage stage_ = stage::connecting;
    steady_time begun_;
    steady_time connect_until_{};
    steady_time retire_at_{};
    steady_time idle_since_{};
    std::uint32_t requests_left_;
    std::uint32_t answered_ = 0;
    std::size_t deepest_ = 0; ///< most requests that were in flight together
    bool was_idle_ = false;   ///< it has waited without a request: the peer may have closed it meanwhile
    bool answered_since_idle_ = false;
    bool retiring_ = false;
};

} // namespace prooftrack::proof
