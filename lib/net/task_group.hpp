#pragma once

// Owns spawned coroutines: none is detached, none loses an exception.

#include <cstddef>
#include <exception>
#include <list>
#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "base/lifetime.hpp"
#include "base/unique_function.hpp"

namespace prooftrack::net {

/// Counts, cancels and outlives the coroutines that its owner spawns; used on one executor alone.
/// Whatever a task refers to must live until the task ended: cancel, wait with `on_empty`, then destroy.
/// Destroying the group cancels what still runs, calls no handler any more and does not wait.
class task_group {
  public:
    using error_handler = unique_function<void(std::exception_ptr)>;

    /// `on_error` gets each exception that leaves a task, on the loop. Without one, std::terminate: a lost exception is
    /// a broken invariant.
    explicit task_group(boost::asio::any_io_executor loop, error_handler on_error = {});
    ~task_group();
    task_group(const task_group&) = delete;
    task_group& operator=(const task_group&) = delete;

    /// Starts `task` on the loop (not from inside this call). After `cancel` a new task starts already cancelled.
    void spawn(boost::asio::awaitable<void> task);

    /// Asks every task to end: the operation it waits in fails with operation_aborted. May be repeated.
    void cancel();

    std::size_t size() const { return tasks_.size(); } ///< tasks that have not ended
    bool empty() const { return size() == 0; }

    /// Runs `handler` once, posted to the loop, as soon as no task is left (at once when there is none). One at a time.
    void on_empty(unique_function<void()> handler);

  private:
    // A signal is shared with its task, and with `cancel`, which emits from a copy of the list: a task may end while it
    // is told to.
    using task_list = std::list<std::shared_ptr<boost::asio::cancellation_signal>>;

    void on_ended(task_list::iterator task, const std::exception_ptr& error);
    void tell_when_empty();

    boost::asio::any_io_executor loop_;
    std::shared_ptr<error_handler> on_error_; ///< null without one
    task_list tasks_;
    unique_function<void()> on_empty_;
    bool is_cancelled_ = false;
    lifetime lifetime_; ///< tasks may end after the group has gone
};

} // namespace prooftrack::net
