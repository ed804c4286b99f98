#pragma once

// The thread of PostgreSQL's store.

#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "store/operation_queue.hpp"
#include "store/postgres/open_postgres.hpp"
#include "store/postgres/pg_recovery.hpp"
#include "store/postgres/pg_snapshots.hpp"
#include "store/postgres/postgres_cluster.hpp"
#include "store/store_thread.hpp"

namespace prooftrack::store {

/// Runs operations in the order of their submission, those that are queued together in one transaction, without waiting
/// between them; if one fails, all of them again, each in a savepoint. Handlers run on the loop in the same order, one
/// post a commit.
///
///   connected   a connection is lost, or does not answer    away: what is queued and comes is refused (`unreachable`)
///   connected   it is lost after COMMIT was posted          away, and the batch waits: nobody knows what became of it
///   away        connected again                             connected; the batch that waits is answered: it is there,
///                                                           or it is not and was not done
///   connected   what it knows was committed is not there    away, where that is found again
///   away        the database was set back                   failed (`on_fatal`)
///   connected   the others took this node for gone          what was to be written is refused until it has joined anew
///
/// Several daemons work on the database, one commit at a time: the figures kept in memory are exact as long as the last
/// commit was this daemon's, and brought up to date when it was not. What is read between two commits is read in one
/// transaction, so that it is of one state. Lives on the loop; must not outlive it.
class postgres_thread final : public store_thread {
  public:
    postgres_thread(
        boost::asio::any_io_executor loop, const postgres_options& options, pg_target target, opened_postgres opened,
        store_observer& observer);
    postgres_thread(const postgres_thread&) = delete;
    postgres_thread& operator=(const postgres_thread&) = delete;
    ~postgres_thread() override; ///< works off the queue; the observer is not called any more

    void submit(std::unique_ptr<operation> next) override { queue_.submit(std::move(next)); }
    void backup(store_handler<backup_file> handler) override;
    void read_copy(copy_task task, source_handler handler) override;
    void close(unique_function<void()> closed) override;
    cluster_store* cluster() override { return &cluster_; }

  private:
    using operations = operation_queue::operations;
    using notice = operation_queue::notice;
    using clock = operation_queue::clock;

    void run();
    operations wait_for_work();
    void run_batch(operations batch);
    bool run_all(operations& batch);
    bool run_each(operations& batch);
    void foresee(const operation& next, const operations& batch);
    void run_one(operation& each);
    void refuse_or_run(operation& each);
    std::string follow_identity();
    void begin_writing();
    void begin_reading();
    void follow_others(known_commit last);
    void require_same_past(const known_commit& last);
    void require_same_log();
    void end_transaction();
    void end_reading_after_repeats();
    void load_figures();
    bool commit();
    void undo(const database_error& error, operations& batch);
    void drop_posted();
    void roll_back();
    void forget_notes();
    static void refuse(operations& batch, const op_error& why);
    void repeat(operation& read);
    void go_away(const database_error& error);
    void look_at_link();
    void take_regained();
    void decide(bool is_there);
    void note_timeline(std::int64_t timeline);
    void give_up_waiting();
    void fail_for_good(store_error what, const std::string& why);
    void set_state(track::store_state state, op_error why);
    void end_own_membership();
    void shut_down();
    pg_link& link() { return db_->connection->link(); }

    operation_queue queue_;
    const postgres_options options_;
    const pg_target target_;
    pg_snapshots snapshots_;

    // Of the thread alone.
    std::unique_ptr<database> db_; ///< its connection is closed while away
    pg_ownership own_;
    pg_recovery recovery_;
    bool is_away_ = false;
    op_error away_why_{};
    enum class open_transaction : std::uint8_t { none, reading, writing } open_ = open_transaction::none;
    std::string held_as_;             ///< the start by which shards are held
    bool has_to_load_ = false;        ///< all figures: others may have removed lanes
    known_commit commit_;             ///< the one that is open
    std::uint64_t posted_before_ = 0; ///< statements, when it began
    std::int64_t last_row_before_ = 0;
    event_seq last_event_before_{};
    enum class care : std::uint8_t {
        none,       ///< all of a batch together: if one fails, all of it is done again with savepoints
        savepoints, ///< each operation of a batch in one
        alone,      ///< one operation: its failure undoes the transaction
    } how_ = care::alone;
    bool has_foreseen_ = false;                      ///< of the open transaction
    bool is_committing_ = false;                     ///< COMMIT may be on its way
    operations undecided_;                           ///< of the commit behind own_.batch
    std::optional<clock::time_point> patience_ends_; ///< of a stop, with `undecided_`
    std::vector<notice> notices_;
    track::store_state state_ = track::store_state::ok;
    bool has_failed_ = false;
    pg_identity identity_;
    postgres_cluster cluster_;

    std::thread thread_;
};

} // namespace prooftrack::store
