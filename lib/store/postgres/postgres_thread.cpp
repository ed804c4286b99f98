#include "store/postgres/postgres_thread.hpp"

#include <cstring>
#include <utility>

#include <boost/asio/post.hpp>

#include "net/worker_thread.hpp"
#include "store/copy_database.hpp"

namespace prooftrack::store {
namespace {

constexpr std::chrono::seconds between_looks{1};
/// How long a stop waits for the fate of a commit.
constexpr std::chrono::seconds stop_patience{10};
constexpr milliseconds between_looks_at_a_stop{20};

} // namespace

postgres_thread::postgres_thread(
    boost::asio::any_io_executor loop, const postgres_options& options, pg_target target, opened_postgres opened,
    store_observer& observer)
    : queue_(std::move(loop), observer), options_(options), target_(std::move(target)),
      snapshots_(
          queue_.loop(), target_, options_.password,
          [alive = queue_.alive(), &observer](const op_error& why) {
              if (alive) observer.on_export_failed(why);
          }),
      db_(std::move(opened.db)), own_(std::move(opened.own)),
      recovery_(target_, options_.password, [this] { queue_.wake(); }) {
    thread_ = net::start_worker("store", [this] { run(); });
}

postgres_thread::~postgres_thread() {
    queue_.leave();
    thread_.join();
}

void postgres_thread::backup(store_handler<backup_file> handler) {
    const store_error why = queue_.if_open([] {}) ? store_error::not_a_file : store_error::stopped;
    boost::asio::post(
        queue_.loop(), [to_call = std::move(handler), why]() mutable { to_call(make_store_error(why, "back up")); });
}

void postgres_thread::read_copy(copy_task task, source_handler handler) {
    const char* const name = task.name;
    if (queue_.if_open([] {})) return snapshots_.request(std::move(task), std::move(handler));
    boost::asio::post(queue_.loop(), [refused = std::move(handler), name]() mutable {
        refused(make_store_error(store_error::stopped, name));
    });
}

void postgres_thread::close(unique_function<void()> closed) {
    snapshots_.give_up();
    queue_.close(std::move(closed));
}

void postgres_thread::run() {
    while (true) {
        operations batch = wait_for_work();
        if (is_away_) take_regained();
        if (!batch.empty()) run_batch(std::move(batch));
        look_at_link();
        if (!notices_.empty()) queue_.answer({}, std::exchange(notices_, {}));
        if (!queue_.is_over()) continue;
        if (undecided_.empty()) break;
        if (!patience_ends_) patience_ends_ = clock::now() + stop_patience;
        if (clock::now() >= *patience_ends_) give_up_waiting();
    }
    shut_down();
}

postgres_thread::operations postgres_thread::wait_for_work() {
    // A stop does not wait for operations any more.
    if (patience_ends_) std::this_thread::sleep_for(between_looks_at_a_stop);
    if (has_failed_) return queue_.wait(std::nullopt, false);
    return queue_.wait(clock::now() + between_looks, false);
}

void postgres_thread::run_batch(operations batch) {
    if (has_failed_) {
        for (const auto& each : batch) each->fail(make_store_error(store_error::failed, each->name()));
    } else if (is_away_) {
        refuse(batch, away_why_);
    } else {
        const auto began = clock::now();
        is_in_batch_ = batch.size() > 1;
        try {
            std::size_t writes = 0;
            for (const auto& each : batch) {
                run_one(*each);
                if (each->writes()) ++writes;
            }
            if (has_begun_) {
                const bool has_written = commit();
                const auto took = clock::now() - began;
                db_->pace.on_commit(took);
                notices_.emplace_back([took, writes](store_observer& observer) { observer.on_commit(took, writes); });
                if (has_written) set_state(track::store_state::ok, {});
            }
        } catch (const database_error& error) {
            undo(error, batch);
        }
    }
    if (!batch.empty()) queue_.answer(std::move(batch), std::exchange(notices_, {}));
}

void postgres_thread::run_one(operation& each) {
    if (each.writes() && !has_begun_) {
        begin_owned(*db_, own_);
        has_begun_ = true;
        posted_before_ = link().posted();
    }
    const bool has_savepoint = has_begun_ && is_in_batch_;
    if (has_savepoint) link().post(R"sql(SAVEPOINT operation)sql");
    db_->sums.mark();
    bool keep = false;
    try {
        keep = each.run(*db_);
        link().finish(); // what was only posted may have failed
    } catch (const database_error& error) {
        if (error.reach() != failure_reach::operation) throw;
        keep = false;
        each.fail(error.describe(each.name()));
    } catch (const std::exception& error) {
        keep = false;
        each.fail({make_error_code(boost::system::errc::state_not_recoverable), each.name(), error.what()});
    }
    if (!has_begun_) return;
    if (!keep) db_->sums.undo();
    if (has_savepoint) {
        if (!keep) link().post(R"sql(ROLLBACK TO SAVEPOINT operation)sql");
        link().post(R"sql(RELEASE SAVEPOINT operation)sql");
    } else if (!keep) {
        roll_back();
    }
}

/// True when it has written more than that it was there.
bool postgres_thread::commit() {
    db_->searched.flush(*db_->connection);
    db_->sums.flush(*db_->connection);
    link().finish();
    const bool has_written = link().posted() != posted_before_;
    if (options_.at_commit) options_.at_commit(commit_moment::before, link().socket());
    is_committing_ = true;
    link().post(R"sql(COMMIT)sql");
    link().send();
    if (options_.at_commit) options_.at_commit(commit_moment::sent, link().socket());
    const pg_result done = link().finish();
    is_committing_ = false;
    has_begun_ = false;
    if (!done || std::strcmp(PQcmdStatus(done.get()), R"sql(COMMIT)sql") != 0)
        throw postgres_error("40000", "PostgreSQL undid the transaction instead of committing it");
    ++own_.batch;
    return has_written;
}

void postgres_thread::roll_back() {
    has_begun_ = false;
    link().ask(R"sql(ROLLBACK)sql");
}

/// Answers the batch, unless nobody knows what became of it: then it is empty afterwards.
void postgres_thread::undo(const database_error& error, operations& batch) {
    const bool is_unknown = std::exchange(is_committing_, false) && error.reach() == failure_reach::link;
    db_->searched.forget();
    if (is_unknown) {
        has_begun_ = false;
        undecided_ = std::move(batch);
        batch.clear();
        return go_away(error);
    }
    if (error.reach() == failure_reach::store) {
        fail_for_good(error.what());
        for (const auto& each : batch) each->fail(make_store_error(store_error::failed, each->name(), error.what()));
        return;
    }
    try {
        if (error.reach() == failure_reach::link) throw postgres_error(state_link_lost, error.what());
        if (link().in_transaction()) roll_back();
        has_begun_ = false;
        db_->sums.load(*db_->connection);
    } catch (const database_error& second) {
        has_begun_ = false;
        go_away(second);
        return refuse(batch, away_why_);
    }
    const op_error why = error.describe("commit");
    if (why.code == store_error::full) set_state(track::store_state::full, why);
    for (const auto& each : batch) {
        if (each->writes()) {
            each->fail({why.code, each->name(), why.detail});
        } else {
            repeat(*each);
        }
    }
}

/// What it read may never have been committed.
void postgres_thread::repeat(operation& read) {
    if (is_away_) return read.fail({away_why_.code, read.name(), away_why_.detail});
    try {
        run_one(read);
    } catch (const database_error& error) {
        go_away(error);
        read.fail({away_why_.code, read.name(), away_why_.detail});
    }
}

void postgres_thread::refuse(operations& batch, const op_error& why) {
    for (const auto& each : batch) each->fail({why.code, each->name(), why.detail});
}

void postgres_thread::go_away(const database_error& error) {
    link().close(); // the server lets go of the lock
    is_away_ = true;
    away_why_ = make_store_error(store_error::unreachable, "commit", error.what());
    set_state(track::store_state::unreachable, away_why_);
    recovery_.begin(own_, !undecided_.empty(), make_log_id(db_->random.next()));
}

/// A connection that ends while nothing is asked is found here, before somebody waits for it.
void postgres_thread::look_at_link() {
    if (has_failed_ || is_away_ || link().is_alive()) return;
    go_away(postgres_error(state_link_lost, "the connection has ended"));
}

void postgres_thread::take_regained() {
    auto found = recovery_.take();
    if (!found) return;
    if (const auto* const why = std::get_if<std::string>(&*found)) {
        is_away_ = false;
        return fail_for_good(*why);
    }
    auto& regained = std::get<regained_link>(*found);
    db_->connection = std::make_unique<db_connection>(std::move(regained.link));
    is_away_ = false;
    decide(std::exchange(own_.batch, regained.batch) != regained.batch);
    try {
        db_->sums.load(*db_->connection);
        set_state(track::store_state::ok, {});
    } catch (const database_error& error) {
        go_away(error);
    }
}

/// The fate of the commit whose answer was lost.
void postgres_thread::decide(bool is_there) {
    operations decided = std::exchange(undecided_, {});
    if (decided.empty()) return;
    if (!is_there) refuse(decided, make_store_error(store_error::unreachable, "commit", "it was lost on the way"));
    queue_.answer(std::move(decided), std::exchange(notices_, {}));
}

void postgres_thread::give_up_waiting() {
    recovery_.stop();
    operations unknown = std::exchange(undecided_, {});
    refuse(
        unknown, make_store_error(
                     store_error::failed, "commit",
                     "PostgreSQL was lost during the commit and has not come back: it may be there or not"));
    queue_.answer(std::move(unknown), std::exchange(notices_, {}));
}

void postgres_thread::fail_for_good(const std::string& why) {
    if (std::exchange(has_failed_, true)) return;
    const op_error said = make_store_error(store_error::taken_over, "commit", why);
    notices_.emplace_back([said](store_observer& observer) { observer.on_fatal(said); });
    operations unknown = std::exchange(undecided_, {});
    refuse(unknown, make_store_error(store_error::failed, "commit", why));
    if (!unknown.empty()) queue_.answer(std::move(unknown), std::exchange(notices_, {}));
    link().close(); // and with it the lock
}

void postgres_thread::set_state(track::store_state state, op_error why) {
    if (std::exchange(state_, state) == state) return;
    notices_.emplace_back(
        [state, reason = std::move(why)](store_observer& observer) { observer.on_state(state, reason); });
}

void postgres_thread::shut_down() {
    recovery_.stop();
    db_.reset();
    queue_.end();
}

} // namespace prooftrack::store
