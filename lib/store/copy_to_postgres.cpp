#include "store/copy_to_postgres.hpp"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "store/copied_tables.hpp"
#include "store/copy_database.hpp"
#include "store/lock_file.hpp"
#include "store/moved_mark.hpp"
#include "store/open_database.hpp"
#include "store/postgres/copy_target.hpp"
#include "store/start_errors.hpp"
#include "store/totals.hpp"

namespace prooftrack::store {
namespace {

/// The file under its lock.
struct locked_file {
    explicit locked_file(const std::filesystem::path& file) : path(file) {
        std::error_code error;
        if (!std::filesystem::is_regular_file(file, error))
            throw store_start_error(64, fmt::format("{}: there is no such file", file.string()));
        lock = std::make_unique<lock_file>(file);
        db = std::make_unique<db_connection>(file, "");
        db->execute(R"sql(PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; PRAGMA query_only = ON)sql");
    }

    void may_write() { db->execute(R"sql(PRAGMA query_only = OFF)sql"); }

    std::filesystem::path path;
    std::unique_ptr<lock_file> lock; ///< outlives the connection
    std::unique_ptr<db_connection> db;
};

[[noreturn]] void ask_for_a_start(const locked_file& source, const std::string& why) {
    throw store_start_error(
        75, fmt::format(
                "{} {}: start this prooftrackd once on the file, stop it, and copy then (nothing was changed)",
                source.path.string(), why));
}

void require_ready(locked_file& source) {
    db_connection& db = *source.db;
    if (db.ask_integer(R"sql(PRAGMA application_id)sql") == application_id) {
        if (const auto place = where_moved(db)) {
            throw store_start_error(
                1, fmt::format("{} was copied before, to {}: nothing was changed", source.path.string(), *place));
        }
    }
    require_ours(db, source.path);
    if (db.ask_integer(R"sql(PRAGMA user_version)sql") < schema_version)
        ask_for_a_start(source, "is of an older prooftrackd");
    require_whole(db, source.path);
    if (source.lock->is_marked()) ask_for_a_start(source, "was left after a disk error and must be checked first");
    if (db.ask_text(R"sql(SELECT log_id FROM counters)sql").starts_with("copy-"))
        ask_for_a_start(source, "is a backup, whose log has no name of its own yet");
}

/// Runs what works on the file, and says what its errors mean.
template <class Work>
auto explained(const std::filesystem::path& file, Work work) {
    try {
        return work();
    } catch (const sqlite_error& error) {
        throw_start_error(file, error);
    } catch (const std::out_of_range&) {
        throw_damaged(file, "its counts are out of range");
    }
}

class copying {
  public:
    copying(locked_file& source, copy_target& target, const std::function<void(const copy_progress&)>& on_progress)
        : source_(source), target_(target), on_progress_(on_progress) {}

    copy_report run() {
        report_.log_id = source_.db->ask_text(R"sql(SELECT log_id FROM counters)sql");
        report_.place = target_.place();
        const std::string former = target_.former_copy();
        if (!former.empty()) {
            compare_with(former);
        } else {
            target_.require_unused();
            for (const copied_table& table : copied_tables()) copy(table);
            target_.finish(all_.finish(), [this](std::string_view table) { progress({table, 0, true}); });
        }
        source_.may_write();
        mark_moved(*source_.db, report_.place);
        source_.db->close();
        return std::move(report_);
    }

  private:
    void progress(const copy_progress& now) const {
        if (on_progress_) on_progress_(now);
    }

    /// Gives each piece of the table to `take`, and adds up.
    template <class Take>
    void read(const copied_table& table, Take take) {
        row_stream rows(*source_.db, table);
        running_digest digest;
        take([&](std::string& piece) {
            if (!rows.next(piece)) return false;
            digest.add(piece);
            progress({table.name, rows.rows(), false});
            return true;
        });
        report_.rows[table.name] = rows.rows();
        digests_.push_back(digest.finish());
        all_.add(digests_.back());
    }

    void copy(const copied_table& table) {
        read(table, [&](const auto& next) { target_.take(table, next); });
        target_.expect(table, report_.rows[table.name], digests_.back());
    }

    void compare_with(const std::string& former) {
        for (const copied_table& table : copied_tables()) {
            read(table, [](const auto& next) {
                std::string piece;
                while (next(piece)) piece.clear();
            });
        }
        if (all_.finish() != former) {
            throw store_start_error(
                1, fmt::format(
                       "{} holds a copy of another database, or of {} as it was before it changed again: nothing was "
                       "changed. Give store.url an empty database",
                       report_.place, source_.path.string()));
        }
        report_.was_complete = true;
    }

    locked_file& source_;
    copy_target& target_;
    const std::function<void(const copy_progress&)>& on_progress_;
    copy_report report_;
    running_digest all_;
    std::vector<std::string> digests_;
};

} // namespace

copy_report copy_to_postgres(
    const std::filesystem::path& file, const postgres_options& target,
    const std::function<void(const copy_progress&)>& on_progress) {
    return explained(file, [&] {
        locked_file source(file);
        require_ready(source);
        copy_target into(target);
        return into.explained([&] { return copying(source, into, on_progress).run(); });
    });
}

unmark_report unmark_moved_file(const std::filesystem::path& file) {
    return explained(file, [&] {
        locked_file source(file);
        db_connection& db = *source.db;
        const std::int64_t found_id = db.ask_integer(R"sql(PRAGMA application_id)sql");
        if (found_id != application_id) throw_foreign(file, found_id);
        unmark_report report{where_moved(db).value_or(""), {}};
        if (report.place.empty()) return report;
        report.log_id = make_log_id(mix_seed(1));
        source.may_write();
        unmark_moved(db, report.log_id);
        db.close();
        return report;
    });
}

} // namespace prooftrack::store
