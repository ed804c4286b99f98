#pragma once

// The end of the delivery side: attempts in flight may end, outcomes are recorded, then it has stopped.

#include <cstdint>
#include <utility>

#include "base/expects.hpp"
#include "base/time.hpp"
#include "base/unique_function.hpp"

namespace prooftrack::engine {

///   phase       what happens                                   next phase
///   running     begin                                          attempting
///   attempting  the notifier has stopped                       recording
///   recording   no outcome is on its way to the store          stopped     `stopped` runs, once
class delivery_stop {
  public:
    enum class phase : std::uint8_t { running, attempting, recording, stopped };

    bool is_running() const { return phase_ == phase::running; }

    /// An attempt that fails at `cut_at` or later was cut off. Requires `running`.
    void begin(steady_time cut_at, unique_function<void()> stopped) {
        expects(is_running(), "delivery_stop: stopped twice");
        phase_ = phase::attempting;
        cut_at_ = cut_at;
        stopped_ = std::move(stopped);
    }
    void on_notifier_stopped() {
        if (phase_ == phase::attempting) phase_ = phase::recording;
    }
    /// To be called whenever the notifier has stopped or an outcome is recorded.
    void finish_unless(bool any_is_recorded) {
        if (phase_ != phase::recording || any_is_recorded) return;
        phase_ = phase::stopped;
        if (stopped_) std::exchange(stopped_, {})();
    }
    /// Whether a failure at `now` says nothing about its delivery, because the stop cut the attempt off.
    bool cuts_off(steady_time now) const { return !is_running() && now >= cut_at_; }

  private:
    phase phase_ = phase::running;
    steady_time cut_at_{};
    unique_function<void()> stopped_;
};

} // namespace prooftrack::engine
