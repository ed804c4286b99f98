#pragma once

// A hard deadline for one stage of I/O: a timer that closes or cancels, never a race of two awaitables.

#include <cstdint>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/lifetime.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "base/unique_function.hpp"

namespace prooftrack::net {

/// Arms a timer; when it fires before `finish`, runs the cancel function once. Whoever set it translates the error:
///
///     deadline limit(loop);
///     limit.start(seconds(5), [&] { socket.close(); });
///     ... co_await something on socket ...
///     limit.finish();
///     if (limit.expired()) -> net_error::timed_out
///
/// What the cancel function refers to must live until `finish` or the destructor (both stop it for good).
class deadline {
  public:
    explicit deadline(const boost::asio::any_io_executor& loop);
    deadline(const deadline&) = delete;
    deadline& operator=(const deadline&) = delete;

    /// Begins a stage; an earlier one is finished. A time that has passed fires on the next turn of the loop.
    void start(steady_duration within, unique_function<void()> on_expiry);
    void start_until(steady_time when, unique_function<void()> on_expiry);

    /// Ends the stage; the cancel function will not run any more. `expired` stays as it is until the next start.
    void finish();

    /// True when the stage's time was over before it was finished.
    bool expired() const { return expired_; }

    /// net_error::timed_out when the stage expired, else `error`.
    error_code translate(error_code error) const;

  private:
    boost::asio::steady_timer timer_;
    unique_function<void()> on_expiry_;
    std::uint64_t stage_ = 0; ///< a queued handler of an earlier stage does nothing
    bool expired_ = false;
    lifetime lifetime_;
};

} // namespace prooftrack::net
