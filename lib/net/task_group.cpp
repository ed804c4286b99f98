#include "net/task_group.hpp"

#include <utility>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include "base/expects.hpp"

namespace prooftrack::net {

namespace asio = boost::asio;

namespace {

bool is_abortion(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const boost::system::system_error& failure) {
        return failure.code() == asio::error::operation_aborted;
    } catch (...) { // the caller hands it to on_error
        return false;
    }
}

} // namespace

task_group::task_group(asio::any_io_executor loop, error_handler on_error)
    : loop_(std::move(loop)), on_error_(on_error ? std::make_shared<error_handler>(std::move(on_error)) : nullptr) {}

task_group::~task_group() {
    lifetime_.end();
    cancel();
}

void task_group::spawn(asio::awaitable<void> task) {
    auto signal = std::make_shared<asio::cancellation_signal>();
    tasks_.push_back(signal);
    auto ended = lifetime_.guarded(
        [this, place = std::prev(tasks_.end())](const std::exception_ptr& error) { on_ended(place, error); });
    // The task holds its signal: it may end after the group has gone.
    auto done = [signal, ended = std::move(ended)](const std::exception_ptr& error) mutable { ended(error); };
    // co_spawn on the loop's own thread runs the task up to its first wait, so it is called from there and not from
    // here. A signal before that reaches the coroutine around the task, whose exception nobody takes in Boost 1.83.
    asio::post(loop_, lifetime_.guarded([this, signal, task = std::move(task), done = std::move(done)]() mutable {
        const lifetime::watch alive = lifetime_.observe();
        const asio::any_io_executor loop = loop_;
        asio::co_spawn(loop, std::move(task), asio::bind_cancellation_slot(signal->slot(), std::move(done)));
        if (alive && is_cancelled_) signal->emit(asio::cancellation_type::all);
    }));
}

void task_group::on_ended(task_list::iterator task, const std::exception_ptr& error) {
    tasks_.erase(task);
    const lifetime::watch alive = lifetime_.observe();
    // A cancelled task may end with operation_aborted.
    if (error && !(is_cancelled_ && is_abortion(error))) {
        if (!on_error_) std::terminate();
        const auto on_error = on_error_; // may destroy this object
        (*on_error)(error);
    }
    if (alive) tell_when_empty();
}

void task_group::tell_when_empty() {
    if (!tasks_.empty() || !on_empty_) return;
    asio::post(loop_, [handler = std::move(on_empty_)]() mutable { handler(); });
    on_empty_ = {};
}

void task_group::cancel() {
    is_cancelled_ = true;
    const std::vector<std::shared_ptr<asio::cancellation_signal>> running(tasks_.begin(), tasks_.end());
    for (const auto& signal : running) signal->emit(asio::cancellation_type::all);
    // Off the loop's thread Asio posts what `emit` does, with a bare pointer into the signal: it must live until then.
    if (!running.empty()) asio::post(loop_, [running] {});
}

void task_group::on_empty(unique_function<void()> handler) {
    expects(!on_empty_, "task_group: a second one waits for the end of the tasks");
    on_empty_ = std::move(handler);
    tell_when_empty();
}

} // namespace prooftrack::net
