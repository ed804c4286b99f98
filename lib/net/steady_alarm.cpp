#include "net/steady_alarm.hpp"

#include <cstdint>
#include <ctime>

#include <boost/asio/steady_timer.hpp>

namespace prooftrack {

struct steady_alarm::state {
    state(const boost::asio::any_io_executor& loop, unique_function<void()> handler)
        : timer(loop), on_due(std::move(handler)) {}
    boost::asio::steady_timer timer;
    unique_function<void()> on_due;
    std::uint64_t round = 0; // a queued handler of an earlier arm does nothing
    steady_time when{};
    bool armed = false;
};

steady_alarm::steady_alarm(const boost::asio::any_io_executor& loop, unique_function<void()> on_due)
    : state_(std::make_shared<state>(loop, std::move(on_due))) {}

steady_alarm::~steady_alarm() { disarm(); }

void steady_alarm::arm(steady_time when) {
    if (state_->armed && state_->when == when) return;
    ++state_->round;
    state_->armed = true;
    state_->when = when;
    state_->timer.expires_at(when);
    state_->timer.async_wait([shared = state_, round = state_->round](const boost::system::error_code& error) {
        if (error || round != shared->round) return;
        shared->armed = false;
        shared->on_due();
    });
}

void steady_alarm::disarm() {
    if (!state_->armed) return;
    ++state_->round;
    state_->armed = false;
    state_->timer.cancel();
}

instant system_clock_source::now() const {
    return {std::chrono::steady_clock::now(),
            std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now())};
}

steady_duration system_clock_source::since_boot() const {
    std::timespec reading{};
    ::clock_gettime(CLOCK_BOOTTIME, &reading);
    return seconds(reading.tv_sec) + std::chrono::nanoseconds(reading.tv_nsec);
}

} // namespace prooftrack
