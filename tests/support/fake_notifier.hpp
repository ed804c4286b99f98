#pragma once

// A notifier whose receivers are functions: each attempt is answered after a time of the test's choosing, or by hand.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "callback/notifier.hpp"
#include "support/virtual_time.hpp"

namespace prooftrack {

/// An attempt that the notifier was asked for.
struct made_attempt {
    steady_time at{};
    callback::delivery_job job;
};

/// What a receiver answers and when.
struct scripted_reply {
    callback::delivery_outcome outcome;
    steady_duration after{};
    bool never = false; ///< only `stop` or the test (`finish`) ends it
};

inline scripted_reply reply_delivered(steady_duration after = milliseconds(5)) {
    scripted_reply reply;
    reply.outcome.what = callback::delivery_outcome::verdict::delivered;
    reply.outcome.status = 200;
    reply.outcome.took = after;
    reply.after = after;
    return reply;
}
inline scripted_reply reply_failed(int status = 500, steady_duration after = milliseconds(5)) {
    scripted_reply reply;
    reply.outcome.what = callback::delivery_outcome::verdict::failed;
    reply.outcome.status = status;
    reply.outcome.error = status == 0 ? "connect: Connection refused" : std::to_string(status);
    reply.outcome.took = after;
    reply.after = after;
    return reply;
}
inline scripted_reply reply_gone(steady_duration after = milliseconds(5)) {
    scripted_reply reply = reply_failed(410, after);
    reply.outcome.what = callback::delivery_outcome::verdict::gone;
    return reply;
}
inline scripted_reply reply_never() {
    scripted_reply reply;
    reply.never = true;
    return reply;
}

/// Instants of an attempt at which something else may happen first.
enum class attempt_moment : std::uint8_t { started, answering };

class fake_notifier final : public callback::notifier {
  public:
    using receiver = std::function<scripted_reply(const callback::delivery_job&)>;
    /// Called at each instant; what it posts to the clock runs before the answer is reported if it returns true.
    using moment_hook = std::function<bool(attempt_moment, const callback::delivery_job&)>;

    explicit fake_notifier(virtual_clock& clock, virtual_clock::group owner = 0) : clock_(clock), owner_(owner) {}

    /// Answers every attempt from now on; without one each is delivered after 5 ms.
    void answer_with(receiver answer) { answer_ = std::move(answer); }
    void at_moments(moment_hook hook) { on_moment_ = std::move(hook); }
    /// Ends a hanging attempt.
    void finish(delivery_id id, callback::delivery_outcome outcome) {
        const auto found = hanging_by(id);
        if (found != open_.end()) end(found->first, std::move(outcome));
    }

    void configure(std::shared_ptr<const callback::notifier_setup> /*setup*/) noexcept override {}
    void deliver(callback::delivery_job job, unique_function<void(callback::delivery_outcome)> handler) override {
        if (keeps_attempts) attempts_.push_back({clock_.now().steady, job});
        scripted_reply reply = answer_ ? answer_(job) : reply_delivered();
        const std::uint64_t number = ++last_;
        const auto opened = open_.emplace(number, open_attempt{std::move(job), std::move(handler)}).first;
        most_open_ = std::max(most_open_, open_.size());
        if (on_moment_) on_moment_(attempt_moment::started, opened->second.job);
        if (reply.never) return;
        clock_.after(
            reply.after,
            [this, number, outcome = std::move(reply.outcome)]() mutable { answer(number, std::move(outcome)); },
            owner_);
    }
    void stop(milliseconds within, unique_function<void()> stopped) override {
        stopping_ = true;
        stopped_ = std::move(stopped);
        clock_.after(
            within, [this] { cut_off(); }, owner_);
        if (open_.empty()) clock_.post([this] { report_stopped(); }, owner_);
    }

    bool keeps_attempts = true; ///< false: for runs that nobody reads

    const std::vector<made_attempt>& attempts() const { return attempts_; }
    void forget_attempts() { attempts_.clear(); }
    std::size_t open() const { return open_.size(); }
    std::size_t most_open() const { return most_open_; }
    bool stopping() const { return stopping_; }

  private:
    struct open_attempt {
        callback::delivery_job job;
        unique_function<void(callback::delivery_outcome)> handler;
    };

    std::map<std::uint64_t, open_attempt>::iterator hanging_by(delivery_id id) {
        auto found = open_.begin();
        while (found != open_.end() && found->second.job.id != id) ++found;
        return found;
    }
    void answer(std::uint64_t number, callback::delivery_outcome outcome) {
        const auto found = open_.find(number);
        if (found == open_.end()) return;
        if (!on_moment_ || !on_moment_(attempt_moment::answering, found->second.job)) {
            end(number, std::move(outcome));
            return;
        }
        clock_.post(
            [this, number, outcome = std::move(outcome)]() mutable { end(number, std::move(outcome)); }, owner_);
    }
    void end(std::uint64_t number, callback::delivery_outcome outcome) {
        const auto found = open_.find(number);
        if (found == open_.end()) return;
        auto handler = std::move(found->second.handler);
        open_.erase(found);
        handler(std::move(outcome));
        if (stopping_ && open_.empty()) clock_.post([this] { report_stopped(); }, owner_);
    }
    void cut_off() {
        while (!open_.empty()) {
            callback::delivery_outcome outcome;
            outcome.error = "stopped";
            end(open_.begin()->first, std::move(outcome));
        }
    }
    void report_stopped() {
        if (stopped_ && open_.empty()) std::exchange(stopped_, {})();
    }

    virtual_clock& clock_;
    virtual_clock::group owner_;
    receiver answer_;
    moment_hook on_moment_;
    std::map<std::uint64_t, open_attempt> open_;
    std::vector<made_attempt> attempts_;
    unique_function<void()> stopped_;
    std::uint64_t last_ = 0;
    std::size_t most_open_ = 0;
    bool stopping_ = false;
};

} // namespace prooftrack
