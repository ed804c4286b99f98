#pragma once

// What the polls need of one open connection, whatever HTTP it speaks: a channel carries requests, `poll_connection`
// decides when a channel may have one and what follows from its outcome.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/time.hpp"
#include "proof/codec.hpp"
#include "proof/proof_setup.hpp"
#include "proof/proof_stream.hpp"
#include "track/poll_repeats.hpp"
#include "track/types.hpp"

namespace prooftrack::proof {

/// A poll on its way: taken from the source, not answered.
struct poll_in_flight {
    track::poll_ticket ticket;
    steady_time written{};     ///< when it was handed to a channel
    steady_time deadline{};    ///< without a whole reply by then it is given up
    std::size_t max_reply = 0; ///< bytes of its reply's body; a longer one is a fault
    track::poll_tries tries;
};

using track::no_reply;

/// Gets what becomes of the requests of one channel. Called on the loop; never from inside `capacity`, `start`,
/// `flush`, `in_flight`, `next_deadline` or `close`, but from inside `on_deadline` and `give_up`. Each request that was
/// started has exactly one outcome: on_reply, on_fault or on_no_reply. The channel may be closed, but not destroyed,
/// from inside any of these; then nothing follows.
class poll_channel_events {
  public:
    /// A whole reply; its views need to be valid during the call only. False = the reply is about something else, so
    /// that a connection which tells answers apart by their order cannot be trusted any more: the channel hands back
    /// what is in flight as `unanswered` and ends. HTTP/2 tells them apart by their streams and goes on.
    virtual bool on_reply(poll_in_flight request, const reply_view& reply) = 0;

    /// Bytes that are no reply. `status` is 0 when none was read; `fault` is a few words for people ("truncated").
    virtual void on_fault(poll_in_flight request, int status, std::string_view fault) = 0;

    /// No reply came. `why` is for people, with its stage: "reply: connection closed".
    virtual void on_no_reply(poll_in_flight request, no_reply kind, std::string_view why) = 0;

    /// After outcomes, once for all that one read brought: requests may be started now, from inside this call. The last
    /// thing that the channel does in its step.
    /// Also when `capacity` has grown or `is_closing` has become true.
    virtual void on_progress() = 0;

    /// The connection is over and nothing is in flight; the last call. The last thing that the channel does.
    virtual void on_ended() = 0;

  protected:
    ~poll_channel_events() = default;
};

/// An open connection that carries polls. One loop; not reentrant but as said. Its destructor closes it. `events` is
/// used until on_ended or `close`.
class poll_channel {
  public:
    poll_channel() = default;
    poll_channel(const poll_channel&) = delete;
    poll_channel& operator=(const poll_channel&) = delete;
    virtual ~poll_channel() = default;

    /// How many more requests it takes now: HTTP/1.1 one, HTTP/2 as many as the server allows. 0 when it takes no more
    /// (GOAWAY) as well: it then ends by itself after what is in flight.
    virtual std::size_t capacity() const = 0;

    /// It does not know yet how many requests the server allows; `capacity` may grow soon.
    virtual bool is_settling() const { return false; }

    /// The server has announced the end (GOAWAY).
    virtual bool is_closing() const { return false; }

    /// "http/1.1" or "h2".
    virtual std::string_view protocol() const = 0;

    /// Takes a request; only while `capacity() > 0`. The bytes are written with `setup`'s server and token at once or
    /// by `flush`; `setup` is used during the call only.
    virtual void start(poll_in_flight request, const proof_setup& setup) = 0;

    /// Sends what was started since the last flush, in one piece. A failure shows as the end of the reading.
    virtual void flush() = 0;

    /// Requests without an outcome.
    virtual std::size_t in_flight() const = 0;

    /// The earliest deadline of what is in flight; steady_time::max() when nothing is.
    virtual steady_time next_deadline() const = 0;

    /// `next_deadline` has passed. Requests over their deadline are handed back as given_up, "reply: timed out after
    /// 100ms"; HTTP/1.1 ends with it, HTTP/2 may reset the stream and go on.
    virtual void on_deadline(steady_time now) = 0;

    /// Hands back everything in flight as given_up and ends.
    virtual void give_up(std::string_view why) = 0;

    /// Ends the connection in order (close_notify, GOAWAY) without waiting. No event follows; requests in flight are
    /// dropped without an outcome, so its owner calls it when nothing is in flight or when nobody wants to know.
    virtual void close() noexcept = 0;
};

/// The channel for a stream that is open: what ALPN agreed on decides which kind. It begins to read at once.
std::unique_ptr<poll_channel> make_poll_channel(
    std::shared_ptr<proof_stream> stream, const proof_setup& setup, poll_channel_events& events);

} // namespace prooftrack::proof
