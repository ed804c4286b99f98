#include "track/rate_control.hpp"

#include <algorithm>
#include <cmath>

namespace prooftrack::track {
namespace {

constexpr std::chrono::milliseconds growth_step{100};
constexpr std::chrono::seconds longest_growth{2};
constexpr double bucket_seconds = 0.02;
/// The backlog of an outage is worked off a little faster than the cadences ask, or it would stay.
constexpr double most_over_demand = 1.5;

double in_seconds(steady_duration duration) { return std::chrono::duration<double>(duration).count(); }

} // namespace

void rate_control::set_ceiling(std::uint32_t polls_per_second) { ceiling_ = polls_per_second; }

void rate_control::begin_slow_start(steady_time now, double from, double threshold) {
    refill(now);
    ramp_rate_ = std::max(1.0, from);
    threshold_ = std::max(1.0, threshold);
    grown_at_ = now;
    tokens_ = std::min(tokens_, 1.0);
}

bool rate_control::grow(steady_time now, double demand, bool has_backlog) {
    if (!is_ramping()) return false;
    refill(now);
    // A pause that was made longer meanwhile, or a loop that stood still, is no time in which the rate grows.
    if (now - grown_at_ > longest_growth) grown_at_ = now - growth_step;
    const double most = std::max(1.0, demand * most_over_demand);
    const double doubling = std::exp2(0.1); // ten steps a second
    while (grown_at_ + growth_step <= now) {
        grown_at_ += growth_step;
        if (ramp_rate_ < threshold_) {
            ramp_rate_ = std::min(ramp_rate_ * doubling, threshold_);
        } else {
            ramp_rate_ += std::max(0.1, threshold_ / 5.0 / 10.0);
        }
        if (ramp_rate_ >= most) {
            ramp_rate_ = most;
            grown_at_ = now;
            break;
        }
    }
    if (ramp_rate_ < demand || ramp_rate_ < 1.0 || has_backlog) return false;
    ramp_rate_ = 0;
    return true;
}

std::optional<double> rate_control::rate() const {
    if (ceiling_ > 0 && is_ramping()) return std::min(ceiling_, ramp_rate_);
    if (ceiling_ > 0) return ceiling_;
    if (is_ramping()) return ramp_rate_;
    return std::nullopt;
}

void rate_control::refill(steady_time now) {
    if (now <= refilled_at_) return;
    if (const auto limit = rate()) {
        const double most = std::max(1.0, *limit * bucket_seconds);
        tokens_ = std::min(most, tokens_ + in_seconds(now - refilled_at_) * *limit);
    }
    refilled_at_ = now;
}

bool rate_control::may_take(steady_time now) {
    if (!rate()) return true;
    refill(now);
    return tokens_ >= 1.0;
}

void rate_control::take(steady_time now) {
    refill(now);
    if (rate()) tokens_ -= 1.0;
}

steady_time rate_control::next_token(steady_time now) {
    if (may_take(now)) return now;
    const double wait = (1.0 - tokens_) / *rate();
    return now + std::chrono::ceil<std::chrono::microseconds>(std::chrono::duration<double>(wait));
}

} // namespace prooftrack::track
