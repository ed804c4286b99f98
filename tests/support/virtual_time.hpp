#pragma once

// Time that passes when the test says: one ordered queue of events behind `clock_source` and `alarm`.
//
// Events of one instant run in the order in which they were requested. An event belongs to a group (0 unless told); a
// crash drops the group of what crashed, so that nothing of it ever runs.

#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <utility>

#include "base/clock.hpp"
#include "base/unique_function.hpp"

namespace prooftrack {

class virtual_clock final : public clock_source {
  public:
    using group = std::uint32_t;

    /// 2026-04-01T10:00:00Z, three hours after the boot.
    static constexpr wall_time epoch{milliseconds(1'775'037'600'000)};

    explicit virtual_clock(wall_time wall = epoch, steady_time steady = steady_time(std::chrono::hours(3)))
        : steady_(steady),
          wall_offset_(wall.time_since_epoch() - std::chrono::floor<milliseconds>(steady.time_since_epoch())),
          true_offset_(wall_offset_) {}

    instant now() const override {
        return {steady_, wall_time(std::chrono::floor<milliseconds>(steady_.time_since_epoch()) + wall_offset_)};
    }
    steady_duration since_boot() const override { return steady_.time_since_epoch() + slept_; }

    /// Runs `work` at `when` (now, if that is past), behind what was asked for earlier.
    std::uint64_t at(steady_time when, unique_function<void()> work, group owner = 0) {
        const place where{std::max(when, steady_), ++last_};
        events_.emplace(where, event{owner, std::move(work)});
        times_.emplace(last_, where.first);
        return last_;
    }
    std::uint64_t after(steady_duration wait, unique_function<void()> work, group owner = 0) {
        return at(steady_ + wait, std::move(work), owner);
    }
    /// Runs `work` in this instant, but not inside the present call.
    void post(unique_function<void()> work, group owner = 0) { at(steady_, std::move(work), owner); }

    void cancel(std::uint64_t id) {
        const auto found = times_.find(id);
        if (found == times_.end()) return;
        events_.erase({found->second, id});
        times_.erase(found);
    }
    void drop_group(group owner) {
        for (auto place_now = events_.begin(); place_now != events_.end();) {
            if (place_now->second.owner != owner) {
                ++place_now;
                continue;
            }
            times_.erase(place_now->first.second);
            place_now = events_.erase(place_now);
        }
    }

    /// Nothing of the group runs before then; what was due comes at once then, in the order in which it was requested.
    void hold_group(group owner, steady_time until) { held_[owner] = until; }

    /// Runs the next event; false when there is none.
    bool step() {
        if (events_.empty()) return false;
        auto next = events_.begin();
        steady_ = next->first.first;
        if (is_held(next->second.owner)) {
            put_off(next);
            return true;
        }
        times_.erase(next->first.second);
        // Taken out first: the work may add, cancel or drop events.
        auto work = std::move(next->second.work);
        events_.erase(next);
        work();
        ++steps_;
        return true;
    }
    /// Runs what is due until then, and lets the time pass to it.
    void run_until(steady_time end) {
        while (!events_.empty() && events_.begin()->first.first <= end) step();
        steady_ = std::max(steady_, end);
    }
    void run_for(steady_duration span) { run_until(steady_ + span); }
    /// Runs what is due in this instant.
    void settle() { run_until(steady_); }
    /// Runs until nothing is left; throws when that takes more than `most` events.
    void run_all(std::uint64_t most = 10'000'000) {
        for (std::uint64_t count = 0; step(); ++count) {
            if (count >= most) throw std::runtime_error("virtual_clock: the events do not end");
        }
    }

    /// The wall clock is set: waits are not touched.
    void jump_wall(milliseconds by) { wall_offset_ += by; }
    /// The machine sleeps: wall and boot time pass, steady time does not.
    void suspend(milliseconds span) {
        wall_offset_ += span;
        true_offset_ += span;
        slept_ += span;
    }
    /// What a clock shows that was never set wrong: the other side's Date.
    wall_time true_wall() const {
        return wall_time(std::chrono::floor<milliseconds>(steady_.time_since_epoch()) + true_offset_);
    }
    /// How far the wall clock is ahead of the true time.
    milliseconds wall_error() const { return wall_offset_ - true_offset_; }

    bool idle() const { return events_.empty(); }
    std::size_t pending() const { return events_.size(); }
    std::uint64_t steps() const { return steps_; }
    /// When the next event is due; only meaningful unless `idle`.
    steady_time next() const { return events_.begin()->first.first; }

  private:
    using place = std::pair<steady_time, std::uint64_t>;
    struct event {
        group owner = 0;
        unique_function<void()> work;
    };

    bool is_held(group owner) {
        const auto held = held_.find(owner);
        if (held == held_.end()) return false;
        if (steady_ < held->second) return true;
        held_.erase(held);
        return false;
    }
    void put_off(std::map<place, event>::iterator at) {
        const place later{held_.at(at->second.owner), at->first.second};
        times_[later.second] = later.first;
        auto moved = events_.extract(at);
        moved.key() = later;
        events_.insert(std::move(moved));
    }

    steady_time steady_;
    milliseconds wall_offset_;
    milliseconds true_offset_;
    steady_duration slept_{};
    std::map<place, event> events_;
    std::map<std::uint64_t, steady_time> times_;
    std::map<group, steady_time> held_; ///< until when
    std::uint64_t last_ = 0;
    std::uint64_t steps_ = 0;
};

/// An alarm on virtual time. Its clock must outlive it.
class virtual_alarm final : public alarm {
  public:
    virtual_alarm(virtual_clock& clock, unique_function<void()> ring, virtual_clock::group owner = 0)
        : clock_(clock), ring_(std::make_shared<unique_function<void()>>(std::move(ring))), owner_(owner) {}
    virtual_alarm(const virtual_alarm&) = delete;
    virtual_alarm& operator=(const virtual_alarm&) = delete;
    ~virtual_alarm() override { disarm(); }

    void arm(steady_time when) override {
        disarm();
        armed_ = clock_.at(
            when,
            [this] {
                armed_ = 0;
                // Shared: ringing may destroy the alarm.
                const auto ring = ring_;
                (*ring)();
            },
            owner_);
    }
    void disarm() override {
        if (armed_ != 0) clock_.cancel(armed_);
        armed_ = 0;
    }
    bool armed() const { return armed_ != 0; }

  private:
    virtual_clock& clock_;
    std::shared_ptr<unique_function<void()>> ring_;
    virtual_clock::group owner_;
    std::uint64_t armed_ = 0;
};

} // namespace prooftrack
