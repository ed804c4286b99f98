#include "store/postgres/postgres_thread.hpp"

#include <utility>

#include <boost/asio/post.hpp>

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
    note_timeline(regained.timeline);
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

/// A standby has taken over with all that is known here, or the server was brought up to its newest state elsewhere.
void postgres_thread::note_timeline(std::int64_t timeline) {
    if (timeline == 0) return;
    const std::int64_t former = std::exchange(own_.timeline, timeline);
    if (former == 0 || former == timeline) return;
    notices_.emplace_back([former, timeline](store_observer& observer) { observer.on_failover(former, timeline); });
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
