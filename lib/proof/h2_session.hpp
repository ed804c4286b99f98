#pragma once

// The client side of one HTTP/2 connection (RFC 9113) as a state machine without a socket: received bytes in, bytes to
// send and outcomes of requests out. The frames are libnghttp2's; the bounds, and what a reply's end means, are ours.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proof/codec.hpp"

struct nghttp2_session;

namespace prooftrack::proof {

struct h2_limits {
    std::size_t streams = 100;       ///< most requests in flight; fewer if the peer's SETTINGS say so
    std::size_t reply_bytes = 65536; ///< most bytes of one body
    std::size_t header = 16 * 1024;  ///< of one reply's fields with its interim replies and trailers, 32 a field added
    std::size_t buffered = 512 * 1024; ///< of the bodies of unfinished replies together; at least 2 * reply_bytes
};

/// Most requests in flight before the peer's SETTINGS have come: one with a low limit refuses what is above it.
inline constexpr std::size_t h2_streams_before_settings = 10;
/// Most fields of a request beside the four that HTTP/2 itself has.
inline constexpr std::size_t h2_request_fields = 12;
/// Frames that bring a reply no nearer (PING, SETTINGS, WINDOW_UPDATE, CONTINUATION, empty DATA, unknown types, frames
/// of streams that are over): a connection may have so many, and more for each whole reply.
inline constexpr std::size_t h2_idle_frames = 1000;
inline constexpr std::size_t h2_idle_frames_per_reply = 10;
/// And one more for each so many bytes of requests' bodies, which take WINDOW_UPDATEs.
inline constexpr std::size_t h2_upload_bytes_per_idle_frame = 256;
/// Bytes of reads that bring no reply nearer, which also counts what nghttp2 skips in silence: so many, and
/// limits.reply_bytes more for each request that ended (the rest of a cancelled one's reply may come).
inline constexpr std::size_t h2_idle_bytes = 1024 * 1024;

struct h2_field {
    std::string_view name; ///< lower case
    std::string_view value;
};

/// Views need to live during `submit` alone.
struct h2_request {
    std::string_view method = "GET";
    std::string_view authority{};
    std::string_view path{};
    std::span<const h2_field> fields{}; ///< at most h2_request_fields
    std::string_view body{};            ///< "" = none
    std::size_t max_reply = 0;          ///< bytes of its reply's body; 0 or more than limits.reply_bytes = that
};

/// The status that stands for `h2_end::throttled`.
inline constexpr int too_many_requests = 429;

/// How a request ended.
enum class h2_end : std::uint8_t {
    reply,      ///< a whole reply
    unusable,   ///< a reply began and breaks a rule, exceeds a limit or was reset
    cut,        ///< a reply had begun when the connection ended, which need not be its own fault
    unanswered, ///< no byte of a reply came, or a part before the end that a GOAWAY had announced; the peer may have
                ///< processed the request
    refused,    ///< the peer did not process it (REFUSED_STREAM, above a GOAWAY's last stream), or it was never sent
    throttled,  ///< ENHANCE_YOUR_CALM, for the stream or the connection: what 429 is among statuses
};

/// Views live until the next call of the session.
struct h2_outcome {
    std::size_t slot = 0;
    h2_end how = h2_end::reply;
    reply_view reply; ///< what came of it; all of it with h2_end::reply
    /// For people, "" with h2_end::reply. With its stage ("reply: …", "http/2: …"), but with h2_end::unusable and
    /// h2_end::cut: there it is what is wrong with the reply ("truncated (connection closed)"). Has no text that the
    /// peer chose.
    std::string_view error;
    /// The peer said of this very request that it did not process it, or it was never sent, and no byte of a reply
    /// came. False: it may have been processed, also with `refused` (a reply had begun all the same) and `throttled`
    /// (the connection ended under it).
    bool unprocessed = false;
};

/// Each submitted request has exactly one outcome, unless it is cancelled. After each call look at `next_outcome` until
/// it has none, and send what `take_output` gives. Never calls back. Not movable: nghttp2 points to it.
class h2_session {
  public:
    /// Throws std::bad_alloc. The connection's preface and SETTINGS wait in the output.
    explicit h2_session(h2_limits limits);
    ~h2_session();
    h2_session(const h2_session&) = delete;
    h2_session& operator=(const h2_session&) = delete;

    /// How many more requests the peer takes now; 0 when the connection does not go on.
    std::size_t capacity() const;
    /// `submit` may be called.
    bool accepts() const { return capacity() > 0; }
    /// The peer's SETTINGS came: before, the capacity is at most h2_streams_before_settings.
    bool has_settings() const { return has_settings_; }

    /// Takes a request and returns its slot, below limits.streams, which is its own until its outcome or `cancel`.
    /// Requires `accepts`.
    std::size_t submit(const h2_request& request);

    /// The caller no longer waits: the stream is reset and has no outcome. Requires a slot in flight.
    void cancel(std::size_t slot);

    std::size_t in_flight() const { return in_flight_; }

    /// Bytes from the peer, in any pieces. Ignored once `has_failed`.
    void receive(std::string_view bytes);

    /// The connection ended under the session, `why` in words for people: every request gets its outcome.
    void finish(std::string_view why);

    std::optional<h2_outcome> next_outcome();

    /// Appends what is to be sent: one contiguous piece, so that it makes one TLS record.
    void take_output(std::string& out);

    /// Asks the peer for a sign of life; `awaits_pong` until it comes.
    void ping();
    bool awaits_pong() const { return awaits_pong_; }

    /// Announces the end (GOAWAY): nothing is accepted any more, what is in flight may be answered.
    void announce_end();

    /// The peer's GOAWAY came, or ours was announced: what is in flight is answered, nothing else is accepted.
    bool is_closing() const { return closing_; }
    /// The connection is of no more use, and every request has its outcome: send the output and close.
    bool has_failed() const { return failed_; }
    /// Its GOAWAY said ENHANCE_YOUR_CALM.
    bool is_throttled() const { return throttled_; }
    /// The peer said HTTP_1_1_REQUIRED or INADEQUATE_SECURITY.
    bool requires_http1() const { return requires_http1_; }

  private:
    friend struct h2_callbacks;
    struct stream;

    stream* stream_of(std::int32_t id) const;
    void on_header(stream& one, std::string_view name, std::string_view value);
    void on_head_end(stream& one);
    void on_body(stream& one, std::string_view bytes);
    void on_closed(stream& one, std::uint32_t code);
    bool count_idle_frame();
    void end_unusable(stream& one, std::string_view why, std::uint32_t reset_code);
    void end(stream& one, h2_end how, std::string error);
    void detach(stream& one);
    void free_largest();
    void fail(std::string_view why);
    void pump();

    h2_limits limits_;
    nghttp2_session* session_ = nullptr;
    std::vector<stream> streams_; ///< never reallocated
    std::vector<std::size_t> free_;
    std::vector<std::size_t> finished_; ///< in the order of their ends
    std::optional<std::size_t> shown_;  ///< its outcome was given out: free at the next call
    std::string output_;
    std::string last_fault_; ///< what nghttp2 said about the last frame that breaks a rule
    std::size_t in_flight_ = 0;
    std::size_t buffered_ = 0; ///< received and not yet given back to the peer's flow control
    std::size_t idle_frames_ = 0;
    std::size_t idle_bytes_ = 0;
    std::size_t replies_ = 0;
    std::size_t requests_ended_ = 0;
    std::size_t uploaded_ = 0; ///< bytes of requests' bodies
    bool progressed_ = false;  ///< the bytes that are being taken brought a reply nearer
    bool has_settings_ = false;
    bool awaits_pong_ = false;
    bool closing_ = false;
    bool failed_ = false;
    bool flooded_ = false;
    bool throttled_ = false;
    bool requires_http1_ = false;
};

} // namespace prooftrack::proof
