#include "store/start_errors.hpp"

#include <fmt/format.h>

#include "store/store.hpp"

namespace prooftrack::store {

void throw_damaged(const std::filesystem::path& database, const std::string& why) {
    const std::string path = database.string();
    throw store_start_error(
        65,
        fmt::format(
            "the database {0} is damaged: {1}. Nothing was deleted. To restore: stop prooftrackd.socket and "
            "prooftrackd.service, move it aside (mv {0} {0}.damaged; mv {0}-wal {0}.damaged-wal if it is there), put "
            "the newest file of `prooftrackctl backup` in its place (cp BACKUP {0}; chmod 600 {0}; owned by the "
            "daemon's user), start both again, and import the ids that were added since. Without a backup, `sqlite3 "
            "{0}.damaged .dump` prints what can be read",
            path, why));
}

void throw_foreign(const std::filesystem::path& database, std::int64_t found_id) {
    throw store_start_error(
        65, fmt::format(
                "{0} is not a database of prooftrackd (application_id {1}): nothing was changed. Set "
                "store.path to another file, or restore the database from `prooftrackctl backup`",
                database.string(), found_id));
}

void throw_newer(const std::filesystem::path& database, std::int64_t found, std::int64_t newest) {
    const std::string path = database.string();
    throw store_start_error(
        65, fmt::format(
                "the database {0} has schema {1}, and this prooftrackd reads up to {2}: nothing was changed. "
                "Install the newer prooftrackd again, or go back to the copy made before the upgrade: stop "
                "prooftrackd.socket and prooftrackd.service; mv {0} {0}.v{1}; mv {0}-wal {0}.v{1}-wal if it "
                "is there; cp {0}.v{2}.bak {0}; start both, and import the ids that were added since",
                path, found, newest));
}

void throw_moved(const std::filesystem::path& database, const std::string& place) {
    throw store_start_error(
        65, fmt::format(
                "{0} was copied to PostgreSQL, {1}, which goes on from there (prooftrackd --copy-store): nothing was "
                "changed. Start prooftrackd with store.url. Only to go back to the file as it was then, without all "
                "that has happened since: `prooftrackd --unmark-moved {0}`",
                database.string(), place));
}

void throw_taken_away(const std::filesystem::path& database) {
    throw store_start_error(
        75, fmt::format(
                "{0} was moved or removed after prooftrackd had used or refused it, and no other "
                "stands there yet. Put it back, or the newest file of `prooftrackctl backup` in its place "
                "(stop prooftrackd.socket and prooftrackd.service first; cp BACKUP {0}; chmod 600 {0}; owned "
                "by the daemon's user). To begin with an empty database, remove {0}.lock",
                database.string()));
}

void throw_start_error(const std::filesystem::path& database, const sqlite_error& error) {
    const std::string what = error.describe("open the database " + database.string()).message();
    switch (error.primary()) {
    case SQLITE_FULL:
        throw store_start_error(75, what + ": make room and start again");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        throw store_start_error(75, what + ": another program (sqlite3?) has it open");
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
    case SQLITE_NOMEM:
    case SQLITE_IOERR:
        throw store_start_error(75, what);
    default:
        throw_damaged(database, error.what());
    }
}

} // namespace prooftrack::store
