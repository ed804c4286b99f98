#include "store/copy_database.hpp"

#include <cerrno>
#include <random>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/expects.hpp"
#include "store/disk_space.hpp"

namespace prooftrack::store {
namespace {

constexpr int pages_a_step = 32;
constexpr int steps_between_flushes = 8; // 1 MiB

/// Before the log_id of a copy: a start with it makes another one.
constexpr const char* copy_mark = "copy-";

[[noreturn]] void throw_system(const char* operation) {
    throw sqlite_error(errno == ENOSPC || errno == EDQUOT ? SQLITE_FULL : SQLITE_CANTOPEN, operation, errno);
}

} // namespace

database_copy::database_copy(db_connection& from, std::filesystem::path to, const std::string& vfs)
    : path_(std::move(to)), from_(from) {
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor_ < 0) throw_system("make the copy's file");
    try {
        to_ = std::make_unique<db_connection>(path_, vfs);
        to_->execute(R"sql(
            PRAGMA locking_mode = EXCLUSIVE;
            PRAGMA journal_mode = MEMORY;
            PRAGMA synchronous = OFF;
        )sql");
        backup_ = sqlite3_backup_init(to_->handle(), "main", from.handle(), "main");
        if (backup_ == nullptr) throw sqlite_error(to_->handle(), sqlite3_extended_errcode(to_->handle()));
    } catch (...) {
        to_.reset();
        ::close(descriptor_);
        ::unlink(path_.c_str());
        throw;
    }
}

database_copy::~database_copy() {
    if (backup_ != nullptr) sqlite3_backup_finish(backup_);
    to_.reset();
    ::close(descriptor_);
    if (!is_finished_) ::unlink(path_.c_str());
}

bool database_copy::step(std::chrono::milliseconds budget) {
    expects(backup_ != nullptr, "database_copy: everything is copied already");
    expects(!from_.in_transaction(), "database_copy: a step inside a transaction");
    const auto until = std::chrono::steady_clock::now() + budget;
    do {
        const int code = sqlite3_backup_step(backup_, pages_a_step);
        if (code == SQLITE_DONE) {
            const int ended = sqlite3_backup_finish(std::exchange(backup_, nullptr));
            if (ended != SQLITE_OK) throw sqlite_error(to_->handle(), ended);
            return true;
        }
        if (code != SQLITE_OK) throw sqlite_error(code, sqlite3_errstr(code), sqlite3_system_errno(to_->handle()));
        // Written out little by little: else the sync at the end, or the kernel when it likes, makes a commit's own
        // sync wait behind gigabytes.
        if (++steps_ % steps_between_flushes == 0) ::sync_file_range(descriptor_, 0, 0, SYNC_FILE_RANGE_WRITE);
    } while (std::chrono::steady_clock::now() < until);
    return false;
}

/// The copied header says WAL: without it the copy is one file that can be carried away.
void database_copy::leave_wal_mode() {
    if (to_->ask_text(R"sql(PRAGMA journal_mode = DELETE)sql") != "delete")
        throw sqlite_error(SQLITE_ERROR, "the copy stays in WAL mode");
}

std::unique_ptr<db_connection> database_copy::take() {
    expects(backup_ == nullptr && to_ != nullptr, "database_copy: taken before the last step, or twice");
    leave_wal_mode();
    ::unlink(path_.c_str());
    ::unlink((path_.string() + "-journal").c_str()); // of leaving that mode: kept until the connection is closed
    is_finished_ = true;
    return std::move(to_);
}

std::uint64_t database_copy::finish(const std::string& log_id) {
    expects(backup_ == nullptr && to_ != nullptr, "database_copy: finished before the last step, or twice");
    to_->end_when(is_cancelled_);
    leave_wal_mode();
    {
        statement rename_log(to_->handle(), R"sql(UPDATE counters SET log_id = ? WHERE one = 1)sql");
        rename_log.execute(copy_mark + log_id);
    }
    const std::string verdict = to_->ask_text(R"sql(PRAGMA quick_check(1))sql");
    if (verdict != "ok") throw sqlite_error(SQLITE_CORRUPT, "the copy is damaged: " + verdict);
    to_->close();
    to_.reset();
    if (!sync_file(path_) || !sync_directory(directory_of(path_))) throw_system("sync the copy");
    is_finished_ = true;
    return measure_disk(path_).db_bytes;
}

std::uint64_t mix_seed(std::uint64_t seed) {
    std::random_device device;
    return seed ^ (std::uint64_t{device()} << 32U) ^ device();
}

std::string make_log_id(std::uint64_t random) { return fmt::format("{:016x}", random); }

void begin_own_log(db_connection& db, const std::string& log_id) {
    statement rename_log(db.handle(), R"sql(
        UPDATE counters
        SET log_id = ?
        WHERE one = 1 AND substr(log_id, 1, 5) = ?
    )sql");
    rename_log.execute(log_id, copy_mark);
}

void remove_unfinished_copies(const std::filesystem::path& database) {
    const std::string name = database.filename().string();
    std::error_code error;
    std::vector<std::filesystem::path> leftovers;
    for (const auto& entry : std::filesystem::directory_iterator(directory_of(database), error)) {
        const std::string each = entry.path().filename().string();
        const bool is_backup = each.rfind(name + ".backup-", 0) == 0;
        const bool is_part =
            each.rfind(name + ".v", 0) == 0 && each.size() > 9 && each.substr(each.size() - 9) == ".bak.part";
        if (is_backup || is_part || each == name + ".rewrite") leftovers.push_back(entry.path());
    }
    for (const auto& each : leftovers) std::filesystem::remove(each, error);
}

} // namespace prooftrack::store
