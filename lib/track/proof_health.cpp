#include "track/proof_health.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace prooftrack {
namespace {

constexpr std::array<std::string_view, 5> names{"ok", "throttled", "unauthorized", "forbidden", "unreachable"};
constexpr milliseconds first_wait{1'000};
constexpr milliseconds longest_probe_wait{30'000};
constexpr milliseconds longest_pause{60'000}; ///< of our own; a Retry-After may be longer
/// Failures in a row are nothing yet while others were answered just now: ids that Proof always fails at come up in
/// blocks.
constexpr milliseconds least_silence{1'000};
constexpr std::size_t least_failures = 3;
constexpr std::size_t most_failures = 20;

/// 1 s, doubled to 30 s, but never more than an eighth of what the outage has lasted: its end is not noticed late.
milliseconds probe_wait(steady_duration outage) {
    milliseconds wait = first_wait;
    while (wait * 2 * 8 <= outage && wait < longest_probe_wait) wait *= 2;
    return std::min(wait, longest_probe_wait);
}

} // namespace

std::string_view to_string(health_kind kind) { return names.at(static_cast<std::size_t>(kind)); }

bool proof_health::is_unwell() const {
    return kind_ == health_kind::unauthorized || kind_ == health_kind::forbidden || kind_ == health_kind::unreachable;
}

poll_permit proof_health::permit(steady_time now) const {
    if (is_unwell()) return !is_probing_ && now >= probe_time() ? poll_permit::probe : poll_permit::none;
    return now >= pause_end_ ? poll_permit::free : poll_permit::none;
}

std::optional<steady_time> proof_health::next_permit(steady_time now) const {
    if (is_unwell()) return is_probing_ || probe_time() <= now ? std::nullopt : std::optional(probe_time());
    return pause_end_ > now ? std::optional(pause_end_) : std::nullopt;
}

health_effect proof_health::change(health_kind kind, std::string detail, instant now) {
    detail_ = std::move(detail);
    if (kind == kind_) return {};
    kind_ = kind;
    since_ = now.wall;
    changed_at_ = now.steady;
    is_probing_ = false;
    failures_ = 0;
    return {.is_change = true};
}

health_effect proof_health::on_alive(steady_time started, instant now) {
    failures_ = 0;
    alive_at_ = now.steady;
    if (!is_unwell() || started < changed_at_) return {};
    health_effect effect = change(health_kind::ok, "", now);
    effect.begins_slow_start = true;
    pause_end_ = now.steady;
    return effect;
}

health_effect proof_health::on_throttled(const poll_answer& answer, steady_time started, instant now) {
    failures_ = 0;
    if (is_unwell() && started < changed_at_) return {};
    const bool is_new = kind_ != health_kind::throttled || started >= pause_end_;
    const milliseconds pause = answer.retry_after.value_or(next_pause_);
    if (!is_new && now.steady + pause <= pause_end_) return {};
    pause_end_ = std::max(pause_end_, now.steady + pause);
    if (is_new && !answer.retry_after) next_pause_ = std::min(next_pause_ * 2, longest_pause);
    health_effect effect = change(health_kind::throttled, answer.error, now);
    effect.begins_slow_start = is_new;
    return effect;
}

health_effect proof_health::on_refused(health_kind kind, const poll_answer& answer, steady_time started, instant now) {
    failures_ = 0;
    if (is_unwell() && started < changed_at_) return {};
    if (kind == health_kind::unauthorized && started < token_changed_at_) { // the old token's answer
        if (is_probing_) {
            is_probing_ = false; // it was the probe's: the next one goes with the new token
            probe_at_ = now.steady;
        }
        return {};
    }
    const bool is_new = kind_ != kind;
    health_effect effect = change(kind, answer.error, now);
    is_probing_ = false;
    probe_at_ = now.steady + probe_interval_;
    effect.wants_token = is_new && kind == health_kind::unauthorized;
    return effect;
}

health_effect proof_health::on_failure(const poll_answer& answer, steady_time started, instant now,
                                       std::size_t active) {
    if (is_unwell()) {
        if (started < changed_at_) return {};
        is_probing_ = false;
        detail_ = answer.error;
        if (kind_ == health_kind::unreachable) {
            probe_at_ = now.steady + probe_wait(now.steady - changed_at_);
        } else {
            probe_at_ = now.steady + probe_interval_;
        }
        return {};
    }
    ++failures_;
    if (failures_ < std::clamp(active, least_failures, most_failures)) return {};
    if (alive_at_ && now.steady - *alive_at_ < least_silence) return {};
    probe_at_ = now.steady + first_wait;
    return change(health_kind::unreachable, answer.error, now);
}

health_effect proof_health::on_answer(const poll_answer& answer, reply_class what, steady_time started, instant now,
                                      std::size_t active) {
    switch (what) {
    case reply_class::good:
    case reply_class::unchanged:
    case reply_class::not_found:
    case reply_class::bad_request:
        return on_alive(started, now);
    case reply_class::unauthorized:
        return on_refused(health_kind::unauthorized, answer, started, now);
    case reply_class::forbidden:
        return on_refused(health_kind::forbidden, answer, started, now);
    case reply_class::throttled:
        return on_throttled(answer, started, now);
    case reply_class::server_error:
    case reply_class::unusable:
    case reply_class::no_reply:
        return on_failure(answer, started, now, active);
    }
    return {};
}

void proof_health::on_token_changed(steady_time now) {
    token_changed_at_ = now;
    if (kind_ != health_kind::unauthorized) return;
    is_probing_ = false;
    changed_at_ = now;
    probe_at_ = now;
}

bool proof_health::on_full_speed(wall_time now) {
    if (kind_ != health_kind::throttled) return false;
    next_pause_ = first_wait;
    return change(health_kind::ok, "", instant{changed_at_, now}).is_change;
}

} // namespace prooftrack
