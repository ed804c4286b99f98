#pragma once

// The thread of SQLite's store: takes what is queued, commits it together, posts the outcomes to the loop.

#include <memory>
#include <thread>
#include <vector>

#include "store/backup_runner.hpp"
#include "store/checkpointer.hpp"
#include "store/database_place.hpp"
#include "store/export_runner.hpp"
#include "store/lock_file.hpp"
#include "store/operation_queue.hpp"
#include "store/store_thread.hpp"

namespace prooftrack::store {

/// Runs operations in the order of their submission. Those that are queued together share one transaction and one
/// fdatasync; each has a savepoint, so that one that fails takes nothing with it. Handlers run on the loop in the same
/// order, one post a commit.
///
/// Disk full: the batch's changes are undone and fail with `full`, reads are repeated. The state stays `full` until a
/// commit has written something and `has_recovery_space`. Any other disk error: the store fails for good. So it does
/// when its files are moved, removed or overwritten under it: this is checked after each commit, before its
/// handlers run, and every two seconds. Lives on the loop; must not outlive it.
class commit_thread final : public store_thread {
  public:
    /// Starts the thread, with all signals blocked in it.
    commit_thread(
        boost::asio::any_io_executor loop, std::unique_ptr<database> db, std::unique_ptr<lock_file> lock,
        store_observer& observer);
    commit_thread(const commit_thread&) = delete;
    commit_thread& operator=(const commit_thread&) = delete;
    ~commit_thread() override; ///< works off the queue, closes, joins; the observer is not called any more

    void submit(std::unique_ptr<operation> next) override { queue_.submit(std::move(next)); }
    void backup(store_handler<backup_file> handler) override;
    void read_copy(copy_task task, source_handler handler) override;
    void close(unique_function<void()> closed) override { queue_.close(std::move(closed)); }

  private:
    using operations = operation_queue::operations;
    using notice = operation_queue::notice;

    void run();
    operations wait_for_work();
    void run_batch(operations batch);
    void run_one(operation& each);
    void run_write(operation& each);
    void commit();
    void undo_batch(const sqlite_error& error, operations& batch);
    void fail_for_good(const sqlite_error& error, const char* operation);
    bool stop_if_moved();
    void look_at_place();
    void leave(const database_place::finding& found);
    void set_state(track::store_state state, op_error why);
    void end_full();
    void step_copies();
    void abort_copies(store_error why);
    void checkpoint();
    void shut_down();

    operation_queue queue_;
    backup_runner backups_;
    export_runner exports_;

    // Of the thread alone.
    std::unique_ptr<database> db_;
    std::unique_ptr<lock_file> lock_;
    checkpointer checkpoints_;
    database_place place_;
    checkpointer::clock::time_point next_look_; ///< at the place, when nothing is committed
    std::vector<notice> notices_;
    track::store_state state_ = track::store_state::ok;
    checkpointer::clock::time_point last_full_{};
    bool has_failed_ = false;

    std::thread thread_;
};

} // namespace prooftrack::store
