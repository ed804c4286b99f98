#include "track/store_pressure.hpp"

namespace prooftrack::track {

void store_pressure::report_full(bool something_waits, steady_time now) {
    if (is_halted()) return;
    state_ = state::full;
    if (something_waits) try_in_a_while(now);
}

void store_pressure::refuse(steady_time now) {
    if (is_halted()) return;
    state_ = state::full;
    try_at_ = now + store_retry_interval;
}

void store_pressure::fail(steady_time now) {
    if (!is_halted()) try_in_a_while(now);
}

void store_pressure::halt() {
    state_ = state::halted;
    try_at_.reset();
}

bool store_pressure::relieve() {
    if (!is_full()) return false;
    state_ = state::open;
    try_at_.reset();
    return true;
}

bool store_pressure::take_try(steady_time now) {
    if (!try_at_ || *try_at_ > now) return false;
    try_at_.reset();
    return true;
}

/// An earlier try that is planned already stays.
void store_pressure::try_in_a_while(steady_time now) {
    if (!try_at_) try_at_ = now + store_retry_interval;
}

} // namespace prooftrack::track
