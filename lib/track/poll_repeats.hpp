#pragma once

// Whether a poll that got no reply is asked again, and beside which others. Pure.

#include <cstddef>
#include <cstdint>

namespace prooftrack::track {

/// Why a request got no reply.
enum class no_reply : std::uint8_t {
    given_up,    ///< the deadline, or the client stops
    unanswered,  ///< the connection ended before the first byte of the reply
    cut,         ///< a connection that carries many ended in the middle of the reply
    reset,       ///< the server ended this request alone
    unprocessed, ///< the server says that it did not look at the request (an announced close, REFUSED_STREAM)
};

/// What a poll has met.
struct poll_tries {
    std::uint8_t repeats = 0;  ///< so often its connection broke, or reset it
    std::uint8_t refusals = 0; ///< weight of what the server said it did not process
    std::uint8_t goaways = 0;  ///< so often it said so of what came behind the end of a connection

    bool operator==(const poll_tries&) const = default;
};

/// What is known of the connection that brought no reply.
struct connection_facts {
    bool has_lived = false; ///< it has answered, or has waited without a request: it may have been stale
    bool is_shared = false; ///< it carries many requests: another one may have broken it
};

/// So often a poll is repeated whose connection ended.
inline constexpr std::uint8_t most_repeats = 2;

/// A poll is a GET, so that it may be repeated; it is when the fault may have been of its connection, or of another
/// poll beside it. What gets nothing back from a fresh connection of its own met a real fault. Not about `unprocessed`.
bool may_be_repeated(const poll_tries& tries, no_reply kind, const connection_facts& connection);

/// Counts that the server did not process it: with all that came behind the end of its connection, or this one alone
/// (REFUSED_STREAM: it may be overloaded), which weighs four times as much. False = more than 16: such a server is
/// treated as one that does not answer. There is no load on it, so that these are not limited in number.
bool count_refusal(poll_tries& tries, bool with_connection);

/// A server that ends its connections after few requests processes the first ones of each: a poll that met four such
/// ends goes over a connection that was sent fewer than 10.
bool needs_new_connection(const poll_tries& tries);
bool is_new_connection(std::uint32_t requests_sent);

/// The repeated polls that share one connection. What one request does to a connection strikes all beside it. So that
/// it does not strike them again, at most 10 of them share the next one; each of those whose second connection broke
/// as well (suspects) shares the third with none of them.
class repeats_together {
  public:
    static constexpr std::size_t most = 10;

    bool takes_repeat() const { return !has_suspect_ && repeats_ < most; }
    bool takes_suspect() const { return !has_suspect_ && repeats_ == 0; }
    void add(const poll_tries& tries);    ///< of any poll that the connection is given
    void remove(const poll_tries& tries); ///< of any that was added and has its outcome

  private:
    std::size_t repeats_ = 0;
    bool has_suspect_ = false;
};

} // namespace prooftrack::track
