#include "net/task_group.hpp"

#include <list>
#include <utility>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

namespace prooftrack {

namespace asio = boost::asio;

struct task_group::state {
    asio::any_io_executor loop;
    error_handler on_error;
    // A signal is shared with `cancel`, which emits from a copy of the list: a task may end while it is told to.
    std::list<std::shared_ptr<asio::cancellation_signal>> tasks;
    unique_function<void()> on_empty;
    bool cancelled = false;
    bool abandoned = false;

    void ended(std::list<std::shared_ptr<asio::cancellation_signal>>::iterator task, const std::exception_ptr& error) {
        tasks.erase(task);
        if (!abandoned && error && !is_cancellation(error)) {
            if (!on_error) std::terminate();
            on_error(error);
        }
        tell_when_empty();
    }

    void tell_when_empty() {
        if (abandoned || !tasks.empty() || !on_empty) return;
        asio::post(loop, [handler = std::move(on_empty)]() mutable { handler(); });
        on_empty = {};
    }

    /// A task that was told to stop may say so by letting operation_aborted out.
    bool is_cancellation(const std::exception_ptr& error) const {
        if (!cancelled) return false;
        try {
            std::rethrow_exception(error);
        } catch (const boost::system::system_error& failure) {
            return failure.code() == asio::error::operation_aborted;
        } catch (...) { // the caller hands it to on_error
            return false;
        }
    }
};

task_group::task_group(asio::any_io_executor loop, error_handler on_error) : state_(std::make_shared<state>()) {
    state_->loop = std::move(loop);
    state_->on_error = std::move(on_error);
}

task_group::~task_group() {
    state_->abandoned = true;
    cancel();
}

void task_group::spawn(asio::awaitable<void> task) {
    auto signal = std::make_shared<asio::cancellation_signal>();
    state_->tasks.push_back(signal);
    const auto place = std::prev(state_->tasks.end());
    auto done = [shared = state_, place](const std::exception_ptr& error) { shared->ended(place, error); };
    // co_spawn on the loop's own thread runs the task up to its first wait, so it is called from there and not from
    // here. A signal before that reaches the coroutine around the task, whose exception nobody takes in Boost 1.83.
    asio::post(state_->loop, [shared = state_, signal, task = std::move(task), done = std::move(done)]() mutable {
        if (shared->abandoned) return;
        asio::co_spawn(shared->loop, std::move(task), asio::bind_cancellation_slot(signal->slot(), std::move(done)));
        if (shared->cancelled) signal->emit(asio::cancellation_type::all);
    });
}

void task_group::cancel() {
    state_->cancelled = true;
    const std::vector<std::shared_ptr<asio::cancellation_signal>> running(state_->tasks.begin(), state_->tasks.end());
    for (const auto& signal : running) signal->emit(asio::cancellation_type::all);
    // Off the loop's thread Asio posts what `emit` does, with a bare pointer into the signal: it must live until then.
    if (!running.empty()) asio::post(state_->loop, [running] {});
}

std::size_t task_group::size() const { return state_->tasks.size(); }

void task_group::on_empty(unique_function<void()> handler) {
    state_->on_empty = std::move(handler);
    state_->tell_when_empty();
}

} // namespace prooftrack
