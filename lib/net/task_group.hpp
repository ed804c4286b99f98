#pragma once

// Owns spawned coroutines: none is detached, none loses an exception.

#include <cstddef>
#include <exception>
#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "base/unique_function.hpp"

namespace prooftrack {

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

    std::size_t size() const; ///< tasks that have not ended
    bool empty() const { return size() == 0; }

    /// Runs `handler` once, posted to the loop, as soon as no task is left (at once when there is none). One at a time.
    void on_empty(unique_function<void()> handler);

  private:
    struct state;
    std::shared_ptr<state> state_; // shared with the tasks' completion handlers, which may run after the group is gone
};

} // namespace prooftrack
