#include "net/deadline.hpp"

#include "net/error.hpp"

namespace prooftrack::net {

deadline::deadline(const boost::asio::any_io_executor& loop) : timer_(loop) {}

void deadline::start(steady_duration within, unique_function<void()> on_expiry) {
    start_until(std::chrono::steady_clock::now() + within, std::move(on_expiry));
}

void deadline::start_until(steady_time when, unique_function<void()> on_expiry) {
    finish();
    expired_ = false;
    on_expiry_ = std::move(on_expiry);
    timer_.expires_at(when);
    timer_.async_wait(lifetime_.guarded([this, stage = stage_](error_code error) {
        if (error || stage != stage_) return;
        expired_ = true;
        auto expire = std::move(on_expiry_); // may destroy this object
        if (expire) expire();
    }));
}

void deadline::finish() {
    ++stage_;
    on_expiry_ = {};
    timer_.cancel();
}

error_code deadline::translate(error_code error) const {
    return expired_ ? make_error_code(net_error::timed_out) : error;
}

} // namespace prooftrack::net
