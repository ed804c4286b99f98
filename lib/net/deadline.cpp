#include "net/deadline.hpp"

#include <cstdint>

#include <boost/asio/steady_timer.hpp>

#include "net/error.hpp"

namespace prooftrack {

struct deadline::state {
    explicit state(const boost::asio::any_io_executor& loop) : timer(loop) {}
    boost::asio::steady_timer timer;
    unique_function<void()> on_expiry;
    std::uint64_t stage = 0; // a queued handler of an earlier stage does nothing
    bool expired = false;
};

deadline::deadline(const boost::asio::any_io_executor& loop) : state_(std::make_shared<state>(loop)) {}

deadline::~deadline() { finish(); }

void deadline::start(steady_duration within, unique_function<void()> on_expiry) {
    start_until(std::chrono::steady_clock::now() + within, std::move(on_expiry));
}

void deadline::start_until(steady_time when, unique_function<void()> on_expiry) {
    finish();
    state_->expired = false;
    state_->on_expiry = std::move(on_expiry);
    state_->timer.expires_at(when);
    state_->timer.async_wait([shared = state_, stage = state_->stage](error_code error) {
        if (error || stage != shared->stage) return;
        shared->expired = true;
        auto expire = std::move(shared->on_expiry);
        if (expire) expire();
    });
}

void deadline::finish() {
    ++state_->stage;
    state_->on_expiry = {};
    state_->timer.cancel();
}

bool deadline::expired() const { return state_->expired; }

error_code deadline::translate(error_code error) const {
    return state_->expired ? make_error_code(net_error::timed_out) : error;
}

} // namespace prooftrack
