#pragma once

// One connection that polls, from the lookup to its end: when it takes polls, what becomes of them, when it is over.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "proof/client_context.hpp"
#include "proof/poll_channel.hpp"

namespace prooftrack::proof {

class poll_pool;

/// What one connection drew from connection_rules, and what it is for.
struct connection_lifetime {
    std::uint32_t requests = 0;
    std::uint32_t http2_requests = 0; ///< if it speaks HTTP/2
    steady_duration age{};
    bool is_successor = false; ///< opened in place of one that ends soon, not for more polls at once
};

/// Made by the pool and owned by it until it says `on_ended`. Connects, then carries polls over a channel. Each poll
/// has exactly one outcome: an answer to the source or a repeat handed to the pool.
class poll_connection final : private poll_channel_events {
  public:
    poll_connection(poll_pool& pool, client_context& context, connection_lifetime lifetime);
    ~poll_connection();
    poll_connection(const poll_connection&) = delete;
    poll_connection& operator=(const poll_connection&) = delete;

    /// Takes polls from the pool until `most` are in flight or the channel is full (true) or there is none (false), and
    /// writes them in one piece. Only when `accepts`.
    bool fill(steady_time now, std::size_t most);

    /// It may take polls: open, not about to be retired.
    bool accepts(steady_time now) const;
    bool is_ready() const { return stage_ == stage::ready; }
    bool is_connecting() const { return stage_ == stage::connecting || stage_ == stage::handshaking; }
    /// It was opened for polls that wait, and does not carry them yet or does not know how many it may: others need not
    /// be opened for these.
    bool is_awaited() const { return !lifetime_.is_successor && (is_connecting() || is_settling()); }
    /// Another connection is open, or may be opened, in its place, or none is needed: it does not count any more.
    bool is_leaving() const { return is_ready() && (has_successor_ || needs_none_ || retiring_); }
    /// Requests that it may have in flight; before that is known, what most servers allow.
    std::size_t streams() const;
    /// It was sent requests and answered none.
    bool is_barren() const { return started_ > 0 && answered_ == 0; }
    std::string_view protocol() const { return channel_->protocol(); } ///< only when is_ready()
    bool is_busy() const { return is_ready() && channel_->in_flight() > 0; }

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

    void on_step(stream_step step, const std::string& why);
    bool on_reply(poll_in_flight request, const reply_view& reply) override;
    void on_fault(poll_in_flight request, int status, std::string_view fault) override;
    void on_no_reply(poll_in_flight request, no_reply kind, std::string_view why) override;
    void on_progress() override;
    void on_ended() override;

    bool is_settling() const { return is_ready() && was_settling_ && channel_->is_settling(); }
    steady_time own_deadline() const;
    /// Something has come over it since it was idle, or it is new: a repeat may go over it.
    bool is_fresh() const { return answered_since_idle_ || !was_idle_; }
    std::optional<poll_in_flight> take_poll();
    bool may_be_repeated(const poll_in_flight& request, no_reply kind) const;
    void prepare_end(steady_time now);
    void fail(const std::string& why);
    void end();

    poll_pool& pool_;
    client_context& context_;
    std::shared_ptr<const proof_setup> setup_; ///< what the next request is made with
    std::shared_ptr<proof_stream> stream_;
    std::unique_ptr<poll_channel> channel_; ///< once the stream is open
    stage stage_ = stage::connecting;
    steady_time begun_;
    steady_time opened_at_{};
    steady_time connect_until_{};
    steady_time retire_at_{};
    steady_time idle_since_{};
    std::uint32_t requests_left_;
    const connection_lifetime lifetime_;
    std::uint32_t answered_ = 0;
    track::repeats_together repeats_in_flight_;
    bool was_idle_ = false; ///< it has waited without a request: the peer may have closed it meanwhile
    bool answered_since_idle_ = false;
    bool retiring_ = false;
    bool was_settling_ = false; ///< until the server's SETTINGS came, or `settling_until_`
    steady_time settling_until_{};
    std::uint32_t started_ = 0; ///< requests
    bool has_successor_ = false;
    bool needs_none_ = false; ///< it ends without a successor
};

} // namespace prooftrack::proof
