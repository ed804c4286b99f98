#include "track/delivery_health.hpp"

#include <algorithm>

namespace prooftrack::track {
namespace {

/// Beyond this the ramp is over whatever the callback's own limit is.
constexpr std::size_t ramp_end = std::size_t{1} << 16U;

} // namespace

void delivery_health::resume_failing(wall_time since, steady_time now) {
    failing_since_ = since;
    next_try_ = now + failing_probe_interval;
}

delivery_health::change delivery_health::on_success() {
    forget_row();
    if (failing_since_) {
        failing_since_.reset();
        ramp_ = 1;
        return change::recovered;
    }
    if (ramp_ != 0) ramp_ = ramp_ >= ramp_end ? 0 : ramp_ * 2;
    return change::none;
}

delivery_health::change delivery_health::on_failure(std::uint64_t transaction, instant now) {
    if (failing_since_) return change::none;
    if (ramp_ > 1) ramp_ /= 2;
    if (failures_ == 0) row_since_ = now.wall;
    failures_ = std::min(failures_ + 1, failures_until_failing);
    const auto seen_end = transactions_.begin() + static_cast<std::ptrdiff_t>(transactions_seen_);
    if (transactions_seen_ < transactions_.size() &&
        std::find(transactions_.begin(), seen_end, transaction) == seen_end) {
        transactions_[transactions_seen_++] = transaction;
    }
    if (failures_ < failures_until_failing || transactions_seen_ < transactions_until_failing) return change::none;
    failing_since_ = row_since_;
    next_try_ = now.steady + failing_probe_interval;
    return change::turned_failing;
}

void delivery_health::on_start(steady_time now) {
    if (failing_since_) next_try_ = now + failing_probe_interval;
}

void delivery_health::restrain() {
    if (!failing_since_) ramp_ = 1;
}

void delivery_health::try_now(steady_time now) {
    if (failing_since_) next_try_ = std::min(next_try_, now);
}

std::size_t delivery_health::limit(std::size_t most) const {
    if (failing_since_) return 1;
    return ramp_ == 0 ? most : std::min(ramp_, most);
}

std::optional<steady_time> delivery_health::next_try() const {
    return failing_since_ ? std::optional(next_try_) : std::nullopt;
}

void delivery_health::forget_row() {
    failures_ = 0;
    transactions_seen_ = 0;
}

} // namespace prooftrack::track
