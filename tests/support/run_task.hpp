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

/// Throws when the task has not ended within `limit`: a test must not hang.
template <class Value>
Value run_task(boost::asio::io_context& io, boost::asio::awaitable<Value> task,
               std::chrono::seconds limit = std::chrono::seconds(30)) {
    std::optional<Value> outcome;
    std::exception_ptr failure;
    boost::asio::co_spawn(io, std::move(task), [&](std::exception_ptr error, Value value) {
        failure = error;
        outcome.emplace(std::move(value));
    });
    const auto until = std::chrono::steady_clock::now() + limit;
    io.restart();
    while (!outcome && std::chrono::steady_clock::now() < until) {
        if (io.run_one_until(until) == 0) break;
    }
    if (!outcome) throw std::runtime_error("the task did not end in time");
    if (failure) std::rethrow_exception(failure);
    return std::move(*outcome);
}

} // namespace prooftrack::testing_support
