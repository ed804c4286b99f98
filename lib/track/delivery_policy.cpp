#include "track/delivery_policy.hpp"

#include <algorithm>

#include "base/expects.hpp"

namespace prooftrack::track {
namespace {

milliseconds most_jitter(milliseconds wait) { return wait / retry_jitter_part; }

milliseconds scheduled_wait(std::uint32_t attempts, std::span<const milliseconds> schedule) {
    if (attempts == 0 || schedule.empty()) return milliseconds(0);
    return schedule[std::min<std::size_t>(attempts, schedule.size()) - 1];
}

} // namespace

std::optional<milliseconds> honoured_retry_after(int status, std::optional<milliseconds> asked) {
    return status == 429 || status == 503 ? asked : std::nullopt;
}

attempt_decision after_attempt(
    const attempt_ending& ending, std::uint32_t attempts, std::span<const milliseconds> schedule, wall_time now,
    random_source& random) {
    if (ending.what == attempt_result::delivered) return {delivery_state::delivered, std::nullopt};
    if (ending.what == attempt_result::gone || attempts > schedule.size()) return {delivery_state::dead, std::nullopt};
    const milliseconds wait = scheduled_wait(attempts, schedule);
    const milliseconds jitter(random.between(0, most_jitter(wait).count()));
    const milliseconds asked = std::min(ending.retry_after.value_or(milliseconds(0)), longest_retry_after);
    return {delivery_state::pending, now + std::max(wait + jitter, asked)};
}

milliseconds longest_scheduled_wait(std::uint32_t attempts, std::span<const milliseconds> schedule) {
    const milliseconds wait = scheduled_wait(attempts, schedule);
    return wait + most_jitter(wait);
}

bool ends_with_recovery(
    const waiting_delivery& wait, wall_time failing_since, std::span<const milliseconds> schedule, wall_time now) {
    if (wait.attempts == 0 || !wait.last_attempt_at || wait.next_attempt_at <= now) return false;
    if (*wait.last_attempt_at < failing_since || *wait.last_attempt_at > now) return false;
    return wait.next_attempt_at - *wait.last_attempt_at <= longest_scheduled_wait(wait.attempts, schedule);
}

wall_time look_at(
    wall_time next_attempt_at, std::uint32_t attempts, std::span<const milliseconds> schedule, wall_time now) {
    return std::min(next_attempt_at, now + longest_scheduled_wait(attempts, schedule));
}

bool is_explained(const delivery_view& delivery, std::span<const milliseconds> schedule, wall_time now) {
    expects(delivery.next_attempt_at.has_value(), "delivery_policy: a delivery that waits for no time");
    if (*delivery.next_attempt_at <= now) return true;
    if (delivery.attempts == 0 || !delivery.last_attempt_at || *delivery.last_attempt_at > now) return false;
    milliseconds longest = longest_retry_after;
    for (const milliseconds wait : schedule) longest = std::max(longest, wait + most_jitter(wait));
    return *delivery.next_attempt_at - *delivery.last_attempt_at <= longest;
}

bool may_attempt(const delivery_view& delivery, std::span<const milliseconds> schedule, wall_time now) {
    if (!delivery.next_attempt_at || *delivery.next_attempt_at <= now) return true;
    return !is_explained(delivery, schedule, now);
}

} // namespace prooftrack::track
