#include "track/proof_health.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace prooftrack::track {
namespace {

constexpr std::array<std::string_view, 5> names{"ok", "throttled", "unauthorized", "forbidden", "unreachable"};
constexpr milliseconds first_wait{1'000};
constexpr milliseconds longest_probe_wait{30'000};
constexpr milliseconds longest_pause{60'000}; ///< of our own; a Retry-After may be longer
constexpr milliseconds longest_told = std::chrono::minutes(15);
constexpr std::string_view told_error = "another node was answered 429";
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
    return {.is_change = true};
}

health_effect proof_health::on_alive(steady_time started, instant now) {
    if (!is_unwell() || started < changed_at_) return {};
    const bool is_paused = now.steady < pause_end_;
    health_effect effect =
        is_paused ? change(health_kind::throttled, pause_error_, now) : change(health_kind::ok, "", now);
    effect.begins_slow_start = true;
    pause_end_ = std::max(pause_end_, now.steady);
    return effect;
}

health_effect proof_health::on_throttled(const poll_answer& answer, steady_time started, instant now) {
    if (is_unwell() && started < changed_at_) return {};
    const bool is_new = kind_ != health_kind::throttled || started >= pause_end_;
    const milliseconds pause = answer.retry_after.value_or(next_pause_);
    if (!is_new && now.steady + pause <= pause_end_) return {};
    pause_end_ = std::max(pause_end_, now.steady + pause);
    pause_error_ = answer.error;
    if (is_new && !answer.retry_after) next_pause_ = std::min(next_pause_ * 2, longest_pause);
    health_effect effect = change(health_kind::throttled, answer.error, now);
    effect.begins_slow_start = is_new;
    return effect;
}

health_effect proof_health::on_throttled_elsewhere(milliseconds pause, instant now) {
    const steady_time end = now.steady + std::min(pause, longest_told);
    if (end <= std::max(pause_end_, now.steady)) return {};
    const bool is_new = kind_ != health_kind::throttled || now.steady >= pause_end_;
    pause_end_ = end;
    if (!is_new) return {};
    pause_error_ = told_error;
    if (is_unwell()) return {}; // that another one is answered is no end of our outage; the probes wait
    next_pause_ = std::min(next_pause_ * 2, longest_pause); // the next one of all daemons together
    health_effect effect = change(health_kind::throttled, pause_error_, now);
    effect.begins_slow_start = true;
    return effect;
}

void proof_health::plan_probe(steady_time now) {
    is_probing_ = false;
    probe_at_ = now + (kind_ == health_kind::unreachable ? probe_wait(now - changed_at_) : probe_interval_);
}

health_effect proof_health::on_failed(
    health_kind kind, const poll_answer& answer, const answer_context& context, instant now) {
    if (is_unwell() && context.started < changed_at_) return {};
    if (is_stale_refusal(answer.what, context.started)) {
        if (context.is_probe) is_probing_ = false; // the next probe goes with the new token, at once
        return {};
    }
    health_effect effect;
    // Silence during a refusal is no new outage, and a refused id that failed before says nothing about the others.
    const bool is_decisive = is_unwell() ? context.is_evidence && context.is_probe && kind != health_kind::unreachable
                                         : context.concerns_all;
    if (is_decisive) effect = change(kind, answer.error, now);
    effect.wants_token = context.is_first_401;
    if (!is_unwell()) return effect;
    if (context.is_evidence) detail_ = answer.error;
    if (effect.is_change || context.is_probe) plan_probe(now.steady);
    return effect;
}

std::string proof_health::standing() const {
    const std::string& why = kind_ == health_kind::ok ? latest_error_ : detail_;
    std::string words = latest_message_.empty() || why != latest_error_ ? why : why + ": " + latest_message_;
    if (kind_ != health_kind::ok) return words;
    if (has_answered_) return "";
    return words.empty() ? "not asked yet" : "no answer yet: " + words;
}

health_effect proof_health::on_answer(
    const poll_answer& answer, reply_class what, const answer_context& context, instant now) {
    latest_error_ = answer.error;
    latest_message_ = answer.message;
    switch (what) {
    case reply_class::good:
    case reply_class::unchanged:
    case reply_class::not_found:
    case reply_class::bad_request:
        has_answered_ = true;
        return on_alive(context.started, now);
    case reply_class::unauthorized:
        return on_failed(health_kind::unauthorized, answer, context, now);
    case reply_class::forbidden:
        return on_failed(health_kind::forbidden, answer, context, now);
    case reply_class::throttled:
        return on_throttled(answer, context.started, now);
    case reply_class::server_error:
    case reply_class::unusable:
    case reply_class::no_reply:
        return on_failed(health_kind::unreachable, answer, context, now);
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

} // namespace prooftrack::track
