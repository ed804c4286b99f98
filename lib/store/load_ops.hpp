#pragma once

// Reads every watched transaction at the start.

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

#include <boost/asio/any_io_executor.hpp>

#include "store/database.hpp"

namespace prooftrack::store {

/// Bounds how many chunks wait in the loop. Each posted chunk holds a permit, which returns when the chunk was handled
/// or dropped.
class chunk_gate {
  public:
    /// False after `open_for_good`.
    bool enter();
    void leave();
    /// The store closes: no caller waits any more.
    void open_for_good();

  private:
    static constexpr int most_waiting = 4;
    std::mutex mutex_;
    std::condition_variable changed_;
    int waiting_ = 0;
    bool is_open_ = false;
};

using chunk_handler = unique_function<void(std::vector<track::active_transaction>)>;

/// Posts chunks of at most 10,000 of these shards' rows to the loop, the longest unseen first, and gives their number.
/// About 120 bytes a row are held meanwhile: sorting by SQLite would read the table twice or hold much more.
op_result<std::uint64_t> load_watched(
    database& db, const boost::asio::any_io_executor& loop, const std::shared_ptr<chunk_handler>& on_chunk,
    const std::shared_ptr<chunk_gate>& gate, const shard_set& shards);

} // namespace prooftrack::store
