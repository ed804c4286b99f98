#pragma once

// Exports and reconciliations: each has a connection of its own with one consistent state of the database, and a thread
// that reads it.

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <thread>

#include <boost/asio/any_io_executor.hpp>

#include "store/postgres/pg_target.hpp"
#include "store/store_thread.hpp"

namespace prooftrack::store {

/// Lives on the loop. Every handler is called once, on the loop.
class pg_snapshots {
  public:
    /// `on_failed` runs on the loop when a reader's task threw. `target` and `password` must outlive it.
    pg_snapshots(
        boost::asio::any_io_executor loop, const pg_target& target, const secret& password,
        std::function<void(const op_error&)> on_failed)
        : loop_(std::move(loop)), target_(target), password_(password), on_failed_(std::move(on_failed)) {}
    pg_snapshots(const pg_snapshots&) = delete;
    pg_snapshots& operator=(const pg_snapshots&) = delete;
    ~pg_snapshots(); ///< waits for that

    /// Refuses with `busy` while there are `most_exports`.
    void request(copy_task task, store_thread::source_handler to_call);
    /// Ends those that are connecting, soon, with `stopped`; those that have a reader go on without the store.
    void give_up() { is_stopped_ = true; }

  private:
    struct opening {
        std::atomic<bool> is_over{false};
        copy_task task;
        store_thread::source_handler to_call;
        std::shared_ptr<void> place;
        std::thread thread;
    };
    void open(opening& one);
    void answer(opening& one, op_result<std::shared_ptr<byte_source>> outcome);
    void forget_ended();

    boost::asio::any_io_executor loop_;
    const pg_target& target_;
    const secret& password_;
    std::function<void(const op_error&)> on_failed_;
    std::shared_ptr<void> places_ = std::make_shared<char>(); ///< each export holds one reference
    std::atomic<bool> is_stopped_{false};
    std::list<opening> openings_;
};

} // namespace prooftrack::store
