#pragma once

// TLS without a socket: received bytes in, plaintext out, and back. Works on memory alone, so that a poll costs one
// recv and one send.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <openssl/ssl.h>

namespace prooftrack::proof {

struct ssl_deleter {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using ssl_pointer = std::unique_ptr<SSL, ssl_deleter>;

struct session_deleter {
    void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using session_pointer = std::unique_ptr<SSL_SESSION, session_deleter>;

enum class tls_step : std::uint8_t {
    done,       ///< the handshake is over, or plaintext was read
    need_bytes, ///< everything received is used up
    closed,     ///< the peer said close_notify: no more plaintext, nothing was cut off
    failed,     ///< see error_text; the engine is of no more use
};

/// One client connection's TLS state. Never moves: OpenSSL points into it.
class tls_engine {
  public:
    /// `ssl` carries context, host name and session to resume; the engine gives it its bytes.
    /// Throws std::bad_alloc when OpenSSL cannot.
    explicit tls_engine(ssl_pointer ssl);
    ~tls_engine();
    tls_engine(const tls_engine&) = delete;
    tls_engine& operator=(const tls_engine&) = delete;

    /// The next bytes from the wire. They are not copied: they must stay until a step said need_bytes, closed or
    /// failed, or `drained`.
    void receive(std::string_view bytes);

    /// Goes on with the handshake; look at `outgoing` after each step.
    tls_step handshake();

    /// Decrypts into `into`; `got` is the number of bytes when the step is `done`.
    tls_step read(std::span<char> into, std::size_t& got);

    /// True when another `read` would find nothing: all that was received is decrypted and given out.
    bool drained() const;

    /// Encrypts all of `plain` into `outgoing`; false = failed. Only after the handshake.
    bool write(std::string_view plain);

    /// Puts a close_notify into `outgoing`; keeps the session resumable.
    void shutdown();

    /// Bytes for the wire; the caller that sends them erases them.
    std::string& outgoing() { return outgoing_; }

    bool resumed() const;

    /// The newest session that a later connection can resume; null when the peer gave none so far.
    session_pointer session() const;

    /// Why the last step failed, for people: "certificate verify failed (certificate has expired)".
    const std::string& error_text() const { return error_; }

  private:
    friend struct tls_engine_bio;
    tls_step translate(int returned);

    ssl_pointer ssl_;
    std::string_view incoming_;
    std::string outgoing_;
    std::string error_;
};

} // namespace prooftrack::proof
