#pragma once

// How a fake_store works: its operations wait for a commit, their answers for their handler, and faults come in
// between.

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/random.hpp"
#include "store/store.hpp"
#include "support/fake_disk.hpp"
#include "support/virtual_time.hpp"

namespace prooftrack::store {

/// Instants of an operation at which something else may happen first.
enum class store_moment : std::uint8_t {
    handed,    ///< asked for, not committed
    committed, ///< durable, not reported
    answering, ///< its handler is about to run
};

struct fake_store_options {
    std::pair<steady_duration, steady_duration> commit_time{
        milliseconds(2), milliseconds(2)}; ///< from the first operation of a group
    std::pair<steady_duration, steady_duration> answer_time{
        steady_duration(0), steady_duration(0)}; ///< from the commit to the handler
    std::size_t chunk = 10'000;                  ///< rows a chunk of load_active
    std::size_t recovery_slice = 1'000;          ///< heads a commit of end_failing
    std::uint64_t seed = 1;
    virtual_clock::group owner = 0;
    /// Called at each instant with the transaction that the operation is about ("" = none in particular). With
    /// `answering`: what it posts to the clock runs before the handler if it says true. Needs a clock.
    std::function<bool(store_moment, const std::string&)> on_moment;
};

/// What becomes of a group of operations on its way to a database that several daemons share.
enum class commit_fate : std::uint8_t {
    done,
    away,   ///< there is no connection: all are refused
    fenced, ///< the others took this daemon for gone: changes are refused
    lost,   ///< the connection broke before they were done, which is known when there is one again
    unsure, ///< likewise, and they were done
};

/// The way to the database.
class fake_gate {
  public:
    virtual ~fake_gate() = default;
    virtual commit_fate before_commit(bool changes) = 0;
    virtual void after_commit(bool is_news) = 0;
    virtual const shard_set& held() const = 0;
};

/// The part of a fake_store that is not its interface.
class fake_store_queue {
    friend class fake_node; // submits operations of its own

  public:
    fake_store_queue(const fake_store_queue&) = delete;
    fake_store_queue& operator=(const fake_store_queue&) = delete;

    // ---- faults
    // ---------------------------------------------------------------------------------------------------------------

    /// No room: every change is refused.
    void set_full(bool full) { full_ = full; }
    bool full() const { return full_; }
    /// The disk has failed: nothing works any more.
    void set_failed() { failed_ = true; }
    /// The n-th operation from now (from 1) fails with `error` and changes nothing.
    void fail_operation(std::uint64_t n, store_error error) { planned_ = {operations_ + n, error}; }
    /// The outcome of this delivery cannot be recorded, all others can; nullopt = no longer.
    void poison_outcome(std::optional<delivery_id> id) { poisoned_ = id; }
    /// The next group is committed, or the next answers are given, that much later.
    void delay_commit(steady_duration by) { commit_delay_ += by; }
    void delay_answers(steady_duration by) { answer_delay_ += by; }
    /// How much later than now an operation is answered, but for the usual times.
    steady_duration delay() const {
        const steady_duration behind = clock_ == nullptr ? steady_duration(0) : last_answer_ - clock_->now().steady;
        return std::max(behind, steady_duration(0)) + commit_delay_ + answer_delay_;
    }
    /// Everything that was not committed is lost, no handler runs any more.
    void crash() {
        crashed_ = true;
        queue_.clear();
        ready_.clear();
        withheld_.clear();
    }

    // ---- by hand
    // ---------------------------------------------------------------------------------------------------------------

    /// Makes everything that was asked for durable; the handlers do not run yet. How many operations there were.
    std::size_t commit() {
        std::deque<operation> group;
        group.swap(queue_);
        commit_planned_ = false;
        const auto changes = static_cast<std::size_t>(
            std::count_if(group.begin(), group.end(), [](const operation& one) { return one.changes; }));
        const bool has_way = gate_ != nullptr && !group.empty();
        const commit_fate fate = has_way ? gate_->before_commit(changes > 0) : commit_fate::done;
        const bool is_withheld = fate == commit_fate::lost || fate == commit_fate::unsure;
        if (fate == commit_fate::away || is_withheld) go_away();
        const std::array before{disk_.mail.size(), std::size_t{disk_.last_number}, std::size_t{disk_.last_seq}};
        for (operation& one : group) {
            ++operations_;
            // The fault and what has been done first: either may put the observer's handler before this one's.
            const auto fault = one.is_local ? std::nullopt : fault_for(one, fate);
            disk_.held = gate_ == nullptr ? nullptr : &gate_->held();
            outcome done = one.run(disk_, fault);
            disk_.held = nullptr;
            if (one.changes && done.is_success) end_full();
            (is_withheld ? withheld_ : ready_).push_back({std::move(done.handler), one.about});
            if (options_.on_moment) options_.on_moment(store_moment::committed, one.about);
            if (!is_withheld) plan_answer();
        }
        const std::array after{disk_.mail.size(), std::size_t{disk_.last_number}, std::size_t{disk_.last_seq}};
        if (gate_ != nullptr && changes > 0) gate_->after_commit(before != after);
        if (observer_ != nullptr && changes > 0) observer_->on_commit(options_.commit_time.first, changes);
        return group.size();
    }
    /// There is a connection again: what was not known is.
    void come_back() {
        for (answer& one : withheld_) {
            ready_.push_back(std::move(one));
            plan_answer();
        }
        withheld_.clear();
        if (std::exchange(is_away_, false)) tell_state(track::store_state::ok, store_error::unreachable);
    }
    /// There is none.
    void go_away() {
        if (!std::exchange(is_away_, true)) tell_state(track::store_state::unreachable, store_error::unreachable);
    }
    /// Runs the oldest handler that is ready; false when there is none.
    bool answer_one() {
        if (ready_.empty()) return false;
        auto handler = std::move(ready_.front().handler);
        ready_.pop_front();
        handler();
        return true;
    }
    /// Commits and answers until nothing is left.
    void pump() {
        while (!queue_.empty() || !ready_.empty()) {
            commit();
            while (answer_one()) {
            }
        }
    }

    std::uint64_t operations() const { return operations_; }
    std::size_t waiting() const { return queue_.size() + ready_.size(); }
    fake_disk& disk() { return disk_; }
    bool closed() const { return closed_; }

  protected:
    fake_store_queue(fake_disk& disk, virtual_clock* clock, fake_store_options options, store_observer* observer)
        : disk_(disk), clock_(clock), options_(std::move(options)), observer_(observer), random_(options_.seed) {}
    ~fake_store_queue() = default;

    struct answer {
        unique_function<void()> handler;
        std::string about;
    };
    struct outcome {
        unique_function<void()> handler;
        bool is_success = false;
    };
    struct operation {
        std::string about; ///< the transaction, for `on_moment`
        bool changes = false;
        bool is_local = false; ///< works without the database
        bool after_close = false;
        unique_function<outcome(fake_disk&, std::optional<store_error>)> run;
    };

    template <class T, class Work>
    void change(Work work, store_handler<T> handler, std::string about = "") {
        submit<T>(true, std::move(work), std::move(handler), std::move(about));
    }
    template <class T, class Work>
    void read(Work work, store_handler<T> handler, std::string about = "") {
        submit<T>(false, std::move(work), std::move(handler), std::move(about));
    }
    template <class T, class Work>
    void run_here(Work work, store_handler<T> handler) {
        submit<T>(false, std::move(work), std::move(handler), "", true);
    }
    template <class T, class Work>
    void submit(bool changes, Work work, store_handler<T> handler, std::string about, bool is_local = false) {
        if (crashed_) return;
        operation one;
        one.about = std::move(about);
        one.changes = changes;
        one.is_local = is_local;
        one.after_close = closing_;
        one.run = [work = std::move(work),
                   handler = std::move(handler)](fake_disk& disk, std::optional<store_error> fault) mutable {
            op_result<T> given = fault ? op_result<T>(fake_disk::error(*fault, "fake store")) : work(disk);
            const bool is_success = given.has_value();
            return outcome{
                [handler = std::move(handler), given = std::move(given)]() mutable { handler(std::move(given)); },
                is_success};
        };
        queue_.push_back(std::move(one));
        if (options_.on_moment) options_.on_moment(store_moment::handed, queue_.back().about);
        if (clock_ == nullptr || commit_planned_) return;
        commit_planned_ = true;
        clock_->after(
            between(options_.commit_time) + std::exchange(commit_delay_, steady_duration(0)), [this] { commit(); },
            options_.owner);
    }

    std::optional<store_error> fault_for(const operation& one, commit_fate fate) {
        if (one.after_close) return store_error::stopped;
        if (fate == commit_fate::away || fate == commit_fate::lost) return store_error::unreachable;
        if (fate == commit_fate::fenced && one.changes) return store_error::unreachable;
        if (failed_) {
            report([this] { observer_->on_fatal(fake_disk::error(store_error::failed, "commit")); }, reported_failed_);
            return store_error::failed;
        }
        if (planned_ && planned_->first == operations_) return std::exchange(planned_, std::nullopt)->second;
        if (!one.changes) return std::nullopt;
        if (!full_) return std::nullopt;
        if (!std::exchange(seen_full_, true)) tell_state(track::store_state::full);
        return store_error::full;
    }
    /// Something was written: there is room again.
    void end_full() {
        if (std::exchange(seen_full_, false)) tell_state(track::store_state::ok);
    }
    void tell_state(track::store_state state, store_error why = store_error::full) {
        bool reported = false;
        report([this, state, why] { observer_->on_state(state, fake_disk::error(why, "commit")); }, reported);
    }
    /// Tells the observer in the order of the answers.
    template <class Tell>
    void report(Tell tell, bool& reported) {
        if (observer_ == nullptr || reported) return;
        reported = true;
        ready_.push_back({unique_function<void()>(std::move(tell)), ""});
        plan_answer();
    }
    void plan_answer() {
        if (clock_ == nullptr) return;
        last_answer_ = std::max(
            last_answer_,
            clock_->now().steady + between(options_.answer_time) + std::exchange(answer_delay_, steady_duration(0)));
        clock_->at(
            last_answer_, [this] { answer_in_turn(); }, options_.owner);
    }
    void answer_in_turn() {
        const bool comes_behind =
            options_.on_moment && !ready_.empty() && options_.on_moment(store_moment::answering, ready_.front().about);
        if (comes_behind) {
            clock_->post([this] { answer_one(); }, options_.owner);
        } else {
            answer_one();
        }
    }
    steady_duration between(const std::pair<steady_duration, steady_duration>& band) {
        return steady_duration(random_.between(band.first.count(), band.second.count()));
    }

    fake_disk& disk_;
    virtual_clock* clock_;
    fake_store_options options_;
    store_observer* observer_;
    random_source random_;
    std::deque<operation> queue_;
    std::deque<answer> ready_;
    std::deque<answer> withheld_; ///< until there is a connection again
    fake_gate* gate_ = nullptr;
    bool is_away_ = false;
    std::uint64_t operations_ = 0;
    std::optional<std::pair<std::uint64_t, store_error>> planned_;
    std::optional<delivery_id> poisoned_;
    steady_time last_answer_{};
    steady_duration commit_delay_{};
    steady_duration answer_delay_{};
    bool commit_planned_ = false;
    std::uint64_t probes_ = 0;
    bool full_ = false;
    bool seen_full_ = false;
    bool failed_ = false;
    bool reported_failed_ = false;
    bool crashed_ = false;
    bool closing_ = false;
    bool closed_ = false;
};

} // namespace prooftrack::store
