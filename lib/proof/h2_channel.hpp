#pragma once

// Polls over HTTP/2: many requests in flight on one connection.

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proof/h2_session.hpp"
#include "proof/poll_channel.hpp"

namespace prooftrack::proof {

/// A connection from which nothing came for so long, while requests are in flight or before it is used again, is asked
/// for a sign of life …
inline constexpr milliseconds h2_silence{1000};
/// … and is given up if none comes within this time, or when a request's time is over and it had this long already.
inline constexpr milliseconds h2_ping_timeout{3000};
inline constexpr milliseconds h2_least_ping_timeout{500};

class h2_channel final : public poll_channel, private stream_reader {
  public:
    /// `stream` is open, agreed on "h2", and nobody reads from it. No reply may be larger than `setup` has it now.
    h2_channel(std::shared_ptr<proof_stream> stream, const proof_setup& setup, poll_channel_events& events);
    ~h2_channel() override;

    std::string_view protocol() const override { return h2_protocol; }
    std::size_t capacity() const override;
    bool is_settling() const override { return events_ != nullptr && !session_.has_settings(); }
    bool is_closing() const override { return session_.is_closing(); }
    void start(poll_in_flight request, const proof_setup& setup) override;
    void flush() override;
    std::size_t in_flight() const override { return in_flight_; }
    steady_time next_deadline() const override;
    void on_deadline(steady_time now) override;
    void give_up(std::string_view why) override;
    void close() noexcept override;

  private:
    void on_bytes(std::string_view bytes) override;
    void on_end(bool is_clean, const std::string& why) override;

    poll_in_flight take(std::size_t slot);
    steady_time silent_at() const { return std::max(heard_, busy_since_) + h2_silence; }
    bool is_pinged() const { return pong_until_ != steady_time::max(); }
    bool is_dead(steady_time now) const;
    void ping(steady_time now);
    void note(h2_end how);
    /// Hands outcomes over, and ends the channel when it is over; false = it has ended or was closed.
    bool settle();
    void hand_over(const h2_outcome& outcome);
    /// What ends now ends with its connection.
    bool is_over() const { return session_.has_failed() || session_.is_closing(); }
    /// What the socket does not take is bounded by the requests of a connection and by h2_idle_frames.
    void send_output();
    void end();

    std::shared_ptr<proof_stream> stream_;
    std::shared_ptr<origin> where_;
    poll_channel_events* events_; ///< null = ended
    h2_session session_;
    std::vector<std::optional<poll_in_flight>> requests_; ///< by slot
    bool has_started_ = false;
    bool has_replied_ = false;
    std::size_t in_flight_ = 0; ///< of them: what has no outcome yet
    std::string path_;
    std::string authorization_; ///< holds the token; its memory is used again
    std::string output_;
    steady_time earliest_ = steady_time::max(); ///< no deadline of a request is before
    steady_time heard_;                         ///< when bytes came last
    steady_time busy_since_{};                  ///< when requests came to be in flight
    bool is_silent_ = false;                    ///< takes no request until it answers the PING
    steady_time pong_until_ = steady_time::max();
};

} // namespace prooftrack::proof
