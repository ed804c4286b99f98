#pragma once

// The interface of every store. What it promises is tested in tests/contract/store, which SQLite's store and the fake
// of the simulation both pass.
//
// A change is durable before its handler runs, and it is there whole or not at all, whenever the process ends. Handlers
// run on the loop, never inside the call. They run in the order of the calls, except those of `backup`, those of
// `retry_dead`, `end_failing`, `flush_callback`, `dismiss_dead` and `begin_replay` over very many rows, and of calls
// that came after `close`. A read sees every change that was called before it, and none that is not durable when its
// handler runs. After a crash exactly the calls up to one of them, in their order, are there.

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "base/byte_source.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "base/unique_function.hpp"
#include "track/event.hpp"
#include "track/queries.hpp"
#include "track/reconcile_source.hpp"
#include "track/types.hpp"

namespace prooftrack::store {

template <class T>
using store_handler = unique_function<void(op_result<T>)>;

/// Why the store refuses or fails.
enum class store_error {
    full = 1, ///< no room on the disk: nothing was changed, reads go on, later it may work again. A change that
              ///< would be refused anyway may get either error.
    failed,   ///< an fsync or I/O error: the store has stopped for good, also for reads; the daemon must exit 74
    moved,    ///< another file, or none, stands at the path: stopped for good likewise
    stopped,  ///< the call came after `close`: nothing was changed
    no_space_for_copy, ///< a backup needs more space than there is
    busy,              ///< another backup is being made
    not_found,         ///< no such transaction, delivery or consumer
    stale,             ///< the row has another revision than the change was judged for: nothing was changed
    beyond_last,       ///< a consumer's position past the last event
    paused,            ///< the delivery's callback, or the callback itself, is paused; `detail` is its name
    not_dead,          ///< the delivery is not dead; `detail` is its state
    unreachable,       ///< PostgreSQL is away, or has undone it: nothing was changed, later it may work again. Reads
                       ///< get it as well
    taken_over,        ///< of PostgreSQL, to `on_fatal`: another daemon writes now
    rewound,           ///< of PostgreSQL, to `on_fatal`: it was set back behind what was acknowledged
    not_a_file,        ///< a backup of a database that is no file of the daemon's
};
const boost::system::error_category& store_category();
error_code make_error_code(store_error error);

/// Whether it is a matter of time, and the store says when it is over (`store_observer::on_state`).
bool is_passing(const op_error& error);

/// A start that cannot go on. `exit_status` is 65 (damaged or newer schema) or 75 (locked, read-only, no room); what()
/// says what to do, for people.
class store_start_error : public std::runtime_error {
  public:
    store_start_error(int exit_status, const std::string& what) : std::runtime_error(what), exit_status_(exit_status) {}
    int exit_status() const { return exit_status_; }

  private:
    int exit_status_;
};

enum class add_result : std::uint8_t {
    created,  ///< tracked from now on (also an untracked or abandoned one that is tracked anew)
    existing, ///< there with the same options, or settled
    conflict, ///< there with other options: nothing changed
};

struct add_outcome {
    add_result what = add_result::created;
    track::tracking_facts facts; ///< as they are now
    row_revision revision{};
    std::uint8_t shard = 0; ///< base/shards.hpp
};

/// The event that a change publishes.
struct owed_event {
    std::string id; ///< made by make_event_id. A change whose event has the id of a kept one fails and changes nothing.
    track::event_type type = track::event_type::completed;
    std::string previous_status;
    std::vector<std::string>
        callbacks; ///< names of the configured callbacks that select it (callback_url is added by the store)
};

/// One change of one transaction, recorded whole or not at all. It is bound to the revision that it was judged for: a
/// row with another one (tracked anew, ended or changed meanwhile) is left as it is, and the caller gets
/// store_error::stale, or not_found when the row is gone.
struct transition {
    transaction_id id;
    row_revision revision{};
    wall_time at{};
    track::tracking_state from_state = track::tracking_state::tracking;
    std::string from_status;
    track::tracking_facts facts; ///< the row after the change
    bool is_history = true;      ///< write a history row
    std::string reply;           ///< bytes of the reply that caused it ("" = none): hashed (SHA-256) into the history
    bool reply_is_good = false;  ///< keep `reply`, if there is one, as the last good reply, byte for byte
    std::string request_id;
    std::optional<owed_event> event;
};

/// A delivery that may be attempted: the first pending one of its (callback, transaction), or a dead or delivered one
/// that `retry_delivery` sends again out of order. Callbacks do not wait for each other; "callback_url" is one
/// callback, on whichever lanes the hosts of its URLs are.
struct delivery_head {
    delivery_id id{};
    std::string lane; ///< the callback's name, or `scheme://host:port` for a callback_url
    std::uint32_t attempts = 0;
    wall_time next_attempt_at{};
    std::uint64_t transaction_hash = 0; ///< distinguishes transactions, for "over at least 3 transactions"
    bool waits = false; ///< from `retry_delivery` alone: still behind an earlier pending one of its transaction, so not
                        ///< a head yet, and nothing was changed
    bool is_replay = false; ///< made by a replay, and not retried by hand since
};

/// Everything that an attempt needs.
struct delivery_record {
    track::delivery_view view;
    std::string lane;
    std::string url; ///< only for callback_url
    std::string state;
    std::string status;
    std::shared_ptr<const std::string> body;
    wall_time recorded_at{};   ///< the event's timestamp
    std::string traceparent{}; ///< of the request that began the tracking in which the event was recorded; "" = none
};

/// What a transition left behind, once durable.
struct recorded_transition {
    row_revision revision{};                 ///< of the row now
    std::optional<event_seq> seq;            ///< with an event
    std::shared_ptr<const std::string> body; ///< the event's frozen bytes; shared by streams and deliveries
    std::vector<delivery_head> heads;        ///< new deliveries that are heads
    std::vector<delivery_record> records;    ///< of the same deliveries: their first attempts need not load them
    std::string traceparent;                 ///< of the request that began this tracking, "" = none
};

/// The outcome of one attempt.
struct attempt_record {
    delivery_id id{};
    wall_time at{};
    std::uint32_t attempts = 0; ///< used so far, this one included; 0 with `pending`: it does not count
    track::delivery_state state = track::delivery_state::pending;
    int status = 0;
    std::string error;
    std::optional<wall_time> next_attempt_at; ///< with `pending`
};

/// What becomes of a lane's heads when it fails no more.
struct lane_recovery {
    wall_time now{};
    /// Asked for each head whose next attempt lies ahead and whose last one counts (`attempts` > 0). A value's
    /// function: it runs on the store's thread.
    std::function<bool(const track::waiting_delivery&)> is_freed;
};

struct event_page {
    std::vector<track::stored_event>
        events;            ///< in the order of seq; may end early as a `transaction_page`, with one at least
    event_seq first_seq{}; ///< oldest kept (last + 1 when none is kept)
    event_seq last_seq{};
    event_seq looked_at{}; ///< of `events_between` alone: it gave every match up to this one
};

/// The deliveries of one lane, counted.
struct lane_summary {
    std::string lane;
    std::string callback; ///< name for lists: the lane, or "callback_url"
    std::uint64_t pending = 0;
    std::uint64_t dead = 0;
    std::optional<wall_time> oldest_pending; ///< the timestamp of the undelivered event with the lowest
                                             ///< seq, replayed ones apart
    std::optional<wall_time> failing_since;
};

/// Sizes and counts, kept up to date by the store and cheap to read.
struct store_status {
    /// A store leaves it `ok` and reports it to its observer; the engine fills it in.
    track::store_state state = track::store_state::ok;
    std::uint64_t db_bytes = 0;
    std::uint64_t wal_bytes = 0;
    std::uint64_t free_bytes = 0;
    std::uint64_t capacity_bytes = 0; ///< of the file system; 0 = not known
    event_seq first_seq{};
    event_seq last_seq{};
    std::string log_id;
    std::map<std::pair<track::tracking_state, track::status_kind>, std::uint64_t>
        transactions; ///< those that are not 0
    /// Every callback that ever had a delivery, and the lanes of callback URLs with pending or dead deliveries or that
    /// fail.
    std::map<std::string, lane_summary> lanes;
    std::map<std::string, wall_time> pauses; ///< callbacks that are paused, and since when
    std::size_t consumers = 0;
    std::optional<track::maintenance_mark> maintenance; ///< nullopt = off
};

/// Never deletes a watched transaction or one with a pending delivery. A transaction's end is its last change of state
/// or event while it was ended; saving counters does not move it. Events are deleted from the oldest on: one whose
/// transaction is deleted once every consumer has acknowledged it, any other one, with its deliveries, when too old.
struct prune_request {
    wall_time ended_before{};    ///< transactions that ended earlier go, with their history and deliveries
    wall_time consumed_before{}; ///< events older than this go even if a consumer has not acknowledged them, or their
                                 ///< transaction is still there
    std::size_t limit = 500;     ///< most transactions and most events in one call; at least 1
};
struct prune_result {
    std::uint64_t transactions = 0;
    std::uint64_t events = 0;
    std::vector<std::string> overtaken_consumers; ///< lost unacknowledged events by `consumed_before`
    bool more = false; ///< call again: it ended early. Calls come to an end, whatever is pending.
};

/// The durable fate of a session request with an Idempotency-Key.
struct session_claim {
    enum class verdict : std::uint8_t {
        fresh,           ///< recorded now: the request may go to Proof
        other_body,      ///< the key was used with another body
        outcome_unknown, ///< requested before, the outcome was never recorded
        done,            ///< its session's transaction is tracked
    };
    verdict what = verdict::fresh;
    std::string transaction; ///< with `done`
};
using digest = std::array<std::uint8_t, 32>;

/// New options of a transaction that is there. Bound to a revision as a `transition` is.
struct options_change {
    transaction_id id;
    row_revision revision{};
    std::string metadata = "{}"; ///< a JSON object's bytes as they came
    std::optional<std::string> callback_url;
    std::string callback_lane; ///< `scheme://host:port` of callback_url, "" without one
    digest options_digest{};   ///< as in a `new_transaction`
};

struct backup_file {
    std::filesystem::path path; ///< a whole, checked copy with a new log_id; the receiver deletes it
    std::uint64_t bytes = 0;
};

/// Most replays that run at once, and the ended ones that are kept for the list.
inline constexpr std::size_t most_running_replays = 64;
inline constexpr std::size_t most_ended_replays = 100;

/// A part of a replay: the next events become deliveries.
struct replay_step {
    replay_id id{};
    std::size_t most_made = 200;    ///< deliveries in this step
    std::size_t most_pending = 512; ///< of the replay, after this step
    wall_time now{};
};
struct replay_progress {
    track::replay_view replay; ///< as it is now
    std::vector<delivery_head> heads;
    std::uint64_t made = 0; ///< in this step
};
struct replay_end {
    track::replay_view replay; ///< as it is now
    bool was_running = false;  ///< else nothing was changed
    std::uint64_t dropped = 0;
    std::vector<delivery_head> heads; ///< of what had waited behind those that were dropped
};

/// Exports and reconciliations that are prepared, made or not yet taken whole.
inline constexpr std::size_t most_exports = 4;

struct store_options {
    std::filesystem::path path;
    std::uint64_t seed = 1; ///< for log_id
    std::string vfs;        ///< name of a registered SQLite VFS, "" = the system's; for tests that cut the power
};

/// A moment in a commit to PostgreSQL, for tests that cut the connection or answer in its place.
enum class commit_moment : std::uint8_t {
    before, ///< nothing of COMMIT has been sent
    sent,   ///< all of it has, and no answer was read
};

struct postgres_options {
    std::string url; ///< libpq's, without a password
    secret password;
    std::string node;       ///< this daemon's name among those that share the database
    std::string version;    ///< of the program, for the other nodes
    std::uint64_t seed = 1; ///< for log_id
    /// What an operator should know of the server's settings; called before the store is there. May be empty.
    std::function<void(const std::string& warning)> warn{};
    /// Runs on the store's thread with the connection's socket; may throw database_error. For tests.
    std::function<void(commit_moment moment, int socket)> at_commit{};
};

class cluster_store; // store/cluster.hpp

class store_observer {
  public:
    virtual ~store_observer() = default;
    // Each before the handlers of the calls that it is about.
    virtual void on_commit(steady_duration took, std::size_t operations) = 0;
    /// Became full, or ok again: a change was written and more fits (`recovery_bytes`). Once for each change of the
    /// state.
    virtual void on_state(track::store_state state, const op_error& why) = 0;
    /// PostgreSQL goes on under another timeline (its number), with everything that is known here. Before `on_state`.
    virtual void on_failover(std::int64_t former, std::int64_t timeline) = 0;
    virtual void on_fatal(const op_error& error) = 0; ///< once: the store has stopped; log it, then exit 74
    /// What somebody is reading cannot go on (a damaged page, no memory): it is `broken` for its reader.
    virtual void on_export_failed(const op_error& error) = 0;
};

/// Remembers. All calls come from the loop and return at once; the work is done in the store's thread.
class store {
  public:
    virtual ~store() = default;

    /// Every watched transaction, whatever its state, in chunks (at most 10,000 rows), the one that was not seen for
    /// the longest first and those that were never seen before it. `done` gets their number.
    virtual void load_active(
        unique_function<void(std::vector<track::active_transaction>)> on_chunk, store_handler<std::uint64_t> done) = 0;

    /// At most 1,000 a call. One outcome each, in order. One that is untracked or abandoned is tracked anew: it keeps
    /// its place in the list, its history and its deliveries, loses its last good reply, and its revision goes on; its
    /// traceparent is the new one, while that of its earlier events stays.
    /// `session` is a claimed key whose outcome these are: it is `done` with the first of them, whatever its outcome.
    virtual void add(
        std::vector<track::new_transaction> transactions, std::optional<digest> session,
        store_handler<std::vector<add_outcome>> handler) = 0;
    virtual void record(transition change, store_handler<recorded_transition> handler) = 0;
    /// The options in place of those that it has, for later events and searches; facts, history, events and deliveries
    /// stay. The row's revision now; stale or not_found as of `record`.
    virtual void set_options(options_change change, store_handler<row_revision> handler) = 0;
    /// last_polled_at, polls and the other facts of many rows, without history: at a clean stop. A row with another
    /// revision, or none, is left as it is. It may take several transactions, but no other call comes between them.
    virtual void save_facts(std::vector<track::active_transaction> rows, store_handler<std::monostate> handler) = 0;

    virtual void find(transaction_id id, store_handler<std::optional<track::transaction_view>> handler) = 0;
    /// errc::invalid_argument for a cursor that this list did not give out.
    virtual void list(track::transaction_query query, store_handler<track::transaction_page> handler) = 0;
    virtual void history(transaction_id id, store_handler<std::optional<track::transaction_history>> handler) = 0;
    virtual void events_after(event_seq after, std::size_t limit, store_handler<event_page> handler) = 0;
    /// Those of a time; `looked_at` of the page is the `after` of the next one, and `last_seq` at the end.
    virtual void events_between(track::event_query query, store_handler<event_page> handler) = 0;

    /// errc::invalid_argument for a cursor that this list did not give out.
    virtual void deliveries(track::delivery_query query, store_handler<track::delivery_page> handler) = 0;
    /// Heads of a lane by (next_attempt_at, id), the longest due first.
    virtual void next_heads(std::string lane, std::size_t limit, store_handler<std::vector<delivery_head>> handler) = 0;
    virtual void load_delivery(delivery_id id, store_handler<std::optional<delivery_record>> handler) = 0;
    /// nullopt, or the delivery that is a head now (due at `at`) because this one ended. A success ends a pending
    /// delivery whichever attempt it was; a failure counts only as the attempt behind the recorded ones, or as none
    /// (`attempts` 0). Anything else (it ended, was retried or pruned meanwhile) changes nothing and is no error.
    virtual void record_attempt(attempt_record attempt, store_handler<std::optional<delivery_head>> handler) = 0;
    /// Due now, schedule from the start; also one that was delivered or dismissed. One that has ended does not wait
    /// for what is going of its transaction. store_error::not_found if there is none, `paused` when its callback is.
    virtual void retry_delivery(delivery_id id, wall_time now, store_handler<delivery_head> handler) = 0;
    /// All dead ones (of one callback), schedule from the start, those of a lane in their order: one behind a head of
    /// its (callback, transaction) waits for it. How many. Those of paused callbacks stay dead; when there are no
    /// others, or the one callback is paused, it is refused with `paused`.
    virtual void retry_dead(
        std::optional<std::string> callback, wall_time now, store_handler<std::uint64_t> handler) = 0;
    /// Also of a lane without any delivery yet.
    virtual void set_failing(
        std::string lane, std::optional<wall_time> since, store_handler<std::monostate> handler) = 0;
    /// Failing no more: each head that `is_freed` is due `now`, and its last attempt does not count. How many.
    virtual void end_failing(std::string lane, lane_recovery how, store_handler<std::uint64_t> handler) = 0;

    /// Paused from `since` on (a pause that is there keeps its beginning), or with nullopt no longer. Says since when
    /// it is paused now. Nothing of its deliveries changes.
    virtual void set_paused(
        std::string callback, std::optional<wall_time> since, store_handler<std::optional<wall_time>> handler) = 0;
    /// What is pending for it is due at `now` at the latest; what waits behind another of its transaction goes on
    /// waiting. Attempts stay counted. How many are pending, of those that were there at the call. `paused` when it is.
    virtual void flush_callback(std::string callback, wall_time now, store_handler<std::uint64_t> handler) = 0;
    /// A dead one becomes dismissed, with the note ("" = none). not_found, not_dead.
    virtual void dismiss_delivery(delivery_id id, std::string note, store_handler<track::delivery_view> handler) = 0;
    /// The same for all dead ones (of one callback) that were there at the call. How many.
    virtual void dismiss_dead(
        std::optional<std::string> callback, std::string note, store_handler<std::uint64_t> handler) = 0;

    /// Counts the events that it is about; then, unless it is a `dry_run`, it is running, with nothing made yet. The
    /// answer to a dry run has no id. busy while another one of its callback runs, or `most_running_replays`: the
    /// detail says which.
    virtual void begin_replay(
        track::replay_query query, bool dry_run, wall_time now, store_handler<track::replay_view> handler) = 0;
    /// Looks at the next events and makes their deliveries: each waits behind what is pending of its (callback,
    /// transaction). It may look at some events without making anything. An event that is pruned, or whose transaction
    /// is, is left out. With all of them looked at and none pending it is done. An ended one is left as it is.
    /// not_found when there is none.
    virtual void advance_replay(replay_step step, store_handler<replay_progress> handler) = 0;
    /// Nothing more is made, and what is pending of it is removed, except `under_way`. not_found when there is none.
    virtual void cancel_replay(
        replay_id id, std::vector<delivery_id> under_way, wall_time now, store_handler<replay_end> handler) = 0;
    /// All that run and the latest ended ones, the newest first.
    virtual void replays(store_handler<std::vector<track::replay_view>> handler) = 0;

    /// Without `seq` a new one begins behind the last event and a known one stays; with it either stands there, also
    /// further back. beyond_last past the last event.
    virtual void put_consumer(
        std::string name, std::optional<event_seq> seq,
        store_handler<std::pair<bool, track::consumer_view>> handler) = 0;                           ///< true = new
    virtual void delete_consumer(std::string name, store_handler<track::consumer_view> handler) = 0; ///< as it was
    /// Forward only: an earlier position changes nothing. not_found, or beyond_last past the last event.
    virtual void acknowledge(std::string name, event_seq seq, store_handler<track::consumer_view> handler) = 0;
    /// By the bytes of their names. The lag counts the events that are still there.
    virtual void consumers(store_handler<std::vector<track::consumer_view>> handler) = 0;

    /// `prune` forgets a key, whatever became of it, when it was claimed before `ended_before`.
    virtual void claim_session(digest key, digest body, wall_time now, store_handler<session_claim> handler) = 0;
    /// The session request certainly failed (Proof said so): the key may be used again. One that is `done` stays.
    virtual void release_session(digest key, store_handler<std::monostate> handler) = 0;

    virtual void prune(prune_request request, store_handler<prune_result> handler) = 0;
    virtual void backup(store_handler<backup_file> handler) = 0;
    virtual void status(store_handler<store_status> handler) = 0;
    /// Writes a small row, and so finds out whether a full disk has space again (see `store_observer::on_state`).
    virtual void probe(store_handler<std::monostate> handler) = 0;
    /// On with a mark, off without one. While it is on a further mark replaces the note, and `since` stays. As it is
    /// then.
    virtual void set_maintenance(
        std::optional<track::maintenance_mark> mark, store_handler<std::optional<track::maintenance_mark>> handler) = 0;
    /// Remembers which Proof this database belongs to; gives the one it knew before ("" = none).
    virtual void remember_base_url(std::string base_url, store_handler<std::string> handler) = 0;

    /// Everything called before is committed and answered, the database is closed cleanly; then `closed` runs. Later
    /// calls fail with `stopped`. May be called again, and after a failure.
    virtual void close(unique_function<void()> closed) = 0;

    /// The rows of one consistent state, which is that of a moment between the call and its handler; later changes do
    /// not show. What lives in the engine's memory (the next poll, errors in a row) is not in it. busy while
    /// `most_exports` are going; no_space_for_copy when the database cannot be copied for it.
    virtual void export_rows(track::export_query query, store_handler<std::shared_ptr<byte_source>> handler) = 0;
    /// Runs the job over one consistent state, likewise; its lines end with LF. What the job throws breaks it.
    virtual void reconcile(track::reconcile_job job, store_handler<std::shared_ptr<byte_source>> handler) = 0;

    /// nullptr: this daemon is alone, and holds every shard.
    virtual cluster_store* cluster() { return nullptr; }
};

/// Opens, locks, checks and migrates before it returns. Throws store_start_error. `observer` must outlive it; it is
/// called on the loop.
std::unique_ptr<store> make_sqlite_store(
    boost::asio::any_io_executor loop, const store_options& options, store_observer& observer);

/// The same in a database of PostgreSQL, which one store at a time may use: another one is refused (75) and may try
/// again. While the server is away every call fails with `unreachable`, and it is connected to again and again; a call
/// whose commit was under way then is answered once it is known what became of it, so it may be overtaken by calls that
/// are refused. When another store has taken over, or the database was set back, it stops for good (`on_fatal`).
std::unique_ptr<store> make_postgres_store(
    boost::asio::any_io_executor loop, const postgres_options& options, store_observer& observer);

} // namespace prooftrack::store

template <>
struct boost::system::is_error_code_enum<prooftrack::store::store_error> : std::true_type {};
