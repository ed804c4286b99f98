#include "track/polls_at_once.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace prooftrack::track {
namespace {

constexpr double weight = 1.0 / 64;
// Down twenty times as fast as up.
constexpr double weight_down = 1.0 / 16;
constexpr double weight_up = weight_down / 20;
constexpr double most_rise_a_second = 0.1;
constexpr double least_quick_ns = 100'000; // from where it rises when it was 0

std::size_t at_once(double polls_per_second, double reply_seconds) {
    const double mean = polls_per_second * reply_seconds;
    return static_cast<std::size_t>(std::ceil(mean + 2 * std::sqrt(mean))) + polls_at_once::room;
}

} // namespace

void polls_at_once::add(steady_duration took, steady_time now) {
    const auto value = static_cast<double>(std::max(took, steady_duration(0)).count());
    const double passed = std::chrono::duration<double>(now - std::exchange(last_reply_, now)).count();
    if (!std::exchange(has_reply_, true)) {
        mean_ns_ = quick_ns_ = value;
        return;
    }
    mean_ns_ += weight * (value - mean_ns_);
    const double rise = std::max(quick_ns_, least_quick_ns) * most_rise_a_second;
    rise_left_ns_ = std::min(rise_left_ns_ + rise * passed, rise);
    const double apart = value - quick_ns_;
    const double change = apart < 0 ? apart * weight_down : std::min(apart * weight_up, rise_left_ns_);
    quick_ns_ += change;
    rise_left_ns_ -= change; // what falls may rise again: it is the net rise that is bounded
}

std::size_t polls_at_once::needed(double polls_per_second, bool is_late, steady_time now) {
    const double reply_ns = is_late ? mean_ns_ : std::min(mean_ns_, 2 * quick_ns_);
    const std::size_t computed = at_once(polls_per_second, reply_ns / 1e9);
    if (!has_reply_) return computed; // a guess is not held for a minute
    // What lies within a quarter of the present number is chance, not a change of the need.
    if (computed >= needed_ - needed_ / 4) {
        needed_ = std::max(needed_, computed);
        less_since_ = steady_time::max();
        highest_below_ = 0;
        return needed_;
    }
    if (less_since_ == steady_time::max()) less_since_ = now;
    highest_below_ = std::max(highest_below_, computed);
    if (now - less_since_ >= patience) {
        needed_ = highest_below_;
        less_since_ = steady_time::max();
        highest_below_ = 0;
    }
    return needed_;
}

std::string_view to_string(capacity_limit limit) {
    switch (limit) {
    case capacity_limit::store:
        return "store";
    case capacity_limit::max_rate:
        return "poll.max_rate";
    case capacity_limit::connections:
        return "proof.connections";
    case capacity_limit::machine:
        return "cpu";
    }
    return "";
}

capacity_limit what_limits(const capacity_facts& facts, std::size_t possible) {
    if (facts.awaits_store) return capacity_limit::store;
    if (facts.is_at_ceiling) return capacity_limit::max_rate;
    // An answer gives a place back for a moment: at the bound the number swings below it.
    if (facts.in_flight >= possible - possible / 8) return capacity_limit::connections;
    return capacity_limit::machine;
}

} // namespace prooftrack::track
