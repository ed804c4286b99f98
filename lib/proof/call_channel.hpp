#pragma once

// What a call needs of one open connection, whatever HTTP it speaks: bytes in, bytes to send and the call's end out.
// No socket and no deadlines: those are call_exchange's.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proof/codec.hpp"
#include "proof/proof_setup.hpp"

namespace prooftrack::proof {

/// What became of a call on one connection.
struct call_end {
    enum class kind : std::uint8_t {
        reply,       ///< a whole reply, also HTTP/2's ENHANCE_YOUR_CALM for the stream, which is a 429
        failed,      ///< no whole reply; Proof may have processed the call
        unprocessed, ///< Proof certainly did not process it: it may be sent again
    };
    kind what = kind::failed;
    reply_view reply{};                           ///< with `reply`; views live until the next call of the channel
    proof_error error = proof_error::interrupted; ///< with `failed`
    std::string why{};                            ///< for people, "" with `reply`
    bool requires_http1 = false;                  ///< with `unprocessed`: over HTTP/1.1 it is processed
    bool is_throttled = false;                    ///< with `unprocessed`: but not at once
};

/// One call on one open connection. `take_output` gives what is to be sent: ask after `start`, `receive` and `close`.
class call_channel {
  public:
    call_channel() = default;
    call_channel(const call_channel&) = delete;
    call_channel& operator=(const call_channel&) = delete;
    virtual ~call_channel() = default;

    /// Called once, first. Both are used during the call only.
    virtual void start(const proof_call& call, const proof_setup& setup) = 0;

    /// Bytes of the peer, in any pieces. A value = the call's end: then only `close` follows.
    virtual std::optional<call_end> receive(std::string_view bytes) = 0;

    /// The connection ended before the call did, as stream_reader::on_end has it.
    virtual call_end finish(bool is_clean, const std::string& why) = 0;

    /// The connection is going to be closed, whether the call has ended or not.
    virtual void close() = 0;

    /// Appends what is to be sent, the token among it.
    virtual void take_output(std::string& out) = 0;
};

/// The channel for a connection with this protocol, as ALPN chose it. No reply may have a body over `max_reply` bytes.
std::unique_ptr<call_channel> make_call_channel(
    std::string_view protocol, const proof_setup& setup, std::size_t max_reply);

} // namespace prooftrack::proof
