#include "store/copy_reader.hpp"

#include <atomic>
#include <csignal>
#include <functional>
#include <thread>

#include <pthread.h>
#include <sys/resource.h>

#include <boost/asio/post.hpp>

#include "store/delivery_ops.hpp"
#include "store/transaction_ops.hpp"
#include "track/event.hpp"

namespace prooftrack::store {
namespace {

constexpr int steps_between_looks = 10'000; // of SQLite's virtual machine
/// Behind the loop and the store, where there are few processors.
constexpr int niceness = 10;

int is_cancelled(void* flag) { return static_cast<std::atomic<bool>*>(flag)->load() ? 1 : 0; }

/// Thrown to leave the reading when nobody wants the rest.
struct given_up {};

} // namespace

/// Shared with the thread, which may be there a little longer.
struct copy_reader::shared_state {
    boost::asio::any_io_executor loop;
    std::function<void()> wake; ///< posted to the loop

    std::atomic<bool> is_cancelled{false}; ///< set under the mutex: nothing is posted after that
    std::mutex mutex;
    std::condition_variable taken;
    std::deque<std::string> pieces;
    std::size_t bytes = 0; ///< of `pieces`
    bool is_waited_for = false;
    bool has_ended = false;
    bool has_failed = false;

    /// The thread's: waits while too much is ahead.
    void put(std::string piece) {
        std::unique_lock lock(mutex);
        taken.wait(lock, [this] { return bytes < most_bytes_ahead || is_cancelled; });
        if (is_cancelled) throw given_up();
        bytes += piece.size();
        pieces.push_back(std::move(piece));
        notify();
    }
    void finish(bool as_failure) {
        const std::lock_guard lock(mutex);
        (as_failure ? has_failed : has_ended) = true;
        if (!is_cancelled) notify();
    }

  private:
    void notify() {
        if (std::exchange(is_waited_for, false)) boost::asio::post(loop, wake);
    }
};

namespace {

/// Collects rows into pieces of a handy size.
class piece_writer {
  public:
    explicit piece_writer(std::function<void(std::string)> put) : put_(std::move(put)) {}
    std::string& piece() { return piece_; }
    void end_row() {
        if (piece_.size() >= copy_reader::piece_bytes) put_(std::exchange(piece_, {}));
    }
    void end() {
        if (!piece_.empty()) put_(std::exchange(piece_, {}));
    }

  private:
    std::function<void(std::string)> put_;
    std::string piece_;
};

void write_transactions(database& db, const track::export_query& query, piece_writer& out) {
    static constexpr sql_literal of_time = R"sql(
        SELECT id, state, watched, status, tracked_at, overdue_at, settled_at,
            not_found_since, recheck_until, last_polled_at, polls, bad_requests,
            verifications_done, was_overdue, metadata, callback_url, body, revision
        FROM transactions
        LEFT JOIN proofs ON transaction_row = row
        WHERE tracked_at >= ?
          AND tracked_at < ?
        ORDER BY row
    )sql";
    auto row = db.sql(of_time).select(query.since.value_or(wall_time::min()), query.until.value_or(wall_time::max()));
    for (; row.next(); out.end_row()) query.write_transaction(out.piece(), read_view(row));
}

void write_events(database& db, const track::export_query& query, piece_writer& out) {
    static constexpr sql_literal of_time = R"sql(
        SELECT seq, body
        FROM events
        WHERE recorded_at >= ?
          AND recorded_at < ?
        ORDER BY seq
    )sql";
    auto row = db.sql(of_time).select(query.since.value_or(wall_time::min()), query.until.value_or(wall_time::max()));
    for (; row.next(); out.end_row())
        query.write_event(out.piece(), track::insert_seq(row.text(1), event_seq{row.count(0)}));
}

void write_deliveries(database& db, const track::export_query& query, piece_writer& out) {
    static constexpr sql_literal of_time = R"sql(
        SELECT d.id, d.lane, d.state, d.attempts, d.last_attempt_at, d.last_error, d.last_status,
            d.next_attempt_at, e.id, e.type, t.id, d.note
        FROM deliveries d
        CROSS JOIN events e ON e.seq = d.event_seq
        CROSS JOIN transactions t ON t.row = d.transaction_row
        WHERE e.recorded_at >= ?
          AND e.recorded_at < ?
        ORDER BY d.id
    )sql";
    auto row = db.sql(of_time).select(query.since.value_or(wall_time::min()), query.until.value_or(wall_time::max()));
    for (; row.next(); out.end_row()) query.write_delivery(out.piece(), read_delivery_view(db, row));
}

void read_rows(database& db, const track::export_query& query, piece_writer& out) {
    switch (query.list) {
    case track::export_list::transactions:
        return write_transactions(db, query, out);
    case track::export_list::events:
        return write_events(db, query, out);
    case track::export_list::deliveries:
        return write_deliveries(db, query, out);
    }
}

} // namespace

copy_reader::copy_reader(
    boost::asio::any_io_executor loop, std::unique_ptr<db_connection> copy, track::export_query query,
    std::shared_ptr<void> place)
    : state_(std::make_shared<shared_state>()) {
    state_->loop = std::move(loop);
    state_->wake = lifetime_.guarded([this] {
        if (waker_) waker_();
    });
    // Signals belong to the loop.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread thread(
        [state = state_, copy = std::move(copy), query = std::move(query), place = std::move(place)]() mutable {
            setpriority(PRIO_PROCESS, 0, niceness); // of this thread alone
            read(*state, std::move(copy), query);
            place.reset();
        });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(thread.native_handle(), "export");
    thread.detach();
}

copy_reader::~copy_reader() {
    const std::lock_guard lock(state_->mutex);
    state_->is_cancelled = true;
    state_->taken.notify_one();
}

void copy_reader::read(shared_state& state, std::unique_ptr<db_connection> copy, const track::export_query& query) {
    bool is_whole = false;
    database db; // closed behind the last word to the reader: to free the blocks takes a while
    db.connection = std::move(copy);
    try {
        sqlite3_progress_handler(db.connection->handle(), steps_between_looks, &is_cancelled, &state.is_cancelled);
        db.sums.load(*db.connection);
        piece_writer out([&state](std::string piece) { state.put(std::move(piece)); });
        out.piece() = query.head;
        read_rows(db, query, out);
        out.end();
        is_whole = true;
    } catch (const given_up&) {
    } catch (const std::exception&) {
        // A damaged page, or no memory: the reader learns that it is not whole.
    }
    state.finish(!is_whole);
}

byte_source::progress copy_reader::next(std::string& out) {
    const std::lock_guard lock(state_->mutex);
    if (!state_->pieces.empty()) {
        out = std::move(state_->pieces.front());
        state_->pieces.pop_front();
        state_->bytes -= out.size();
        state_->taken.notify_one();
        return progress::more;
    }
    if (state_->has_failed) return progress::broken;
    if (state_->has_ended) return progress::end;
    state_->is_waited_for = true;
    return progress::wait;
}

bool copy_reader::is_broken() const {
    const std::lock_guard lock(state_->mutex);
    return state_->has_failed && state_->pieces.empty();
}

} // namespace prooftrack::store
