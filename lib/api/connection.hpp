#pragma once

// One client: requests in order, an answer for each.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/intrusive/list.hpp>

#include "api/body_budget.hpp"
#include "api/body_share.hpp"
#include "api/deadline_set.hpp"
#include "api/message.hpp"
#include "api/peer.hpp"
#include "api/request_reader.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

namespace prooftrack::api {

class connection;

/// One answered request, for metrics and the debug log. Never holds a query or a body.
struct api_request_fact {
    std::string_view method;
    std::string_view route; ///< the path's template, "" when none matched
    int status = 0;         ///< 0: the client left before it was answered
    steady_duration took{}; ///< from the whole request to the whole answer
    std::int64_t uid = -1;
};

struct connection_limits {
    milliseconds stall{
        10'000}; ///< the header, or the next byte of a body, may take this long; also how long a refused rest is read
    milliseconds first_request{0};          ///< a new connection may be silent this long; 0: as long as it likes
    milliseconds body_total{600'000};       ///< a whole body may take this long, and wait this long for its memory
    milliseconds wanted_body{10'000};       ///< what a slow body is given when others wait for its memory
    milliseconds last_words{1'000};         ///< how long the rest is read of a client without a place, or at the stop
    milliseconds write_stall{30'000};       ///< the client takes nothing of an answer
    milliseconds heartbeat{15'000};         ///< a stream was silent
    milliseconds answer{1'800'000};         ///< the backend must answer by then; far beyond all of its own deadlines
    std::size_t buffered_ahead = 64 * 1024; ///< bytes of further requests that are read while one is answered
    std::size_t drained = 64 * 1024 * 1024; ///< bytes of a refused rest that are read before the client is cut off
};

/// What a connection needs of its server, which outlives all calls of the connection.
class connection_host {
  public:
    virtual request_handler& handler() = 0;
    virtual deadline_set& deadlines() = 0;
    virtual body_budget& budget_for(std::size_t body) = 0;
    virtual const connection_limits& limits() const = 0;
    virtual std::span<char> scratch() = 0; ///< for one read; its content does not survive the call
    virtual const std::string& http_date() = 0;
    virtual client_rank rank_of(const peer_credentials& peer) const = 0;
    virtual bool may_change(const peer_credentials& peer) const = 0;
    virtual void on_answered(const api_request_fact& fact) = 0;
    virtual void on_idle(connection& who) = 0;
    virtual void on_busy(connection& who) = 0;
    virtual void on_closed(connection& who) = 0; ///< the last call

  protected:
    ~connection_host() = default;
};

struct idle_tag;
using idle_hook = boost::intrusive::list_base_hook<
    boost::intrusive::tag<idle_tag>, boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

/// A state machine rather than a coroutine, because a read is outstanding at all times: it is how a client that leaves
/// during a wait is noticed. Shared with its own pending reads and writes, which end after `close`.
class connection final : public std::enable_shared_from_this<connection>,
                         public idle_hook,
                         private deadline_entry,
                         private body_reader {
  public:
    using socket_type = boost::asio::generic::stream_protocol::socket;

    connection(connection_host& host, socket_type socket, peer_credentials peer);

    void start();
    /// In place of `start`: answers before any request, reads what the client still sends for a moment, closes.
    void turn_away(api_response response);

    /// At once: what is in progress is cut off, its wait cancelled.
    void close();

    /// For a stop: an idle one closes unless its client is sending a request, a wait is answered 503, an endless stream
    /// ends, anything else closes after its answer.
    void finish();

    bool has_unread_input(); ///< a request may be on its way although it is idle
    const peer_credentials& peer() const { return peer_; }
    bool is_answering() const { return phase_ == phase::answering; }
    bool was_answered() const { return serial_ > 0; }  ///< at least once
    steady_time moved_at() const { return moved_at_; } ///< when it began, or bytes were read or written

  private:
    enum class phase : std::uint8_t {
        idle,      ///< nothing of a request yet
        reading,   ///< header or body
        queued,    ///< the body waits, unread, for its share of memory
        answering, ///< the handler has the request
        writing,   ///< an answer, or a part of a stream, is going out
        streaming, ///< the stream has nothing to send now
        draining,  ///< answered for good; the rest of a refused request is read and dropped
        closed,
    };

    void on_deadline() override;
    void on_granted() override;
    void on_wanted() override;

    void watch();         ///< keeps a read outstanding where input is wanted
    void watch_hang_up(); ///< for where none is wanted, so that a client that leaves is noticed
    bool wants_input() const;
    void on_readable(const error_code& error);
    void on_input_end();

    void advance(); ///< goes on with the input that is there
    void begin_request();
    bool on_head(); ///< true: the rest may be read now
    void refuse_at_head(api_response response);
    void begin_body();
    void answer();
    void on_response(std::uint64_t serial, api_response response);
    void refuse_for_good(const problem& what);
    void beat();
    std::vector<shared_bytes> framed(std::vector<shared_bytes> bytes) const;
    void report_aborted();
    void release_body();

    void send(api_response response);
    void pull();
    void wake_stream();
    void write_more();
    void on_written(const error_code& error, std::size_t bytes);
    void on_all_written();
    void finish_response();
    void await_last_request();
    void drain();

    connection_host& host_;
    socket_type socket_;
    peer_credentials peer_;
    request_reader reader_;
    phase phase_ = phase::idle;
    bool reading_ = false; ///< a read is outstanding
    bool watching_hang_up_ = false;
    bool input_ended_ = false;              ///< the client sends no more (it may still read)
    bool close_after_ = false;              ///< no further request on this connection
    bool said_close_ = false;               ///< the answer carried `Connection: close`: it is the last one
    bool unread_rest_ = false;              ///< refused with a body still on its way
    bool in_a_hurry_ = false;               ///< stopping, or without a place: reads an unread rest only for a moment
    std::shared_ptr<body_share> body_;      ///< held or waited for; shared with the request that works on the body
    std::optional<steady_time> body_until_; ///< set while a body is read
    std::size_t drained_ = 0;
    steady_time moved_at_ = std::chrono::steady_clock::now();

    request_head head_;        ///< of the request that is read or answered
    std::uint64_t serial_ = 0; ///< distinguishes a late answer to an abandoned request
    request_ticket ticket_ = no_ticket;
    steady_time asked_{};
    std::string_view route_;
    int status_ = 0;

    std::vector<shared_bytes> outgoing_;
    std::size_t out_index_ = 0;
    std::size_t out_offset_ = 0;
    std::shared_ptr<body_stream> stream_; // shared with its producer (the hub's readers wake it)
    bool chunked_ = false;
    bool stream_ended_ = false; ///< the last bytes of the stream are going out
};

} // namespace prooftrack::api
