#pragma once

// One backup: copied in steps between commits by the store's thread, then checked by a thread of its own.

#include <atomic>
#include <memory>
#include <optional>
#include <thread>

#include "store/copy_database.hpp"
#include "store/database.hpp"

namespace prooftrack::store {

/// Belongs to the store's thread; only the check of the finished copy runs beside it.
class backup_job {
  public:
    backup_job(store_handler<backup_file> to_call, unique_function<void()> wake)
        : handler(std::move(to_call)), wake_(std::move(wake)) {}
    backup_job(const backup_job&) = delete;
    backup_job& operator=(const backup_job&) = delete;
    ~backup_job(); ///< cuts the check short; an unfinished copy is removed

    /// Makes the copy's file. Throws sqlite_error.
    void open(database& db);
    bool is_copying() const { return copy_ && !checking_.joinable(); }
    /// While copying: goes on for about `budget`. Throws sqlite_error.
    void step(std::chrono::milliseconds budget);
    /// The outcome, once there is one. `wake` is called when it comes.
    std::optional<op_result<backup_file>> take_outcome();

    store_handler<backup_file> handler;

  private:
    void check_copy() noexcept;

    std::unique_ptr<database_copy> copy_;
    std::string log_id_;
    unique_function<void()> wake_;
    std::optional<op_result<backup_file>> outcome_; ///< written by the check before `is_checked_`
    std::atomic<bool> is_checked_{false};
    std::thread checking_;
};

} // namespace prooftrack::store
