#pragma once

// A tracker with its own clock: events in, actions out, exact instants.

#include <string>
#include <utility>
#include <vector>

#include "track/tracker.hpp"

namespace prooftrack::track {

inline recorded_event durable(const change_action& change) {
    return {change.slot, change.number, record_result::durable, row_revision{value_of(change.revision) + 1}};
}
inline recorded_event refused(const change_action& change) {
    return {change.slot, change.number, record_result::refused, {}};
}
inline recorded_event stale(const change_action& change) {
    return {change.slot, change.number, record_result::stale, {}};
}

class tracker_fixture {
  public:
    explicit tracker_fixture(tracker_options options = {}) : core(std::move(options), random) {}

    instant now{steady_time(std::chrono::hours(3)), wall_time(std::chrono::hours(490'000))};
    random_source random{17};
    tracker core;
    std::vector<tracker_action> actions;

    void pass(steady_duration by) {
        now.steady += by;
        now.wall += std::chrono::duration_cast<milliseconds>(by);
    }
    std::vector<tracker_action>& step(tracker_event event) {
        actions.clear();
        core.step(std::move(event), now, actions);
        core.check_invariants();
        return actions;
    }
    active_transaction make(const std::string& id, milliseconds overdue_after = std::chrono::hours(24)) const {
        active_transaction made{*transaction_id::parse(id), {}, row_revision{1}};
        made.facts.tracked_at = now.wall;
        made.facts.overdue_at = now.wall + overdue_after;
        return made;
    }
    void track(const std::string& id) { step(tracked_event{make(id), false}); }

    /// A start that finds these.
    void load(std::vector<active_transaction> rows) {
        core.step(loaded_event{std::move(rows)}, now, actions);
        step(started_event{});
    }

    /// Passes the time to the next wake (at most `most`) until a poll may start.
    std::optional<started_poll> wait_for_poll(steady_duration most = std::chrono::hours(48)) {
        const steady_time end = now.steady + most;
        while (now.steady <= end) {
            if (auto poll = core.next_poll(now)) return poll;
            const auto wake = core.next_wake(now);
            if (!wake || *wake > end) return std::nullopt;
            pass(std::chrono::ceil<milliseconds>(*wake - now.steady));
            auto more = std::vector<tracker_action>();
            core.step(woken_event{}, now, more);
            for (auto& action : more) actions.push_back(std::move(action));
        }
        return std::nullopt;
    }

    std::vector<tracker_action>& answer(const started_poll& poll, poll_answer reply) {
        return step(answered_event{poll.ticket, std::move(reply)});
    }
    std::vector<tracker_action>& answer(const started_poll& poll, reply_class what, std::string status = "") {
        poll_answer reply;
        reply.what = what;
        reply.status = std::move(status);
        reply.error = std::string(to_string(what));
        reply.body_hash = what == reply_class::good ? std::hash<std::string>{}(reply.status) | 1U : 0;
        return answer(poll, std::move(reply));
    }
    /// Makes the one change that the last step wanted durable (or not).
    void recorded(bool is_durable = true) {
        const auto change = only<change_action>();
        step(is_durable ? durable(change) : refused(change));
    }
    template <class Action>
    std::vector<Action> all() const {
        std::vector<Action> found;
        for (const tracker_action& action : actions) {
            if (const auto* one = std::get_if<Action>(&action)) found.push_back(*one);
        }
        return found;
    }
    template <class Action>
    Action only() const {
        auto found = all<Action>();
        if (found.size() != 1) throw std::logic_error("not exactly one such action");
        return found.front();
    }
};

} // namespace prooftrack::track
