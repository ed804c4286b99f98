#pragma once

// The connections that poll: opened as the load needs them; each takes its next poll from the source.

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "base/lifetime.hpp"
#include "base/random.hpp"
#include "base/unique_function.hpp"
#include "proof/client_context.hpp"
#include "proof/poll_connection.hpp"
#include "proof/repeat_queue.hpp"

namespace prooftrack::proof {

/// A connection is opened when polls may be due and no slot is free, then twice as many as before for as long as each
/// new one finds work. A ticket is taken only by a connection that writes it at once; one that cannot be made takes one
/// to report why, if no other connection is open. One timer serves the deadlines of all.
class poll_pool {
  public:
    poll_pool(client_context& context, poll_source& source);
    poll_pool(const poll_pool&) = delete;
    poll_pool& operator=(const poll_pool&) = delete;

    void wake(std::size_t at_once);
    std::size_t most_at_once() const;
    void retire_connections();
    void stop(steady_time until, unique_function<void()> stopped);

    // For the connections.
    /// Polls may be due that need another connection.
    void look_again() { schedule_turn(true); }
    std::optional<poll_in_flight> take_new();
    repeat_queue& repeats() { return repeats_; }
    /// False = the source does not agree.
    bool repeat(poll_in_flight& request);
    /// Of a request that the server did not process, see track::count_refusal: the source is not asked. False = too
    /// often.
    bool repeat_unprocessed(poll_in_flight& request, bool with_connection);
    /// See track::streams_share.
    std::size_t streams_share() const;
    /// Those that are not leaving do not suffice, see track::is_successor_needed.
    bool needs_successor() const;
    /// In place of one that ends soon, which goes on meanwhile. False = not now.
    bool open_successor();
    void answer(track::poll_ticket ticket, track::poll_answer answer);
    bool is_crowded() const;
    void note_deadline(steady_time when);
    void on_ready(poll_connection& connection);
    void on_first_reply() { failures_ = 0; }
    void on_available(poll_connection& connection);
    void on_connect_failed(poll_connection& connection, const std::string& why);
    void on_ended(poll_connection& connection);

  private:
    std::size_t limit() const;
    std::size_t in_flight() const { return static_cast<std::size_t>(taken_ - answered_) - repeats_.size(); }
    void close_surplus();
    /// Retires the oldest connection, so that another may be opened for polls that must not go over those there are.
    void make_room();
    void schedule_turn(bool pull);
    void take_turn();
    void pull();
    bool fill_up(steady_time now);
    bool speaks_http2() const;
    bool has_room() const;
    /// Connections that count towards the limit.
    std::size_t counted() const;
    void grow();
    void open_connection(bool is_successor = false);
    void sweep();
    void bury(poll_connection& connection);
    void put_back(poll_in_flight request);
    void expire_repeats(steady_time now);
    void refuse_repeat(poll_in_flight request, const std::string& why);
    void refuse_repeats(const std::string& why);
    std::size_t answer_with_silence(std::size_t most, const std::string& why);
    void check_stopped();
    void report();
    template <class Predicate>
    std::size_t count(Predicate matches) const;
    std::vector<poll_connection*> all() const;

    client_context& context_;
    poll_source& source_;
    random_source random_;
    std::vector<std::unique_ptr<poll_connection>> connections_;
    std::vector<std::unique_ptr<poll_connection>> ended_; ///< deleted on the next turn: they may still be on the stack
    std::vector<poll_connection*> available_;             ///< open with a free slot, the one used last at the back
    repeat_queue repeats_;
    std::size_t at_once_ = 1;          ///< polls that are wanted in flight
    std::size_t growth_ = 1;           ///< connections to open at the next need
    std::uint32_t failures_ = 0;       ///< connections in a row that could not be made, or answered nothing
    std::uint32_t missed_ = 0;         ///< connections that could not be made since the last that could
    steady_time retry_at_{};           ///< no connection is opened before
    std::optional<steady_time> heard_; ///< when the last reply came
    bool wanted_ = false;              ///< polls may be due that wait for retry_at_
    bool turn_posted_ = false;
    bool pull_asked_ = false;
    boost::asio::steady_timer timer_;
    steady_time timer_at_ = steady_time::max();
    steady_time stop_at_ = steady_time::max();
    bool stopping_ = false;
    unique_function<void()> stopped_;
    std::uint64_t taken_ = 0;    ///< tickets from the source
    std::uint64_t answered_ = 0; ///< and back
    struct protocol_counts {
        std::string_view protocol;
        std::size_t idle = 0;
        std::size_t busy = 0;
    };
    std::array<protocol_counts, 2> reported_{{{http1_protocol}, {h2_protocol}}};
    lifetime lifetime_;
};

} // namespace prooftrack::proof
