#pragma once

// One Proof server as connections see it: where it is, how its TLS is made, and the bytes of its requests.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/ssl/context.hpp>
#include <openssl/ssl.h>

#include "base/secret.hpp"
#include "proof/proof_client.hpp"
#include "track/http2_trust.hpp"

namespace prooftrack::proof {

/// Built from base_url, trust, identity, route and user_agent; a change of one of them makes a new origin. Keeps the
/// newest TLS session.
class origin {
  public:
    /// Throws boost::system::system_error when base_url is not https (or http to a loopback host), holds a query, or
    /// when the certificates cannot be used.
    explicit origin(const proof_client_options& options);

    const std::string& host() const { return host_; }
    std::uint16_t port() const { return port_; }
    bool uses_tls() const { return context_.has_value(); }
    /// The way there, for net::connect_options; null = directly.
    const std::shared_ptr<const net::proxy_route>& route() const { return route_; }

    /// "connect: timed out", or the same of the proxy on the way.
    std::string describe_connect_timeout() const;

    /// For the streams of its connections: TLS 1.2 at least, peers verified. Only with uses_tls().
    boost::asio::ssl::context& tls_context() { return *context_; }

    /// Before the handshake of a client connection made of `tls_context`: SNI for names, the certificate verified for
    /// the host, the newest session and these protocols offered (TLS's own format, "" = none). Throws std::bad_alloc
    /// when OpenSSL refuses; then there must be no handshake.
    void prepare_tls(SSL* ssl, std::string_view alpn);

    /// Remembers the session of a connection that is open, if it can be resumed.
    void keep_session(SSL* ssl);

    /// What HTTP/2 sends in fields of their own.
    const std::string& authority() const { return authority_; }
    const std::string& user_agent() const { return user_agent_; }
    void append_poll_path(std::string& out, std::string_view id) const;
    void append_call_path(std::string& out, const proof_call& call) const;

    /// What is known of this server's HTTP/2.
    track::http2_trust& http2() { return http2_; }
    const track::http2_trust& http2() const { return http2_; }

    /// Appends the request for one transaction.
    void append_poll(std::string& out, std::string_view id, const secret& token) const;

    /// The request of a call, whole.
    std::string format_call(const proof_call& call, const secret& token) const;

  private:
    struct session_deleter {
        void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
    };

    std::string host_;
    std::uint16_t port_ = 0;
    std::shared_ptr<const net::proxy_route> route_;
    std::string path_prefix_; ///< of base_url, without a slash at its end
    std::string authority_;
    std::string user_agent_;
    std::string poll_begin_; ///< before the id
    std::string fields_;     ///< from the version to "Bearer "
    track::http2_trust http2_;
    std::optional<boost::asio::ssl::context> context_;
    std::unique_ptr<SSL_SESSION, session_deleter> session_; ///< the newest
};

/// What a token is: visible ASCII, at least one character. Anything else could split a header.
bool is_sendable_token(const secret& token);

} // namespace prooftrack::proof
