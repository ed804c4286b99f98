#pragma once

// One call on behalf of a user, on a connection of its own, processed by Proof at most once.

#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/steady_timer.hpp>

#include "base/lifetime.hpp"
#include "proof/call_channel.hpp"
#include "proof/client_context.hpp"
#include "proof/proof_stream.hpp"

namespace prooftrack::proof {

/// A reply to a session or to KYC may be so large, or as large as `max_reply_bytes`, if that is more.
inline constexpr std::size_t max_call_reply = 1024 * 1024;

using call_handler = unique_function<void(op_result<proof_reply>)>;

/// Connects, sends the request once and reads the reply. Once a byte of the request may have reached Proof it is not
/// repeated: Proof may have acted on it. What HTTP/2 refused, so that Proof certainly did not, is sent once more, on a
/// fresh connection within the same deadline, and over HTTP/1.1 if the server requires that. Owned by call_runner,
/// which `ended` notifies and which deletes it later, not from inside.
class call_exchange final : private stream_reader {
  public:
    call_exchange(
        client_context& context, proof_call request, steady_time until, call_handler handler,
        unique_function<void()> ended);
    ~call_exchange();
    call_exchange(const call_exchange&) = delete;
    call_exchange& operator=(const call_exchange&) = delete;

    /// Begins. Also the repeat, from inside.
    void start();

    /// The client stops: answers and closes.
    void give_up();

    bool has_ended() const { return !handler_; }

  private:
    void on_step(stream_step step, const std::string& why);
    void on_bytes(std::string_view bytes) override;
    void on_end(bool is_clean, const std::string& why) override;

    void on_timeout();
    void watch(steady_time until);
    void conclude(const call_end& end);
    void complete(const reply_view& from);
    void send_output();
    void disconnect();
    void fail(proof_error why, std::string detail);
    void finish(op_result<proof_reply> outcome);

    client_context& context_;
    std::shared_ptr<const proof_setup> setup_; ///< of the moment it began: also when a reload comes while it connects
    proof_call request_;
    steady_time until_;
    steady_time connect_until_{};
    call_handler handler_; ///< empty = ended
    unique_function<void()> ended_;
    std::shared_ptr<proof_stream> stream_;  ///< null = not begun
    std::unique_ptr<call_channel> channel_; ///< null = the request is not sent
    boost::asio::steady_timer timer_;
    bool repeated_ = false;
    lifetime lifetime_; ///< the timer's handler may be queued when we go
};

} // namespace prooftrack::proof
