#pragma once

// Exports and reconciliations: each copies the database between commits, and then has a thread that reads the copy.
// What is written meanwhile waits for no reader, and the write-ahead log does not grow for one.

#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include <boost/asio/any_io_executor.hpp>

#include "store/copy_database.hpp"
#include "store/database.hpp"
#include "store/piece_writer.hpp"

namespace prooftrack::store {

/// `request` is called on the loop, everything else in the store's thread. Every handler that was taken is called once,
/// on the loop.
class export_runner {
  public:
    using handler = store_handler<std::shared_ptr<byte_source>>;

    /// `on_failed` runs on the loop when a reader's task threw. May outlive this object.
    export_runner(boost::asio::any_io_executor loop, std::function<void(const op_error&)> on_failed)
        : loop_(std::move(loop)), on_failed_(std::move(on_failed)) {}

    /// Refuses with `busy` while there are `most_exports`. One after the other is copied.
    void request(copy_task task, handler to_call);
    /// Starts a copy, goes on with it for about `budget`, or hands it to its reader. Its errors end the export, never
    /// the store.
    void step(database& db, std::chrono::milliseconds budget);
    /// Ends those that have no reader yet.
    void abort(store_error why);
    bool is_copying() const { return copy_ != nullptr; }

  private:
    struct waiting_export {
        copy_task task;
        handler to_call;
        std::shared_ptr<void> place; ///< counts among `most_exports` until it goes
    };

    bool take_next();
    void answer(op_result<std::shared_ptr<byte_source>> outcome);

    boost::asio::any_io_executor loop_;
    std::function<void(const op_error&)> on_failed_;
    std::shared_ptr<void> places_ = std::make_shared<char>(); ///< each export holds one reference
    std::mutex mutex_;
    std::deque<waiting_export> waiting_; ///< guarded by mutex_
    std::unique_ptr<waiting_export> current_;
    std::unique_ptr<database_copy> copy_;
};

} // namespace prooftrack::store
