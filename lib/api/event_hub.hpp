#pragma once

// Server-sent events: one listener at the backend, any number of readers that share the bytes of each event.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/intrusive/list.hpp>

#include "api/backend.hpp"
#include "api/body_stream.hpp"
#include "base/lifetime.hpp"
#include "base/recent_window.hpp"

namespace prooftrack::api {

/// A reader whose socket takes nothing while this many newer events arrive is cut off; also how many recent events are
/// kept for all.
inline constexpr std::size_t max_events_behind = 1024;
inline constexpr std::size_t max_recent_bytes = 8 * 1024 * 1024;
/// Events read from the backend at a time while a reader catches up.
inline constexpr std::size_t catch_up_page = 64;

/// `id: 42\ndata: {…}\n\n`
shared_bytes format_sse_frame(const log_event& event);

class event_hub;

/// One reader. While it is behind the recent events it pages through the backend, one page at a time, each asked for
/// when the socket has taken the one before.
class event_reader final : public body_stream, public std::enable_shared_from_this<event_reader> {
  public:
    event_reader(event_hub& hub, event_seq after);
    ~event_reader() override;

    progress next(std::vector<shared_bytes>& out) override;
    void on_progress() override;
    shared_bytes heartbeat() const override;
    bool endless() const override { return true; }
    bool is_broken() const override { return mode_ == mode::broken; }
    void set_waker(unique_function<void()> waker) override { waker_ = std::move(waker); }

  private:
    friend class event_hub;
    enum class mode : std::uint8_t { live, fetching, broken };

    void wake(); ///< the hub has newer events
    void end();  ///< the hub is going
    void fetch();
    void on_page(outcome<event_list> page);

    event_hub* hub_; ///< null when the hub has gone
    mode mode_ = mode::live;
    bool waiting_ = false; ///< `next` said wait
    std::uint64_t cursor_; ///< last seq given to the connection
    std::uint64_t newest_at_progress_;
    std::uint64_t round_ = 0; ///< the hub's round of waking in which this one was woken
    std::vector<shared_bytes> page_;
    std::uint64_t page_end_ = 0;
    unique_function<void()> waker_;

  public:
    boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> hook_;
};

/// Knows all readers. They are woken a slice at a time, so that thousands of them do not hold up the loop.
class event_hub final : public event_listener {
  public:
    /// `source` must outlive it.
    event_hub(boost::asio::any_io_executor loop, event_backend& source);
    ~event_hub() override;
    event_hub(const event_hub&) = delete;
    event_hub& operator=(const event_hub&) = delete;

    /// A reader of every event after `after`; requires that `after` is not pruned and not beyond the last.
    std::shared_ptr<event_reader> open(event_seq after);

    void on_event(const log_event& event) override;

  private:
    friend class event_reader;
    using reader_list = boost::intrusive::list<
        event_reader, boost::intrusive::member_hook<event_reader, decltype(event_reader::hook_), &event_reader::hook_>,
        boost::intrusive::constant_time_size<false>>;

    void wake_slice();
    /// Frames after `cursor`; false when they are not all among the recent ones.
    bool recent_after(std::uint64_t cursor, std::vector<shared_bytes>& out, std::uint64_t& end) const;

    boost::asio::any_io_executor loop_;
    event_backend& source_;
    reader_list readers_;
    recent_window<shared_bytes> recent_{max_events_behind, max_recent_bytes}; ///< frames up to `newest_`
    std::uint64_t newest_;
    std::uint64_t round_ = 0;
    bool waking_ = false;
    lifetime lifetime_;
};

} // namespace prooftrack::api
