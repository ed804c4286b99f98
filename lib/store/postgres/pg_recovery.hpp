#pragma once

// Finds the way back to PostgreSQL while the store's thread refuses what comes.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>

#include "store/postgres/pg_ownership.hpp"

namespace prooftrack::store {

/// Tries again and again, in a thread of its own: looking up a name blocks, and a host may keep silent. At most one
/// search at a time.
class pg_recovery {
  public:
    /// Text: the database was set back (ownership_lost).
    using outcome = std::variant<regained_link, std::string>;

    /// `target` and `password` must outlive it; `wake` runs on its thread when there is an outcome.
    pg_recovery(const pg_target& target, const secret& password, std::function<void()> wake)
        : target_(target), password_(password), wake_(std::move(wake)) {}
    pg_recovery(const pg_recovery&) = delete;
    pg_recovery& operator=(const pg_recovery&) = delete;
    ~pg_recovery() { stop(); }

    void begin(pg_ownership own, bool is_undecided, std::string new_log_id);
    /// What it found, once.
    std::optional<outcome> take();
    /// Gives up soon, and waits for that.
    void stop();

    static constexpr milliseconds first_pause{100};
    static constexpr milliseconds longest_pause{2'000};

  private:
    void run(const pg_ownership& own, bool is_undecided, const std::string& new_log_id);
    bool pause(milliseconds length); ///< false: it is to end

    const pg_target& target_;
    const secret& password_;
    std::function<void()> wake_;
    std::atomic<bool> is_ended_{false};
    std::mutex mutex_;
    std::condition_variable ended_;
    std::optional<outcome> found_; ///< guarded by mutex_
    std::thread thread_;
};

} // namespace prooftrack::store
