#pragma once

// Watches every attempt that a delivery_world makes and says which promise it breaks.

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "support/delivery_world.hpp"

namespace prooftrack {

/// Sits between the driver and the receiver: `world.receiver` becomes this, the real receiver is `receive`.
class delivery_oracle {
  public:
    explicit delivery_oracle(delivery_world& world) : world_(world) {
        world_.receiver = [this](const callback::delivery_job& job) { return on_attempt(job); };
        world_.log.on_line = [this](const recorded_log::line& line) { on_line(line); };
    }
    delivery_oracle(const delivery_oracle&) = delete;
    delivery_oracle& operator=(const delivery_oracle&) = delete;

    std::function<scripted_reply(const callback::delivery_job&)> receive;
    /// The clock jumps in this run: recorded times cannot be held against it.
    bool ignore_times = false;
    /// Maintenance is on: nothing may be attempted.
    bool is_held = false;

    /// The process ended: nothing of it is in flight any more.
    void on_restart() {
        open_.clear();
        failing_.clear();
    }
    /// A person asked for it again: it may come out of order, and before its time.
    void on_retry(std::uint64_t id) { retried_.insert(id); }

    /// It is answered that the callback is paused: no attempt begins until its end is asked for.
    void on_paused(const std::string& callback) { paused_.insert(callback); }
    void on_resume(const std::string& callback) { paused_.erase(callback); }
    /// A failing callback may be tried at once, when the attempt in flight has ended.
    void on_flush(const std::string& callback) {
        flushed_[callback] = world_.clock.now().steady;
        std::erase_if(failing_, [&](const auto& each) { return callback_of_lane(each.first) == callback; });
    }

    /// Nothing is left over, and what counts as delivered was really taken.
    void check_end() {
        for (const auto& [id, row] : world_.disk.rows) {
            if (row.view.state == track::delivery_state::pending) broken("delivery {} is still pending at the end", id);
            if (row.view.state == track::delivery_state::delivered && !taken_.contains(id))
                broken("delivery {} was never taken", id);
            const bool was_dead =
                row.view.state == track::delivery_state::dead || row.view.state == track::delivery_state::dismissed;
            if (was_dead && !refused_.contains(id)) broken("delivery {} died without an attempt", id);
        }
        if (world_.driver->in_flight() != 0) broken("{} attempts are left over", world_.driver->in_flight());
    }

    const std::vector<std::string>& broken_promises() const { return broken_; }
    std::uint64_t attempts() const { return attempts_; }
    std::size_t taken() const { return taken_.size(); }

  private:
    template <class... Args>
    void broken(fmt::format_string<Args...> text, Args&&... args) {
        if (broken_.size() < 20) broken_.push_back(fmt::format(text, std::forward<Args>(args)...));
    }

    scripted_reply on_attempt(const callback::delivery_job& job) {
        ++attempts_;
        const std::uint64_t id = value_of(job.id);
        if (id == 0) return reply_delivered();
        if (is_held) broken("attempt of delivery {} within maintenance", id);
        const auto found = world_.disk.rows.find(id);
        if (found == world_.disk.rows.end()) {
            broken("attempt of a delivery {} that is not durable", id);
            return reply_failed();
        }
        const fake_disk::delivery_row& row = found->second;
        if (*job.body != *row.body) broken("delivery {}: other bytes", id);
        if (job.event_id != row.view.event_id) broken("delivery {}: another event id", id);
        if (!retried_.contains(id)) check_turn(job, row);
        check_in_flight(job, row);
        check_probe(job, row);
        if (paused_.contains(row.view.callback)) broken("delivery {}: {} is paused", id, row.view.callback);
        scripted_reply reply = receive ? receive(job) : reply_delivered();
        if (reply.outcome.what == callback::delivery_outcome::verdict::delivered && !reply.never) {
            taken_.insert(id);
        } else {
            refused_.insert(id);
        }
        // The receiver has it now; the fake ends the attempt after `after` (a hanging one ends with the process or by
        // `stop`).
        if (!reply.never)
            world_.clock.after(
                reply.after, [this, id, lane = row.lane] { close(lane, id); }, delivery_world::process);
        return reply;
    }

    /// Its turn: what came before it has ended, and its time has come.
    void check_turn(const callback::delivery_job& job, const fake_disk::delivery_row& row) {
        const std::uint64_t id = value_of(job.id);
        if (row.view.state != track::delivery_state::pending) broken("delivery {} had ended already", id);
        if (job.attempt != row.view.attempts + 1)
            broken("delivery {}: attempt {} after {}", id, job.attempt, row.view.attempts);
        const auto& line = world_.disk.pending[{row.view.callback, row.view.transaction.str()}];
        for (const std::uint64_t earlier : line) {
            if (earlier < id && !retried_.contains(earlier))
                broken("delivery {} overtook {} of its transaction", id, earlier);
        }
        const auto settings = world_.driver->callbacks().settings_for(row.lane);
        if (settings && job.attempt > 1 + settings->retry_schedule.size())
            broken("delivery {}: attempt {}", id, job.attempt);
        if (!ignore_times && row.view.next_attempt_at && job.now < *row.view.next_attempt_at) {
            broken("delivery {}: {} ms before its time", id, (*row.view.next_attempt_at - job.now).count());
        }
    }
    void check_in_flight(const callback::delivery_job& job, const fake_disk::delivery_row& row) {
        const std::uint64_t id = value_of(job.id);
        auto& open = open_[row.lane];
        if (!open.insert(id).second) broken("delivery {} is in flight twice", id);
        const auto settings = world_.driver->callbacks().settings_for(row.lane);
        if (!settings) {
            broken("delivery {}: its callback is not configured", id);
        } else if (open.size() > settings->max_in_flight) {
            broken("{} in flight on {}", open.size(), row.lane);
        }
    }
    void close(const std::string& lane, std::uint64_t id) { open_[lane].erase(id); }

    void check_probe(const callback::delivery_job& job, const fake_disk::delivery_row& row) {
        const steady_time now = world_.clock.now().steady;
        const auto last = last_.find(row.lane);
        const bool too_soon = last != last_.end() && now < last->second + track::failing_probe_interval;
        last_[row.lane] = now;
        const auto reported = failing_.find(row.lane);
        if (reported == failing_.end()) return;
        if (is_own_url_lane(row.lane) && now >= reported->second + engine::failing_log_interval) {
            // A host that was owed nothing for that long is forgotten.
            failing_.erase(reported);
        } else if (too_soon) {
            broken("delivery {}: failing {} was tried too soon", value_of(job.id), row.lane);
        }
    }
    void on_line(const recorded_log::line& line) {
        const std::string lane = line.at("lane").empty() ? line.at("callback") : line.at("lane");
        const auto flushed = flushed_.find(std::string(callback_of_lane(lane)));
        const bool is_hurried =
            flushed != flushed_.end() && world_.clock.now().steady < flushed->second + longest_hurry;
        if (line.event == observe::log_event_id::callback_failing && !is_hurried)
            failing_[lane] = world_.clock.now().steady;
        if (line.event == observe::log_event_id::callback_recovered) failing_.erase(lane);
    }

    /// A flush takes its time in the store, and an attempt in flight ends before the one that it hurries.
    static constexpr seconds longest_hurry{30};

    delivery_world& world_;
    std::map<std::string, std::set<std::uint64_t>> open_;
    std::map<std::string, steady_time> failing_; ///< lane -> when that was logged last
    std::map<std::string, steady_time> last_;    ///< lane -> its last attempt
    std::set<std::string> paused_;
    std::map<std::string, steady_time> flushed_; ///< callback -> when it was asked for last
    std::set<std::uint64_t> retried_;
    std::set<std::uint64_t> taken_;
    std::set<std::uint64_t> refused_;
    std::vector<std::string> broken_;
    std::uint64_t attempts_ = 0;
};

} // namespace prooftrack
