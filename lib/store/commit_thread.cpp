#include "store/commit_thread.hpp"

#include <algorithm>
#include <cstdio>

#include <unistd.h>

#include <boost/asio/post.hpp>

#include "net/worker_thread.hpp"
#include "store/disk_space.hpp"

namespace prooftrack::store {
namespace {

constexpr std::chrono::milliseconds backup_step_when_idle{10};
constexpr std::chrono::milliseconds backup_step_when_busy{2};
constexpr std::chrono::seconds between_looks{2};
/// A full disk has recovered when commits wrote for so long without meeting its end, however little is free.
constexpr std::chrono::seconds enough_without_full{60};

} // namespace

commit_thread::commit_thread(
    boost::asio::any_io_executor loop, std::unique_ptr<database> db, std::unique_ptr<lock_file> lock,
    store_observer& observer)
    : queue_(std::move(loop), observer), backups_(queue_.loop(), [this] { queue_.wake(); }),
      exports_(
          queue_.loop(),
          [alive = queue_.alive(), &observer](const op_error& why) {
              if (alive) observer.on_export_failed(why);
          }),
      db_(std::move(db)), lock_(std::move(lock)) {
    checkpoints_.watch(*db_->connection);
    place_.remember(db_->path, *db_->connection);
    next_look_ = checkpointer::clock::now() + between_looks;
    thread_ = net::start_worker("store", [this] { run(); });
}

commit_thread::~commit_thread() {
    queue_.leave();
    thread_.join();
}

void commit_thread::backup(store_handler<backup_file> handler) {
    const bool is_taken = queue_.if_open([&] {
        backups_.request([work = queue_.keep_running(), to_call = std::move(handler)](
                             op_result<backup_file> outcome) mutable { to_call(std::move(outcome)); });
    });
    if (is_taken) return;
    boost::asio::post(queue_.loop(), [refused = std::move(handler)]() mutable {
        refused(make_store_error(store_error::stopped, "back up"));
    });
}

void commit_thread::read_copy(copy_task task, source_handler handler) {
    const char* const name = task.name;
    if (queue_.if_open([&] { exports_.request(std::move(task), std::move(handler)); })) return;
    boost::asio::post(queue_.loop(), [refused = std::move(handler), name]() mutable {
        refused(make_store_error(store_error::stopped, name));
    });
}

void commit_thread::run() {
    while (true) {
        operations batch = wait_for_work();
        if (!batch.empty()) run_batch(std::move(batch));
        look_at_place();
        step_copies();
        checkpoint();
        if (queue_.is_over()) break;
    }
    shut_down();
}

commit_thread::operations commit_thread::wait_for_work() {
    const bool is_copying = backups_.is_copying() || exports_.is_copying();
    if (has_failed_) return queue_.wait(std::nullopt, is_copying);
    return queue_.wait(std::min(checkpoints_.next_due().value_or(next_look_), next_look_), is_copying);
}

void commit_thread::run_batch(operations batch) {
    const auto began = std::chrono::steady_clock::now();
    try {
        std::size_t writes = 0;
        for (const auto& each : batch) {
            run_one(*each);
            if (each->writes()) ++writes;
        }
        if (!has_failed_ && db_->connection->in_transaction()) {
            const std::uint64_t written_before = checkpoints_.written_commits();
            commit();
            const bool has_written = checkpoints_.written_commits() != written_before;
            const auto took = std::chrono::steady_clock::now() - began;
            db_->pace.on_commit(took);
            notices_.emplace_back([took, writes](store_observer& observer) { observer.on_commit(took, writes); });
            if (has_written) end_full();
        }
    } catch (const sqlite_error& error) {
        undo_batch(error, batch);
    }
    // After the commit: what was committed into a file that has been moved meanwhile must not be acknowledged.
    if (stop_if_moved()) {
        for (const auto& each : batch) each->fail(make_store_error(store_error::moved, each->name()));
    }
    queue_.answer(std::move(batch), std::exchange(notices_, {}));
}

void commit_thread::run_one(operation& each) {
    if (has_failed_) {
        each.fail(make_store_error(store_error::failed, each.name()));
        return;
    }
    if (each.writes()) {
        run_write(each);
        return;
    }
    try {
        each.run(*db_);
    } catch (const sqlite_error& error) {
        if (error.reach() != failure_reach::operation) throw;
        each.fail(error.describe(each.name()));
    } catch (const std::exception& error) {
        each.fail({make_error_code(boost::system::errc::state_not_recoverable), each.name(), error.what()});
    }
}

void commit_thread::run_write(operation& each) {
    db_connection& db = *db_->connection;
    if (!db.in_transaction()) db_->sql(R"sql(BEGIN IMMEDIATE)sql").execute();
    db_->sql(R"sql(SAVEPOINT operation)sql").execute();
    db_->sums.mark();
    bool keep = false;
    try {
        keep = each.run(*db_);
    } catch (const sqlite_error& error) {
        if (error.reach() != failure_reach::operation || !db.in_transaction()) throw;
        each.fail(error.describe(each.name()));
    } catch (const std::exception& error) {
        each.fail({make_error_code(boost::system::errc::state_not_recoverable), each.name(), error.what()});
    }
    if (!keep) {
        db_->sql(R"sql(ROLLBACK TO operation)sql").execute();
        db_->sums.undo();
    }
    db_->sql(R"sql(RELEASE operation)sql").execute();
}

void commit_thread::commit() {
    db_->searched.flush(*db_->connection);
    db_->sums.flush(*db_->connection);
    db_->sql(R"sql(COMMIT)sql").execute();
}

void commit_thread::undo_batch(const sqlite_error& error, operations& batch) {
    // FULL, IOERR and NOMEM may have rolled back already: only SQLite knows.
    db_->searched.forget();
    try {
        if (db_->connection->in_transaction()) db_->sql(R"sql(ROLLBACK)sql").execute();
        if (error.reach() != failure_reach::store) db_->sums.load(*db_->connection);
    } catch (const sqlite_error& second) {
        fail_for_good(second, "roll back");
    }
    if (error.reach() == failure_reach::store) fail_for_good(error, "commit");
    if (!has_failed_ && error.reach() == failure_reach::batch)
        set_state(track::store_state::full, error.describe("commit"));
    for (const auto& each : batch) {
        if (has_failed_) {
            each->fail(make_store_error(store_error::failed, each->name(), error.what()));
        } else if (!each->writes()) {
            try {
                run_one(*each); // what it read may never have been committed
            } catch (const sqlite_error& again) {
                fail_for_good(again, each->name());
                each->fail(make_store_error(store_error::failed, each->name(), again.what()));
            }
        } else if (error.reach() == failure_reach::batch) {
            each->fail(make_store_error(store_error::full, each->name(), error.what()));
        } else {
            each->fail(error.describe(each->name()));
        }
    }
}

void commit_thread::fail_for_good(const sqlite_error& error, const char* operation) {
    if (std::exchange(has_failed_, true)) return;
    if (error.doubts_file()) lock_->mark();
    abort_copies(store_error::failed);
    db_->connection->forbid_checkpoint_on_close();
    notices_.emplace_back([what = error.describe(operation)](store_observer& observer) { observer.on_fatal(what); });
}

/// True when the files are no longer what they were: the store has failed then.
bool commit_thread::stop_if_moved() {
    if (has_failed_) return false;
    next_look_ = checkpointer::clock::now() + between_looks;
    const auto found = place_.look(*db_->connection);
    if (!found) return false;
    has_failed_ = true;
    abort_copies(store_error::moved);
    leave(*found);
    notices_.emplace_back([why = make_store_error(store_error::moved, "look at the database file", found->text)](
                              store_observer& observer) { observer.on_fatal(why); });
    return true;
}

void commit_thread::look_at_place() {
    if (has_failed_ || checkpointer::clock::now() < next_look_) return;
    if (stop_if_moved()) queue_.answer({}, std::exchange(notices_, {}));
}

/// Nothing may be left that would spoil the file which stands there now, or comes: SQLite would fold our write-ahead
/// log into it, whatever file that is.
void commit_thread::leave(const database_place::finding& found) {
    db_->connection->forbid_checkpoint_on_close();
    lock_->mark_taken_away();
    // Into the file that was moved, wherever it is: it is whole then. Of one that was removed the log is the last copy.
    if (found.what == database_place::change::taken_away) checkpoints_.fold(*db_->connection);
    if (found.log_is_a_stranger) return;
    const std::filesystem::path& log = place_.log();
    const std::string name = log.string();
    std::rename(name.c_str(), (name.substr(0, name.size() - std::string_view("-wal").size()) + ".old-wal").c_str());
    sync_directory(directory_of(log));
}

void commit_thread::set_state(track::store_state state, op_error why) {
    if (state == track::store_state::full) last_full_ = checkpointer::clock::now();
    if (std::exchange(state_, state) == state) return;
    notices_.emplace_back(
        [state, reason = std::move(why)](store_observer& observer) { observer.on_state(state, reason); });
}

/// A transaction that changed nothing proves nothing, and one row that fits does not mean that the next one will;
/// but what has been written for a while without meeting the end is enough, however little is free.
void commit_thread::end_full() {
    if (state_ != track::store_state::full) return;
    const bool has_lasted = checkpointer::clock::now() - last_full_ >= enough_without_full;
    if (has_lasted || has_recovery_space(db_->path)) set_state(track::store_state::ok, {});
}

void commit_thread::step_copies() {
    if (has_failed_) return abort_copies(store_error::failed);
    const auto budget = queue_.has_more() ? backup_step_when_busy : backup_step_when_idle;
    backups_.step(*db_, budget);
    exports_.step(*db_, budget);
}

/// Those that read this database still.
void commit_thread::abort_copies(store_error why) {
    backups_.abort(why, false);
    exports_.abort(why);
}

void commit_thread::checkpoint() {
    const auto now = checkpointer::clock::now();
    if (has_failed_ || !checkpoints_.is_due(now)) return;
    if (stop_if_moved()) return queue_.answer({}, std::exchange(notices_, {}));
    try {
        checkpoints_.run(*db_->connection, now);
        place_.remember_content(*db_->connection);
    } catch (const sqlite_error& error) {
        fail_for_good(error, "checkpoint");
        queue_.answer({}, std::exchange(notices_, {}));
    }
}

void commit_thread::shut_down() {
    backups_.abort(store_error::stopped, true);
    exports_.abort(store_error::stopped);
    if (!has_failed_) {
        if (const auto found = place_.look(*db_->connection)) leave(*found);
    }
    try {
        db_->connection->close();
    } catch (const sqlite_error&) {
        // Everything is in the WAL: the next start folds it in.
    }
    db_.reset();
    lock_.reset();
    queue_.end();
}

} // namespace prooftrack::store
