#pragma once

// HTTP/2 (RFC 9113) with one client, on nghttp2's memory API: bytes in, bytes out. No socket, and no clock of its own.
// Whoever drives it gives it what was read (`receive`), the time (`advance`, `sweep`), and sends what `produce` gives.

#include <nghttp2/nghttp2.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "site.hpp"

namespace prooftrack::sandbox {

/// The bounds of one connection.
struct http2_limits {
    std::uint32_t streams = 100;           ///< open at once; more are refused with REFUSED_STREAM
    std::size_t header_bytes = 16U << 10U; ///< of one request, as RFC 9113 counts them (6.5.2); more is a 431
    std::size_t body_bytes = 64U << 20U;   ///< of all its requests together, beside each one's own bound; more is a 413
    seconds idle{120};                     ///< without a stream, or of a stream on which nothing moves
    double control_frames = 10'000;        ///< at once: frames that ask for nothing (PING, SETTINGS, RST_STREAM, …)
    double control_frames_a_second = 1'000; ///< sustained; beyond, the connection ends with ENHANCE_YOUR_CALM
    std::size_t queued_frames = 1'000;      ///< not yet taken by the client; beyond, likewise
};

class http2_session {
  public:
    enum class phase : std::uint8_t {
        open,
        silent,  ///< a fault: stays connected and says nothing more, until `next_due`
        goodbye, ///< over, in good order
        cut,     ///< over: to be closed without a word
    };

    /// `served` must outlive it.
    http2_session(site& served, instant now, const http2_limits& limits = {});
    ~http2_session();
    http2_session(const http2_session&) = delete;
    http2_session& operator=(const http2_session&) = delete;

    /// Whatever the client sent; anything but HTTP/2 ends the session.
    void receive(std::string_view bytes, instant now);
    /// Does what is due: replies that were held back, drips, stalls that end.
    void advance(steady_time now);
    /// To be called now and then: resets the streams on which nothing moved, and lifts a limit of streams that ended.
    void sweep(instant now);
    /// Takes no more requests (GOAWAY) and is over when those that it has are answered.
    void finish();

    /// Appends what is to be sent, until `out` holds `about` bytes or a frame more.
    void produce(std::string& out, std::size_t about);

    /// When `advance` has something to do; `steady_time::max()` when nothing is planned.
    steady_time next_due() const;
    phase current_phase() const { return phase_; }
    /// Whether everything that was to be sent has been given out, and the connection is to be closed.
    bool is_over() const { return (phase_ == phase::goodbye || phase_ == phase::cut) && !tail_; }
    /// Whether `produce` has something to give.
    bool has_output() const;
    /// Whether the client has been quiet for too long: no stream is open, and nothing came.
    bool is_idle(steady_time now) const {
        return phase_ == phase::open && streams_.empty() && now - heard_ >= limits_.idle;
    }

  private:
    /// What happens when a reply has been sent as far as it is going to be.
    enum class stop : std::uint8_t { end_stream, stall, reset, cut, silence };
    enum class wait : std::uint8_t { none, reply, byte, stall };

    struct stream {
        // The request.
        std::string method;
        std::string target;
        std::string authorization;
        std::string body;
        std::size_t header_bytes = 0;
        instant arrival{};
        steady_time moved{}; ///< when the last of it came, or the last of the reply went
        bool answered = false;
        // The reply. `plan.answer.body` is the piece of the body that is being sent.
        reply_plan plan;
        std::size_t offset = 0;             ///< of the piece
        std::uint64_t sent = 0;             ///< of the body
        std::uint64_t stop_at = UINT64_MAX; ///< body bytes after which `then` happens instead of the rest
        stop then = stop::end_stream;
        stop after_end = stop::end_stream; ///< cut, silence: once the whole reply was sent
        wait waits_for = wait::none;
        steady_time due{};
        steady_time next_byte{}; ///< drip

        bool drips() const { return plan.struck && plan.struck->kind == fault_kind::drip; }
    };
    using frame_type = nghttp2_frame;

    // Receiving (http2_session.cpp).
    static nghttp2_session* make_session(http2_session& self);
    static int on_begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* self);
    static int on_begin_headers(nghttp2_session*, const frame_type* frame, void* self);
    static int on_header(
        nghttp2_session*, const frame_type* frame, const std::uint8_t* name, std::size_t name_size,
        const std::uint8_t* value, std::size_t value_size, std::uint8_t flags, void* self);
    static int on_data(
        nghttp2_session*, std::uint8_t flags, std::int32_t id, const std::uint8_t* data, std::size_t size, void* self);
    static int on_frame(nghttp2_session*, const frame_type* frame, void* self);
    static int on_invalid_frame(nghttp2_session*, const frame_type* frame, int error, void* self);
    static int on_stream_close(nghttp2_session*, std::int32_t id, std::uint32_t error, void* self);
    stream* find(std::int32_t id);
    void count_control_frame();
    void submit_goaway(std::int32_t last, std::uint32_t error);
    void answer(std::int32_t id, stream& asked);
    void refuse(std::int32_t id, stream& asked, int status);
    void drop_body(stream& asked);
    void announce(std::uint32_t streams);

    // Sending (http2_replies.cpp).
    static int before_frame_sent(nghttp2_session*, const frame_type* frame, void* self);
    static int on_frame_sent(nghttp2_session*, const frame_type* frame, void* self);
    static ssize_t read_body(
        nghttp2_session*, std::int32_t id, std::uint8_t* to, std::size_t room, std::uint32_t* flags,
        nghttp2_data_source*, void* self);
    void begin_reply(std::int32_t id, stream& to);
    void strike(std::int32_t id, stream& to, const fault& what);
    void strike_connection(std::int32_t id, stream& to, const fault& what, stop how);
    void strike_by_goaway(std::int32_t id, stream& to, const fault& what);
    void submit(std::int32_t id, stream& to);
    void submit_until(std::int32_t id, stream& to, std::uint64_t bytes, stop then);
    void reset(std::int32_t id, std::uint32_t error);
    void wait_for(std::int32_t id, stream& one, wait what, steady_time when);
    void stop_now(std::int32_t id, stream& to);
    void on_reply_sent(std::int32_t id, const stream& to);
    void end_connection(stop how, milliseconds silence);

    struct session_deleter {
        void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
    };

    site& site_;
    http2_limits limits_;
    instant now_;
    steady_time heard_;
    std::unique_ptr<nghttp2_session, session_deleter> session_;
    std::map<std::int32_t, stream> streams_;
    std::set<std::pair<steady_time, std::int32_t>> due_; ///< of the streams that wait for a time
    std::size_t body_bytes_ = 0;                         ///< of the requests that are not answered
    std::uint32_t announced_streams_ = 0;
    std::int32_t last_served_ = 0;              ///< highest stream whose request took effect
    std::optional<std::int32_t> last_accepted_; ///< what a GOAWAY has said; requests above it are ignored
    double control_frames_left_;
    steady_time control_frames_counted_;
    bool is_flooded_ = false;
    phase phase_ = phase::open;
    steady_time silent_until_{};
    std::function<bool(std::string&)> tail_; ///< a fault: raw bytes before the cut, in pieces
    // A fault that breaks the connection off in the middle of a HEADERS frame.
    std::int32_t broken_stream_ = 0;
    stop broken_how_ = stop::cut;
    milliseconds broken_silence_{0};
    bool is_breaking_ = false; ///< the frame that is being sent is that one
};

} // namespace prooftrack::sandbox
