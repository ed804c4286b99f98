#pragma once

// One attempt over HTTP: sign, connect or reuse, exchange, judge.

#include <cstdint>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "callback/idle_connections.hpp"
#include "callback/notifier.hpp"
#include "callback/webhook_target.hpp"
#include "net/connector.hpp"
#include "net/http_exchange.hpp"

namespace prooftrack::callback {

/// Sends to any number of targets. Must outlive its attempts.
class webhook_sender {
  public:
    /// `user_agent` is the header's value; `names` says how hosts are looked up.
    webhook_sender(boost::asio::any_io_executor loop, std::string user_agent, net::resolver_options names);

    /// Over at the target's timeout at the latest; a 2xx status line is enough. A reused connection that ends before a
    /// byte of the reply is tried once more on a fresh one (webhooks are at-least-once). `was_refused` is set when the
    /// address filter refused every address.
    boost::asio::awaitable<delivery_outcome> async_send(
        std::shared_ptr<const webhook_target> target, delivery_job job, bool& was_refused);

    /// Closes idle connections, forgets nothing else.
    void drop_idle() { idle_.clear(); }

  private:
    boost::asio::awaitable<op_result<net::any_stream>> async_open(
        std::shared_ptr<const webhook_target> target, steady_time until);
    boost::asio::awaitable<op_result<net::http_reply>> async_attempt(
        std::shared_ptr<const webhook_target> target, net::http_request request, net::reply_wait wait,
        steady_time until);

    boost::asio::any_io_executor loop_;
    std::string user_agent_;
    net::host_resolver
        resolver_; // its own helper threads: a hung name of one receiver delays neither Proof nor other receivers
    idle_connections idle_;
};

/// The request of one attempt, signed with the target's keys. A header of the target takes the place of our
/// User-Agent, Accept or traceparent.
net::http_request make_webhook_request(
    const webhook_target& target, const delivery_job& job, const std::string& user_agent);

} // namespace prooftrack::callback
