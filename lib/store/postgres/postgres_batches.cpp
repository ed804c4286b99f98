// How postgres_thread runs what is queued: transactions, and what becomes of them when something fails.

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "store/postgres/pg_membership.hpp"
#include "store/postgres/postgres_thread.hpp"

namespace prooftrack::store {
namespace {

/// An operation is to leave nothing behind, and has written without a savepoint.
struct needs_care {};

} // namespace

void postgres_thread::run_batch(operations batch) {
    if (has_failed_ || is_away_) {
        for (const auto& each : batch) refuse_or_run(*each);
        return queue_.answer(std::move(batch), std::exchange(notices_, {}));
    }
    const auto began = clock::now();
    try {
        if (run_all(batch)) {
            const auto took = clock::now() - began;
            const auto is_write = [](const auto& each) { return each->writes(); };
            const auto writes = static_cast<std::size_t>(std::count_if(batch.begin(), batch.end(), is_write));
            db_->pace.on_commit(took);
            notices_.emplace_back([took, writes](store_observer& observer) { observer.on_commit(took, writes); });
        }
    } catch (const database_error& error) {
        undo(error, batch);
    }
    db_->foreseen.forget();
    if (!batch.empty()) queue_.answer(std::move(batch), std::exchange(notices_, {}));
}

/// True when it has committed. Nearly always all goes well, and nothing is waited for that need not be; otherwise all
/// of it is undone and done again, each operation in a savepoint.
bool postgres_thread::run_all(operations& batch) {
    const auto may_be_repeated = [](const auto& each) { return !each->writes() || each->is_repeatable(); };
    const bool is_careful = batch.size() == 1 || !std::all_of(batch.begin(), batch.end(), may_be_repeated);
    if (!is_careful) {
        how_ = care::none;
        try {
            return run_each(batch);
        } catch (const needs_care&) {
            // What one has done has to be undone alone.
        } catch (const database_error& error) {
            if (is_committing_ || error.reach() != failure_reach::operation) throw;
        }
        if (open_ != open_transaction::none) roll_back();
        forget_notes();
        load_figures();
    }
    how_ = batch.size() == 1 ? care::alone : care::savepoints;
    return run_each(batch);
}

bool postgres_thread::run_each(operations& batch) {
    for (const auto& each : batch) {
        const bool has_run = each->is_local() && each->is_finished(); // the first time
        if (has_run) continue;
        if (each->writes() && how_ == care::none) foresee(*each, batch);
        run_one(*each);
    }
    const bool is_commit = open_ == open_transaction::writing;
    end_transaction();
    return is_commit;
}

/// What all of them will look at, before the first of them runs, and as long as nobody changes what he has not said.
void postgres_thread::foresee(const operation& next, const operations& batch) {
    if (next.wishes() == nullptr) return db_->foreseen.forget();
    if (open_ == open_transaction::writing && has_foreseen_) return;
    begin_writing();
    has_foreseen_ = true;
    std::vector<const row_wishes*> wishes;
    for (const auto& each : batch) {
        if (each->wishes() != nullptr) wishes.push_back(each->wishes());
    }
    db_->foreseen.read(*db_->connection, wishes);
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
    const bool has_savepoint = open_ == open_transaction::writing && how_ == care::savepoints;
    const std::uint64_t posted_before = link().posted();
    // A search would write it, in what may be undone.
    if (has_savepoint && !each.writes()) db_->searched.flush(*db_->connection);
    if (has_savepoint) link().post(R"sql(SAVEPOINT operation)sql");
    db_->sums.mark();
    db_->mail.mark();
    bool keep = false;
    try {
        keep = each.run(*db_);
        if (how_ != care::none) link().finish(); // what was only posted may have failed
    } catch (const database_error& error) {
        if (how_ == care::none || error.reach() != failure_reach::operation) throw;
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
    if (how_ == care::none) {
        if (!keep && link().posted() != posted_before) throw needs_care();
    } else if (has_savepoint) {
        if (!keep) {
            drop_posted();
            db_->foreseen.forget();
            link().post(R"sql(ROLLBACK TO SAVEPOINT operation)sql");
        }
        link().post(R"sql(RELEASE SAVEPOINT operation)sql");
    } else if (!keep) {
        roll_back();
        db_->searched.forget(); // the next one may be a search, which could not write it
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
    has_foreseen_ = false;
    commit_ = begin_owned(*db_, own_);
    follow_others({commit_.number - 1, commit_.mark});
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
    static constexpr sql_literal last_one = R"sql(
        SELECT batch, mark
        FROM prooftrackd
        WHERE one = 1
    )sql";
    known_commit last;
    {
        query row = db_->sql(last_one).select();
        if (row.next()) last = {row.integer(0), row.string(1)};
    }
    follow_others(std::move(last));
}

/// What this daemon did not commit itself is read again.
void postgres_thread::follow_others(known_commit last) {
    require_same_past(last);
    if (has_to_load_) {
        db_->sums.load(*db_->connection);
        has_to_load_ = false;
    } else if (last.number != own_.commit.number) {
        db_->sums.refresh(*db_->connection, own_.commit.number);
    } else {
        return;
    }
    db_->searched.forget();
    own_.commit = std::move(last);
    require_same_log();
}

/// A backup may be restored into the tables while this session lives: connecting anew finds the same, and it is over.
void postgres_thread::require_same_past(const known_commit& last) {
    if (!has_commit(link(), own_.commit, last))
        throw postgres_error(state_link_lost, "the database was set back to an earlier state");
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
    db_->sums.flush(*db_->connection, commit_.number);
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

/// Of an operation that is undone: a server that refuses some of it would not look at what comes behind.
void postgres_thread::drop_posted() {
    link().drop_kept();
    try {
        link().finish();
    } catch (const database_error& error) {
        if (error.reach() == failure_reach::link) throw;
    }
}

void postgres_thread::roll_back() {
    open_ = open_transaction::none;
    drop_posted();
    link().ask(R"sql(ROLLBACK)sql");
}

/// Of a transaction that is undone.
void postgres_thread::forget_notes() {
    db_->searched.forget();
    db_->mail.forget();
    db_->foreseen.forget();
}

/// Answers the batch, unless nobody knows what became of it: then it is empty afterwards.
void postgres_thread::undo(const database_error& error, operations& batch) {
    const bool is_unknown = std::exchange(is_committing_, false) && error.reach() == failure_reach::link;
    forget_notes();
    how_ = care::alone; // what is repeated
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
    known_commit last = last_commit(link());
    require_same_past(last);
    own_.commit = std::move(last);
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

} // namespace prooftrack::store
