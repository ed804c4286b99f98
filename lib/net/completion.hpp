#pragma once

// Lets a coroutine wait for something that ends by calling a function.

#include <utility>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/unique_function.hpp"

namespace prooftrack::net {

/// Calls `start(handler)`, which must arrange for `handler(Value)` to run exactly once, later and on the same loop, and
/// return a function that ends the operation early (the handler still runs). Cancelling the coroutine calls that
/// function.
template <class Value, class Start>
boost::asio::awaitable<Value> async_completion(Start start) {
    auto initiate = [start = std::move(start)](auto handler) mutable {
        auto slot = boost::asio::get_associated_cancellation_slot(handler);
        auto complete = [handler = std::move(handler), slot](Value value) mutable {
            if (slot.is_connected()) slot.clear();
            std::move(handler)(std::move(value));
        };
        unique_function<void()> cancel = start(unique_function<void(Value)>(std::move(complete)));
        if (!slot.is_connected()) return;
        slot.assign([cancel = std::move(cancel)](boost::asio::cancellation_type) mutable {
            if (cancel) cancel();
        });
    };
    co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(Value)>(
        initiate, boost::asio::use_awaitable);
}

} // namespace prooftrack::net
