#include "store/rewrite.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "store/connection.hpp"
#include "store/disk_space.hpp"
#include "store/start_errors.hpp"

namespace prooftrack::store {
namespace {

[[noreturn]] void refuse(const std::string& what) {
    throw store_start_error(75, fmt::format("{}: {}", what, std::strerror(errno)));
}

void require_whole(db_connection& db, const store_options& options) {
    const std::string verdict = db.ask_text(R"sql(PRAGMA integrity_check(1))sql");
    if (verdict != "ok") throw_damaged(options.path, verdict);
}

} // namespace

void rewrite_database(const store_options& options) {
    const std::filesystem::path fresh = beside(options.path, ".rewrite");
    {
        db_connection db(options.path, options.vfs);
        db.execute(R"sql(PRAGMA locking_mode = EXCLUSIVE)sql");
        if (db.ask_integer(R"sql(SELECT count(*) FROM sqlite_schema)sql") == 0) return;
        require_whole(db, options);
        if (!has_space_for_copy(options.path)) {
            throw store_start_error(
                75, fmt::format(
                        "{} must be written anew after an I/O error, and there is no room for that: make room "
                        "and start again",
                        options.path.string()));
        }
        const int made = ::open(fresh.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (made < 0) refuse("make " + fresh.string());
        ::close(made);
        statement rewrite(db.handle(), R"sql(VACUUM INTO ?)sql");
        rewrite.execute(fresh.string());
    }
    if (!sync_file(fresh)) refuse("sync " + fresh.string());
    {
        db_connection written(fresh, options.vfs);
        written.execute(R"sql(PRAGMA locking_mode = EXCLUSIVE)sql");
        require_whole(written, options);
        written.close();
    }
    // The old WAL belongs to the old file: beside the new one it would overwrite pages of it.
    const std::filesystem::path wal = beside(options.path, "-wal");
    struct stat info {};
    if (::stat(wal.c_str(), &info) == 0 && info.st_size != 0) {
        throw store_start_error(75, fmt::format("{} could not be folded into the database", wal.string()));
    }
    if (::unlink(wal.c_str()) != 0 && errno != ENOENT) refuse("remove " + wal.string());
    if (::rename(fresh.c_str(), options.path.c_str()) != 0) refuse("rename " + fresh.string());
    if (!sync_directory(directory_of(options.path))) refuse("sync " + directory_of(options.path).string());
}

} // namespace prooftrack::store
