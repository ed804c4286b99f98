#pragma once

// Runs one coroutine on an io_context until it ends and hands back what it returned.

#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

namespace prooftrack::testing_support {

template <class Value>
boost::asio::awaitable<void> keep_outcome(boost::asio::awaitable<Value> task, std::optional<Value>& outcome) {
    Value value = co_await std::move(task);
    outcome.emplace(std::move(value));
}

/// Throws what the task throws, and when it has not ended within `limit`: a test must not hang.
template <class Value>
Value run_task(
    boost::asio::io_context& io, boost::asio::awaitable<Value> task,
    std::chrono::seconds limit = std::chrono::seconds(30)) {
    std::optional<Value> outcome;
    std::exception_ptr failure;
    bool ended = false;
    boost::asio::co_spawn(io, keep_outcome(std::move(task), outcome), [&](std::exception_ptr error) {
        failure = error;
        ended = true;
    });
    const auto until = std::chrono::steady_clock::now() + limit;
    io.restart();
    while (!ended && std::chrono::steady_clock::now() < until) {
        if (io.run_one_until(until) == 0) break;
    }
    if (!ended) throw std::runtime_error("the task did not end in time");
    if (failure) std::rethrow_exception(failure);
    return std::move(*outcome);
}

/// Runs the loop until `done` says so; throws when that takes longer than `limit`.
template <class Condition>
void run_until(boost::asio::io_context& io, Condition done, std::chrono::seconds limit = std::chrono::seconds(30)) {
    const auto until = std::chrono::steady_clock::now() + limit;
    io.restart();
    while (!done()) {
        if (std::chrono::steady_clock::now() >= until) throw std::runtime_error("the condition was not met in time");
        // In slices: the condition may also become true by another thread's doing.
        if (io.run_one_for(std::chrono::milliseconds(2)) == 0) io.restart();
    }
}

} // namespace prooftrack::testing_support
