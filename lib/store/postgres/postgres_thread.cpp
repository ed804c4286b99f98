#include "store/postgres/postgres_thread.hpp"

#include <cstring>
#include <utility>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "net/worker_thread.hpp"
#include "store/copy_database.hpp"
#include "store/postgres/pg_membership.hpp"

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
      recovery_(target_, options_.password, [this] { queue_.wake(); }), held_as_(own_.boot),
      identity_(own_.node, own_.boot),
      cluster_({queue_, target_, options_.password, options_.version, identity_, options_.seed}) {
    thread_ = net::start_worker("store", [this] { run(); });
}

postgres_thread::~postgres_thread() {
    cluster_.open_gate();
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
    if (has_failed_ || is_away_) {
        for (const auto& each : batch) refuse_or_run(*each);
        return queue_.answer(std::move(batch), std::exchange(notices_, {}));
    }
    const auto began = clock::now();
    is_in_batch_ = batch.size() > 1;
    try {
        std::size_t writes = 0;
        for (const auto& each : batch) {
            run_one(*each);
            if (each->writes()) ++writes;
        }
        const bool is_commit = open_ == open_transaction::writing;
        end_transaction();
        if (is_commit) {
            const auto took = clock::now() - began;
            db_->pace.on_commit(took);
            notices_.emplace_back([took, writes](store_observer& observer) { observer.on_commit(took, writes); });
        }
    } catch (const database_error& error) {
        undo(error, batch);
    }
    if (!batch.empty()) queue_.answer(std::move(batch), std::exchange(notices_, {}));
}

/// Without the database.
void postgres_thread::refuse_or_run(operation& each) {
    if (each.is_local()) {
        each.run(*db_);
    } else if (has_failed_) {
        each.fail(make_store_error(store_error::failed, each.name()));
    } else {
        each.fail({away_why_.code, each.name(), away_why_.detail});
    }
}

void postgres_thread::run_one(operation& each) {
    if (each.is_local()) {
        each.run(*db_);
        return;
    }
    if (each.writes()) {
        begin_writing();
    } else {
        begin_reading();
    }
    const bool has_savepoint = open_ == open_transaction::writing && is_in_batch_;
    if (has_savepoint) link().post(R"sql(SAVEPOINT operation)sql");
    db_->sums.mark();
    db_->mail.mark();
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
    if (!keep) {
        db_->sums.undo();
        db_->mail.undo();
    }
    if (has_savepoint) {
        if (!keep) link().post(R"sql(ROLLBACK TO SAVEPOINT operation)sql");
        link().post(R"sql(RELEASE SAVEPOINT operation)sql");
    } else if (!keep) {
        roll_back();
    }
}

/// What was held by a start that was taken for gone may be another node's, before the loop has heard of it. And nobody
/// has reckoned with its figures meanwhile (forget_idle_lanes). Gives the start as which is written, "" = none.
std::string postgres_thread::follow_identity() {
    std::string boot = identity_.boot();
    if (boot.empty() || boot == held_as_) return boot;
    held_as_ = boot;
    db_->held.reset();
    has_to_load_ = true;
    return boot;
}

/// Waits for the turn. The figures in memory are exact then.
void postgres_thread::begin_writing() {
    if (open_ == open_transaction::writing) return;
    end_transaction();
    const std::string boot = follow_identity();
    if (boot.empty()) throw postgres_error(std::string(state_fenced), "this node is not a member at the moment");
    if (boot != own_.boot) {
        const auto batch = last_batch(*db_, own_.node, boot);
        if (!batch) throw postgres_error(std::string(state_fenced), "this node is not a member any more");
        own_.boot = boot; // both or none: by both it is decided whether the database was set back
        own_.batch = *batch;
        link().ask(fmt::format(R"sql(SET application_name = '{}')sql", session_name(boot)));
    }
    open_ = open_transaction::writing;
    commit_ = begin_owned(*db_, own_);
    follow_others(commit_ - 1);
    posted_before_ = link().posted();
    last_row_before_ = db_->sums.last_transaction_row();
    last_event_before_ = db_->sums.last_event();
}

/// One state of the database for everything that is read until the next change.
void postgres_thread::begin_reading() {
    if (open_ != open_transaction::none) return;
    follow_identity();
    open_ = open_transaction::reading;
    link().post(R"sql(BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY)sql");
    static constexpr sql_literal last_commit = R"sql(
        SELECT batch
        FROM prooftrackd
        WHERE one = 1
    )sql";
    std::int64_t last = 0;
    {
        query row = db_->sql(last_commit).select();
        if (row.next()) last = row.integer(0);
    }
    follow_others(last);
}

/// What this daemon did not commit itself is read again.
void postgres_thread::follow_others(std::int64_t last) {
    if (has_to_load_) {
        db_->sums.load(*db_->connection);
        has_to_load_ = false;
    } else if (last != own_.commit) {
        db_->sums.refresh(*db_->connection, own_.commit);
    } else {
        return;
    }
    db_->searched.forget();
    own_.commit = last;
    require_same_log();
}

/// Another node has found that the database was set back: connecting anew tells, and it is over.
void postgres_thread::require_same_log() {
    if (db_->sums.log_id() != own_.log_id) throw postgres_error(state_link_lost, "the log has another log_id now");
}

void postgres_thread::end_transaction() {
    const open_transaction before = open_;
    if (before == open_transaction::reading) {
        open_ = open_transaction::none;
        link().post(R"sql(COMMIT)sql");
        link().finish();
    } else if (before == open_transaction::writing) {
        if (commit()) set_state(track::store_state::ok, {});
    }
}

/// True when it has written more than that it was there.
bool postgres_thread::commit() {
    db_->searched.flush(*db_->connection);
    const bool has_mail = !db_->mail.empty();
    db_->mail.flush(*db_->connection, db_->sums);
    db_->sums.flush(*db_->connection, commit_);
    link().finish();
    const bool has_written = link().posted() != posted_before_;
    if (options_.at_commit) options_.at_commit(commit_moment::before, link().socket());
    is_committing_ = true;
    link().post(R"sql(COMMIT)sql");
    link().send();
    if (options_.at_commit) options_.at_commit(commit_moment::sent, link().socket());
    const pg_result done = link().finish();
    is_committing_ = false;
    open_ = open_transaction::none;
    if (!done || std::strcmp(PQcmdStatus(done.get()), R"sql(COMMIT)sql") != 0)
        throw postgres_error("40000", "PostgreSQL undid the transaction instead of committing it");
    ++own_.batch;
    own_.commit = commit_;
    const bool is_news = has_mail || db_->sums.last_transaction_row() != last_row_before_ ||
                         db_->sums.last_event() != last_event_before_;
    if (is_news) cluster_.notify_others();
    return has_written;
}

void postgres_thread::roll_back() {
    open_ = open_transaction::none;
    link().ask(R"sql(ROLLBACK)sql");
}

/// Answers the batch, unless nobody knows what became of it: then it is empty afterwards.
void postgres_thread::undo(const database_error& error, operations& batch) {
    const bool is_unknown = std::exchange(is_committing_, false) && error.reach() == failure_reach::link;
    db_->searched.forget();
    db_->mail.forget();
    open_ = open_transaction::none;
    if (is_unknown) {
        undecided_ = std::move(batch);
        batch.clear();
        return go_away(error);
    }
    const bool is_fenced = dynamic_cast<const postgres_error*>(&error) != nullptr; // not damage, which is sqlite_error
    if (error.reach() == failure_reach::store && !(is_fenced && cluster_.on_writer_fenced(own_.boot))) {
        fail_for_good(is_fenced ? store_error::taken_over : store_error::failed, error.what());
        for (const auto& each : batch) refuse_or_run(*each);
        return;
    }
    try {
        if (error.reach() == failure_reach::link) throw postgres_error(state_link_lost, error.what());
        if (link().in_transaction() || link().has_failed_transaction()) roll_back();
        load_figures();
    } catch (const database_error& second) {
        go_away(second);
        for (const auto& each : batch) refuse_or_run(*each);
        return;
    }
    op_error why = error.describe("commit");
    if (error.reach() == failure_reach::store) why.code = make_error_code(store_error::unreachable);
    if (why.code == store_error::full) set_state(track::store_state::full, why);
    for (const auto& each : batch) {
        if (each->is_local()) {                        // it did not depend on the transaction
            if (!each->is_finished()) each->run(*db_); // now: what comes behind it may undo it
        } else if (each->writes()) {
            each->fail({why.code, each->name(), why.detail});
        } else {
            repeat(*each);
        }
    }
    if (!is_away_ && open_ != open_transaction::none) end_reading_after_repeats();
}

/// The number first: what is committed in between is read again with the next transaction.
void postgres_thread::load_figures() {
    own_.commit = db_->connection->ask_integer(R"sql(SELECT batch FROM prooftrackd WHERE one = 1)sql");
    db_->sums.load(*db_->connection);
    require_same_log();
}

void postgres_thread::end_reading_after_repeats() {
    try {
        end_transaction();
    } catch (const database_error& error) {
        go_away(error);
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
    for (const auto& each : batch) {
        if (!each->is_local()) each->fail({why.code, each->name(), why.detail}); // the others have run
    }
}

void postgres_thread::go_away(const database_error& error) {
    link().close(); // the server lets go of the turn
    open_ = open_transaction::none;
    is_away_ = true;
    identity_.note_writer_lost();
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
        return fail_for_good(store_error::rewound, *why);
    }
    auto& regained = std::get<regained_link>(*found);
    db_->connection = std::make_unique<db_connection>(std::move(regained.link));
    own_.process = link().server_process();
    is_away_ = false;
    decide(std::exchange(own_.batch, regained.batch) != regained.batch);
    if (regained.is_fenced && !cluster_.on_writer_fenced(own_.boot)) {
        return fail_for_good(
            store_error::taken_over,
            "another prooftrackd has taken the database over: this one stops and writes nothing more");
    }
    try {
        load_figures();
        identity_.note_writer_back();
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

void postgres_thread::fail_for_good(store_error what, const std::string& why) {
    if (std::exchange(has_failed_, true)) return;
    const op_error said = make_store_error(what, "commit", why);
    notices_.emplace_back([said](store_observer& observer) { observer.on_fatal(said); });
    operations unknown = std::exchange(undecided_, {});
    refuse(unknown, make_store_error(store_error::failed, "commit", why));
    if (!unknown.empty()) queue_.answer(std::move(unknown), std::exchange(notices_, {}));
    link().close();
}

void postgres_thread::set_state(track::store_state state, op_error why) {
    if (std::exchange(state_, state) == state) return;
    notices_.emplace_back(
        [state, reason = std::move(why)](store_observer& observer) { observer.on_state(state, reason); });
}

/// The next start of the name need not wait. A node's lease has said so before (cluster_thread), which then changes
/// nothing.
void postgres_thread::end_own_membership() {
    if (is_away_ || has_failed_) return;
    try {
        end_membership(link(), {own_.node, own_.boot, options_.version});
    } catch (const postgres_error&) {
        // The lease runs out.
    }
}

void postgres_thread::shut_down() {
    recovery_.stop();
    cluster_.stop();
    end_own_membership();
    db_.reset();
    queue_.end();
}

} // namespace prooftrack::store
