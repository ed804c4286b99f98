#pragma once

// Takes backup requests, one at a time, and works on them between commits.

#include <atomic>
#include <mutex>

#include <boost/asio/any_io_executor.hpp>

#include "store/backup_job.hpp"

namespace prooftrack::store {

/// `request` is called on the loop, everything else in the store's thread. Every handler that was taken is called once,
/// on the loop.
class backup_runner {
  public:
    /// `wake` makes the store's thread call `step`.
    backup_runner(boost::asio::any_io_executor loop, unique_function<void()> wake)
        : loop_(std::move(loop)), wake_(std::move(wake)) {}

    /// Refuses with `busy` while another is being made.
    void request(store_handler<backup_file> handler);
    /// Starts, copies for about `budget`, or hands out what is finished. Its errors end the backup, never the store.
    void step(database& db, std::chrono::milliseconds budget);
    /// Ends the one that is waiting or being copied; with `also_checking` also the one that is being checked.
    void abort(store_error why, bool also_checking);
    bool is_copying() const { return job_ && job_->is_copying(); }

  private:
    void start(database& db);
    void end(op_result<backup_file> outcome);
    void answer(store_handler<backup_file> handler, op_result<backup_file> outcome);

    boost::asio::any_io_executor loop_;
    unique_function<void()> wake_;
    std::mutex mutex_;
    std::optional<store_handler<backup_file>> waiting_; ///< guarded by mutex_
    bool is_taken_ = false;                             ///< guarded by mutex_: one is waiting or being made
    std::unique_ptr<backup_job> job_;
};

} // namespace prooftrack::store
