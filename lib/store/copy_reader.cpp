#include "store/copy_reader.hpp"

#include <atomic>
#include <optional>
#include <thread>

#include <sys/resource.h>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "net/worker_thread.hpp"

namespace prooftrack::store {
namespace {

/// Behind the loop and the store, where there are few processors.
constexpr int niceness = 10;

/// Thrown to leave the reading when nobody wants the rest, or takes it.
struct given_up {};

} // namespace

std::string too_many_exports() {
    return fmt::format("{} exports and reconciliations are made, the most at a time", most_exports);
}

/// Shared with the thread, which may be there a little longer.
struct copy_reader::shared_state {
    boost::asio::any_io_executor loop;
    std::function<void()> wake;                     ///< posted to the loop
    std::function<void(const op_error&)> on_failed; ///< likewise
    milliseconds patience{};

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
        const bool is_taken =
            taken.wait_for(lock, patience, [this] { return bytes < most_bytes_ahead || is_cancelled; });
        if (is_cancelled || !is_taken) throw given_up();
        bytes += piece.size();
        pieces.push_back(std::move(piece));
        notify();
    }
    void finish(bool is_whole, const std::optional<op_error>& why_not) {
        const std::lock_guard lock(mutex);
        (is_whole ? has_ended : has_failed) = true;
        if (is_cancelled) return;
        if (why_not && on_failed) boost::asio::post(loop, [report = on_failed, why = *why_not] { report(why); });
        notify();
    }

  private:
    void notify() {
        if (std::exchange(is_waited_for, false)) boost::asio::post(loop, wake);
    }
};

copy_reader::copy_reader(boost::asio::any_io_executor loop, std::unique_ptr<db_connection> copy, copy_reading what)
    : state_(std::make_shared<shared_state>()) {
    state_->loop = std::move(loop);
    state_->on_failed = std::move(what.on_failed);
    state_->patience = what.patience;
    state_->wake = lifetime_.guarded([this] {
        if (waker_) waker_();
    });
    auto work = [state = state_, copy = std::move(copy), task = std::move(what.task),
                 place = std::move(what.place)]() mutable {
        setpriority(PRIO_PROCESS, 0, niceness); // of this thread alone
        read(*state, std::move(copy), task);
        place.reset();
    };
    net::start_worker("export", std::move(work)).detach();
}

copy_reader::~copy_reader() {
    const std::lock_guard lock(state_->mutex);
    state_->is_cancelled = true;
    state_->taken.notify_one();
}

void copy_reader::read(shared_state& state, std::unique_ptr<db_connection> copy, const copy_task& task) {
    bool is_whole = false;
    std::optional<op_error> failure;
    database db; // closed behind the last word to the reader: to free the blocks takes a while
    db.connection = std::move(copy);
    try {
        db.connection->end_when(state.is_cancelled);
        db.sums.load(*db.connection);
        piece_writer out([&state](std::string piece) { state.put(std::move(piece)); });
        task.job(db, out);
        out.end();
        is_whole = true;
    } catch (const given_up&) {
    } catch (const database_error& error) { // a damaged page, or the end of a reader that has gone
        failure = error.describe(task.name);
    } catch (const std::exception& error) { // no memory, or the task's own
        failure = op_error{make_error_code(boost::system::errc::io_error), task.name, error.what()};
    }
    state.finish(is_whole, failure);
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
