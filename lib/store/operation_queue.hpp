#pragma once

// What is queued for a store's thread, and the way of the outcomes back to the loop. Every kind of store has one.

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/lifetime.hpp"
#include "store/commit_pace.hpp"
#include "store/operation.hpp"

namespace prooftrack::store {

/// Most weight in one transaction: a row or so each. Bounds how long an operation waits for others.
inline constexpr std::size_t most_batch_weight = 1000;

/// Operations in the order of their submission, and everything that the loop and the thread share. Lives on the loop.
class operation_queue {
  public:
    using operations = std::vector<std::unique_ptr<operation>>;
    using notice = unique_function<void(store_observer&)>;
    using clock = std::chrono::steady_clock;

    operation_queue(boost::asio::any_io_executor loop, store_observer& observer)
        : loop_(std::move(loop)), observer_(observer), alive_(lifetime_.observe()) {}

    // The loop's.
    void submit(std::unique_ptr<operation> next);
    /// Runs `then`, which may not block, and wakes the thread, unless it is closing: false.
    template <class Then>
    bool if_open(Then then) {
        const std::lock_guard lock(mutex_);
        if (is_closing_) return false;
        then();
        is_woken_ = true;
        changed_.notify_one();
        return true;
    }
    /// `closed` runs after every handler.
    void close(unique_function<void()> closed);
    /// The observer is not called any more; what is queued is worked off.
    void leave();
    /// Keeps the loop running until it goes.
    boost::asio::any_io_executor keep_running() const;
    const boost::asio::any_io_executor& loop() const { return loop_; }
    const lifetime::watch& alive() const { return alive_; }

    // Any thread's.
    void wake();

    // The thread's.
    /// Waits for operations, for `wake`, for the closing or until then, gathers what may come together, and takes a
    /// batch. `is_busy`: takes what there is at once.
    operations wait(std::optional<clock::time_point> until, bool is_busy);
    bool has_more();
    bool is_closing();
    /// Closing, and nothing is queued.
    bool is_over();
    /// Posts the notices and the finished operations' handlers to the loop; queues the others again.
    void answer(operations batch, std::vector<notice> notices);
    /// Nothing comes any more: the `closed` are posted.
    void end();

  private:
    void enqueue(std::unique_ptr<operation> next);
    operations take_batch();

    boost::asio::any_io_executor loop_;
    store_observer& observer_;
    lifetime lifetime_;           ///< used on the loop alone
    const lifetime::watch alive_; ///< the thread's, to be copied into what it posts

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::unique_ptr<operation>> queue_; ///< guarded by mutex_
    queued_work queued_;                           ///< guarded by mutex_; what is in queue_
    commit_pace pace_{most_batch_weight};          ///< guarded by mutex_
    bool is_gathering_ = false;                    ///< guarded by mutex_; the thread waits for more operations
    bool is_closing_ = false;                      ///< guarded by mutex_
    bool is_closed_ = false;                       ///< guarded by mutex_
    bool is_woken_ = false;                        ///< guarded by mutex_
    std::vector<unique_function<void()>> closed_;  ///< guarded by mutex_
};

} // namespace prooftrack::store
