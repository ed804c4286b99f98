#pragma once

// The calls in progress: apart from the polls, never queued behind them.

#include <cstddef>
#include <deque>
#include <list>
#include <memory>

#include <boost/asio/steady_timer.hpp>

#include "base/lifetime.hpp"
#include "proof/call_exchange.hpp"
#include "proof/client_context.hpp"

namespace prooftrack::proof {

/// Most connections that calls have at once; more calls wait for one, within their deadline.
inline constexpr std::size_t max_calls = 256;

class call_runner {
  public:
    explicit call_runner(client_context& context);
    ~call_runner();
    call_runner(const call_runner&) = delete;
    call_runner& operator=(const call_runner&) = delete;

    /// `handler` runs once, never from inside.
    void call(proof_call request, call_handler handler);

    /// New calls fail with `stopped`; those in progress may end until then. `stopped` runs once, posted.
    void stop(steady_time until, unique_function<void()> stopped);

  private:
    struct waiting_call {
        proof_call request;
        steady_time until{};
        call_handler handler;
    };

    void schedule_turn();
    void take_turn();
    void start(waiting_call next);
    void refuse(waiting_call refused, proof_error why);
    void give_up();

    client_context& context_;
    std::deque<waiting_call> waiting_;
    std::list<std::unique_ptr<call_exchange>> running_;
    boost::asio::steady_timer stop_timer_;
    bool turn_posted_ = false;
    bool stopping_ = false;
    unique_function<void()> stopped_;
    lifetime lifetime_;
};

} // namespace prooftrack::proof
