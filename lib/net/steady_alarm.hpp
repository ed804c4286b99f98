#pragma once

// The real time behind base/clock.hpp's interfaces.

#include <cstdint>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.hpp"
#include "base/lifetime.hpp"
#include "base/unique_function.hpp"

namespace prooftrack::net {

/// One Asio timer. The handler runs on the loop once for each `arm` that is neither replaced nor disarmed.
class steady_alarm final : public alarm {
  public:
    steady_alarm(const boost::asio::any_io_executor& loop, unique_function<void()> on_due);
    void arm(steady_time when) override;
    void disarm() override;

  private:
    void ring();

    boost::asio::steady_timer timer_;
    unique_function<void()> on_due_;
    std::uint64_t round_ = 0; ///< a queued handler of an earlier arm does nothing
    steady_time when_{};
    bool armed_ = false;
    lifetime lifetime_;
};

/// Reads the machine's clocks.
class system_clock_source final : public clock_source {
  public:
    instant now() const override;
    steady_duration since_boot() const override;
};

} // namespace prooftrack::net
