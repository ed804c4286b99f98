#include "store/database_place.hpp"

#include <cerrno>

#include <sys/stat.h>

#include <fmt/format.h>

#include "store/disk_space.hpp"

namespace prooftrack::store {
namespace {

bool is_same(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

} // namespace

void database_place::remember(const std::filesystem::path& path, db_connection& db) {
    path_ = path;
    // Where SQLite has it: behind a symbolic link to the database it is beside the link's target.
    log_path_ = sqlite3_filename_wal(sqlite3_db_filename(db.handle(), "main"));
    const auto identify = [](const std::filesystem::path& file) {
        struct stat info {};
        // A file that is gone already gets a number that no file has: the first check reports it.
        return ::stat(file.c_str(), &info) == 0 ? identity{info.st_dev, info.st_ino} : identity{};
    };
    file_ = identify(path_);
    log_ = identify(log_path_);
    remember_content(db);
}

void database_place::remember_content(db_connection& db) {
    struct stat info {};
    knows_content_ = ::stat(path_.c_str(), &info) == 0 && read_header(db, header_);
    stamp_ = {info.st_size, info.st_mtim};
}

std::optional<database_place::finding> database_place::look(db_connection& db) {
    stamp now = stamp_;
    stamp ignored;
    const seen file = look_at(path_, file_, now);
    const seen log = look_at(log_path_, log_, ignored);
    if (file != seen::same || log != seen::same) {
        const std::string name = (file != seen::same ? path_ : log_path_).string();
        const seen found = file != seen::same ? file : log;
        std::string text = found == seen::nothing
                               ? fmt::format("{} was moved or removed while it was in use", name)
                               : fmt::format("{} was moved while it was in use, and another file stands there", name);
        return finding{change::taken_away, std::move(text), log == seen::another};
    }
    if (!knows_content_ || (now.size == stamp_.size && is_same(now.written, stamp_.written))) return std::nullopt;
    header found{};
    if (read_header(db, found) && found == header_) {
        stamp_ = now; // only its time was set
        return std::nullopt;
    }
    return finding{change::overwritten, fmt::format("{} was overwritten while it was in use", path_.string())};
}

database_place::seen database_place::look_at(const std::filesystem::path& file, const identity& known, stamp& now) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? seen::nothing : seen::same;
    now = {info.st_size, info.st_mtim};
    return info.st_dev == known.device && info.st_ino == known.number ? seen::same : seen::another;
}

/// Through SQLite's own descriptor: one of ours would drop SQLite's locks on the file when it is closed.
bool database_place::read_header(db_connection& db, header& into) {
    sqlite3_file* file = nullptr;
    if (sqlite3_file_control(db.handle(), "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || file == nullptr ||
        file->pMethods == nullptr) {
        return false;
    }
    return file->pMethods->xRead(file, into.data(), static_cast<int>(into.size()), 0) == SQLITE_OK;
}

} // namespace prooftrack::store
