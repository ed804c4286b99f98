#include "net/steady_alarm.hpp"

#include <ctime>
#include <utility>

namespace prooftrack::net {

steady_alarm::steady_alarm(const boost::asio::any_io_executor& loop, unique_function<void()> on_due)
    : timer_(loop), on_due_(std::move(on_due)) {}

void steady_alarm::arm(steady_time when) {
    if (armed_ && when_ == when) return;
    ++round_;
    armed_ = true;
    when_ = when;
    timer_.expires_at(when);
    timer_.async_wait(lifetime_.guarded([this, round = round_](const boost::system::error_code& error) {
        if (!error && round == round_) ring();
    }));
}

void steady_alarm::ring() {
    armed_ = false;
    const lifetime::watch alive = lifetime_.observe();
    auto on_due = std::move(on_due_); // may destroy this object
    on_due();
    if (alive) on_due_ = std::move(on_due);
}

void steady_alarm::disarm() {
    if (!armed_) return;
    ++round_;
    armed_ = false;
    timer_.cancel();
}

instant system_clock_source::now() const {
    return {
        std::chrono::steady_clock::now(), std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now())};
}

steady_duration system_clock_source::since_boot() const {
    std::timespec reading{};
    ::clock_gettime(CLOCK_BOOTTIME, &reading);
    return seconds(reading.tv_sec) + std::chrono::nanoseconds(reading.tv_nsec);
}

} // namespace prooftrack::net
