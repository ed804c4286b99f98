#pragma once

// The interface to Proof: sends polls and calls, decides nothing. Connections take due polls from a `poll_source` and
// hand each answer back to it.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/unique_function.hpp"
#include "net/client_identity.hpp"
#include "net/proxy_route.hpp"
#include "net/trust_roots.hpp"
#include "track/types.hpp"

namespace prooftrack::proof {

/// Where connections get their polls. Implemented by the engine; called on the loop alone, never re-entrantly.
class poll_source {
  public:
    virtual ~poll_source() = default;

    /// The next poll that may start now; its request is written at once. nullopt = none: the connection goes idle until
    /// `wake`.
    virtual std::optional<track::poll_ticket> next_poll() = 0;

    /// Whether `next_poll` would give one now: called before a connection is opened for it. Saying true too often costs
    /// idle connections.
    virtual bool has_poll() = 0;

    /// A connection that was used before, or is shared, ended before the first byte of this ticket's reply: may the GET
    /// be repeated at once on another one? Asked at most twice a ticket; false = report `no_reply`. (At most 10 % of
    /// requests are repeats.)
    virtual bool may_repeat(const track::poll_ticket& ticket) = 0;

    /// The one answer of a ticket that `next_poll` gave out.
    virtual void on_answer(track::poll_ticket ticket, track::poll_answer answer) = 0;
};

/// Why a call other than a poll gave no reply. One line of documentation a value.
enum class proof_error {
    unreachable = 1, ///< no connection could be made: no byte of the request was sent, or Proof did not process it
    timed_out,       ///< no whole reply within the deadline; the request may have reached Proof
    interrupted,     ///< the connection, its stream or the client ended after bytes were sent, which may have arrived
    unusable_reply,  ///< a reply that is not HTTP, too large, or of another content encoding
    stopped,         ///< the client is stopping: no byte of the request was sent, or Proof did not process it
};
const boost::system::error_category& proof_category();
error_code make_error_code(proof_error error);
/// False only when Proof certainly did not process the call: no byte of it was sent, or HTTP/2 refused what was.
bool may_have_reached_proof(const op_error& error);

/// A call on behalf of a user (a session, a KYC status). Never repeated once Proof may have processed it.
struct proof_call {
    enum class method_kind : std::uint8_t { get, post };
    method_kind method = method_kind::get;
    std::string target; ///< path behind base_url, already percent-encoded: "/widget/session"
    std::string body;   ///< JSON bytes for a post
};

/// Proof's reply to a call, uninterpreted.
struct proof_reply {
    int status = 0;
    std::string content_type;
    std::string request_id;                  ///< printable ASCII, at most 128
    std::string body;                        ///< bytes as they came
    bool is_own_error = false;               ///< a status from 400 with Proof's own error body (either generation)
    std::string error_code;                  ///< from that body, else ""
    std::string message;                     ///< likewise
    std::optional<milliseconds> retry_after; ///< at most a day
};

struct proof_client_options {
    std::string base_url;                          ///< https, or http to a loopback host
    net::trust_roots trust;                        ///< whom its certificate must be from
    net::client_identity identity;                 ///< what it shows of itself in TLS
    std::shared_ptr<const net::proxy_route> route; ///< through which proxy; null = directly
    std::size_t connections = 1024;                ///< most connections for polls, opened only as needed
    bool http2 = true;                             ///< offer HTTP/2; a server that does not take it gets HTTP/1.1
    milliseconds connect_timeout{5000};
    milliseconds request_timeout{10000};
    std::size_t max_reply_bytes = 65536;
    std::string user_agent = "prooftrackd";
    std::uint64_t seed = 1; ///< for jitter and the body hash
};

/// Server, certificates, token and settings of a client, checked and bound together: a token goes to the server that it
/// was read for and to no other. Immutable.
class proof_setup;

/// Checks everything and loads the certificates; has no effects. What does not differ from `before` (null = none) is
/// shared with it: connections to an unchanged server live on. Throws boost::system::system_error when the base_url is
/// malformed, the certificates cannot be used or the token cannot be sent.
std::shared_ptr<const proof_setup> prepare_proof_setup(
    proof_client_options options, secret token, const proof_setup* before = nullptr);

/// What a connection for polls speaks, as ALPN has it.
inline constexpr std::string_view http1_protocol = "http/1.1";
inline constexpr std::string_view h2_protocol = "h2";

/// Counts and facts the adapter reports; the engine joins it to metrics and log.
class proof_client_observer {
  public:
    virtual ~proof_client_observer() = default;
    virtual void on_handshake(bool resumed) = 0;
    /// A connection for polls is open; `protocol` is http1_protocol or h2_protocol.
    virtual void on_connected(std::string_view protocol) = 0;
    /// How many of that protocol are open. Only changes are told.
    virtual void on_connections(std::string_view protocol, std::size_t idle, std::size_t busy) = 0;
};

/// Asks Proof over a pool of keep-alive HTTPS connections. Lives on one executor; every call and handler runs there.
class proof_client {
  public:
    virtual ~proof_client() = default;

    /// Polls may be due: idle connections, then new ones, pull from the source until it is empty. New ones are opened
    /// for `at_once` polls in flight and within the limit; idle ones above that are closed. Cheap when there is nothing
    /// to do; never calls back into the source from inside (it posts).
    virtual void wake(std::size_t at_once) = 0;

    /// How many polls can be in flight when all connections that are allowed are open; at least 1.
    virtual std::size_t most_at_once() const = 0;

    /// Asks for a user. The handler runs exactly once; deadline is connect_timeout + request_timeout.
    virtual void call(proof_call request, unique_function<void(op_result<proof_reply>)> handler) = 0;

    /// Closes idle connections now and busy ones after their answer (a clock jump, another CA).
    virtual void retire_connections() = 0;

    /// For every request that starts from now on. One under way, also one that is still connecting, keeps the server,
    /// the certificates and the token that it began with; connections to another server are closed behind it.
    virtual void reconfigure(std::shared_ptr<const proof_setup> setup) noexcept = 0;

    /// Takes no more polls; those in flight are answered, or given up with `no_reply` when `within` is over, then
    /// `stopped` runs once.
    virtual void stop(milliseconds within, unique_function<void()> stopped) = 0;
};

/// `source` and `observer` must outlive it.
std::unique_ptr<proof_client> make_https_proof_client(
    boost::asio::io_context::executor_type loop, std::shared_ptr<const proof_setup> setup, poll_source& source,
    proof_client_observer& observer);

} // namespace prooftrack::proof

template <>
struct boost::system::is_error_code_enum<prooftrack::proof::proof_error> : std::true_type {};
