#pragma once

// An SQLite VFS over real files that loses power and fails on demand.
//
// What is written reaches the real file at once; beside it the disk remembers what has been synced. After a cut nothing
// works any more, and `restore` leaves in the files what a machine may find: everything synced, and of the rest any
// part of it, down to single sectors of 512 bytes. Syncs cost nothing.

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <sqlite3.h>

#include "base/random.hpp"

namespace prooftrack {

class power_loss_disk {
  public:
    enum class moment : std::uint8_t { before, after };

    /// Registers the VFS `name`. One disk a name; it goes when every file is closed: the thread of an export closes its
    /// copy a little later than the store goes.
    explicit power_loss_disk(std::string name);
    power_loss_disk(const power_loss_disk&) = delete;
    power_loss_disk& operator=(const power_loss_disk&) = delete;
    ~power_loss_disk();

    const std::string& name() const { return name_; }
    std::uint64_t syncs() const;
    std::uint64_t writes() const;

    /// The n-th sync from now (from 1) is the last thing before (or right after) which the power fails.
    void cut_at_sync(std::uint64_t n, moment when);
    /// The same for a write.
    void cut_at_write(std::uint64_t n);
    bool is_cut() const;
    /// Power comes back: the files hold what survived. All files must be closed.
    void restore(std::uint64_t seed);

    /// The n-th sync (write) from now fails with an extended code, once.
    void fail_sync(std::uint64_t n, int code);
    void fail_write(std::uint64_t n, int code);
    void clear_faults();
    /// While true every write fails with SQLITE_FULL.
    void set_full(bool full);
    /// While set every write, truncation and sync fails with it (a file system that turned read-only).
    void set_broken(std::optional<int> code);

    // For the VFS's functions.
    struct change {
        sqlite3_int64 offset = 0;
        std::string bytes; ///< written at offset; for a truncation empty
        bool is_truncation = false;
    };
    struct file_state {
        std::string durable;
        bool existed = false; ///< its name is durable
        bool is_deleted = false;
        bool syncs_directory = false; ///< a new journal or WAL: SQLite syncs the directory with its first sync
        std::vector<change> pending;
        int handles = 0;
    };
    /// SQLITE_OK, or what the operation has to return instead of working.
    int before_write();
    int before_sync();
    int before_other() const;
    void after_sync();
    file_state* opened(const std::string& path, bool existed, bool is_journal);
    void closed(file_state* state);
    void written(file_state& state, change what);
    void synced(file_state& state);
    void deleted(const std::string& path, bool is_durable);
    sqlite3_vfs* below() const { return below_; }

  private:
    struct planned {
        std::uint64_t n = 0;
        int code = 0;
    };
    std::string name_;
    sqlite3_vfs* below_;
    sqlite3_vfs vfs_{};
    mutable std::mutex mutex_;
    std::condition_variable all_closed_;
    int open_ = 0; ///< handles of files with a name
    std::map<std::string, file_state> files_;
    std::uint64_t syncs_ = 0;
    std::uint64_t writes_ = 0;
    std::optional<std::pair<std::uint64_t, moment>> cut_sync_;
    std::optional<std::uint64_t> cut_write_;
    std::optional<planned> failing_sync_;
    std::optional<planned> failing_write_;
    std::optional<int> broken_;
    bool is_full_ = false;
    bool is_cut_ = false;
};

} // namespace prooftrack
