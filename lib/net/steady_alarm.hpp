#pragma once

// The real time behind base/clock.hpp's doors.

#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "base/clock.hpp"
#include "base/unique_function.hpp"

namespace prooftrack {

/// One Asio timer. The handler runs on the loop once for each `arm` that is neither replaced nor disarmed.
class steady_alarm final : public alarm {
  public:
    steady_alarm(const boost::asio::any_io_executor& loop, unique_function<void()> on_due);
    ~steady_alarm() override;
    void arm(steady_time when) override;
    void disarm() override;

  private:
    struct state;
    std::shared_ptr<state> state_; // shared with the timer's handler, which may already be queued
};

/// Reads the machine's clocks.
class system_clock_source final : public clock_source {
  public:
    instant now() const override;
    steady_duration since_boot() const override;
};

} // namespace prooftrack
