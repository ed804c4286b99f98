#pragma once

// A copy of the database, read and written out by a thread of its own.

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "base/byte_source.hpp"
#include "base/lifetime.hpp"
#include "store/connection.hpp"
#include "store/piece_writer.hpp"
#include "store/store.hpp"

namespace prooftrack::store {

/// The detail of `busy` when there are `most_exports`.
std::string too_many_exports();

/// What a copy_reader does, and for whom.
struct copy_reading {
    copy_task task;
    std::shared_ptr<void> place; ///< held until the copy is closed
    /// Runs on the loop when the task threw while somebody had the reader. May be empty.
    std::function<void(const op_error&)> on_failed;
    milliseconds patience = std::chrono::minutes(10); ///< how long the thread waits for a piece to be taken
};

/// Holds about `most_bytes_ahead` of finished bytes at most, whatever the reader's speed: the thread waits while there
/// are more, but no longer than its patience: then it is broken. It ends by itself, soon after this object has gone,
/// and closes the copy then.
class copy_reader final : public byte_source {
  public:
    /// On any thread.
    copy_reader(boost::asio::any_io_executor loop, std::unique_ptr<db_connection> copy, copy_reading what);
    ~copy_reader() override;
    copy_reader(const copy_reader&) = delete;
    copy_reader& operator=(const copy_reader&) = delete;

    progress next(std::string& out) override;
    bool is_broken() const override;
    void set_waker(unique_function<void()> waker) override { waker_ = std::move(waker); }

    static constexpr std::size_t most_bytes_ahead = std::size_t{1} << 20U;

  private:
    struct shared_state;
    static void read(shared_state& state, std::unique_ptr<db_connection> copy, const copy_task& task);

    std::shared_ptr<shared_state> state_;
    unique_function<void()> waker_;
    lifetime lifetime_;
};

} // namespace prooftrack::store
