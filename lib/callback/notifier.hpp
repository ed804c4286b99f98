#pragma once

// The interface to the merchant's receivers: makes one attempt of one delivery and reports how it went. When and
// whether is decided elsewhere.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/secret_header.hpp"
#include "base/time.hpp"
#include "base/unique_function.hpp"
#include "track/types.hpp"

namespace prooftrack::net {
class proxy_route;
class tls_client;
} // namespace prooftrack::net

namespace prooftrack::callback {

/// How to reach one configured callback: exactly one of url and command is set.
struct callback_target {
    std::string name;
    std::string url; ///< https://…, http+unix:///path.sock:/target, http:// as plain_http_hosts allow
    std::vector<std::string> command; ///< argv, run without a shell
    std::shared_ptr<net::tls_client>
        tls; ///< for https; targets of one client share its sessions; null = the system's CAs
    std::shared_ptr<const net::proxy_route> route; ///< through which proxy; null = directly
    std::vector<secret> secrets;        ///< decoded keys, newest first; may be empty for http+unix and commands alone
    std::vector<secret_header> headers; ///< sent with each attempt, as `parse_header_file` takes them; url alone
    milliseconds timeout{15000};
};

/// What a transaction's own callback_url may be reached with.
struct callback_url_rules {
    std::vector<std::string> allow_hosts;          ///< "shop.example", "*.shop.example", "unix:/run/shop.sock"
    std::vector<secret> secrets;                   ///< may be empty without a host over TCP alone
    std::shared_ptr<net::tls_client> tls;          ///< null = the system's CAs
    std::shared_ptr<const net::proxy_route> route; ///< through which proxy; null = directly
    milliseconds timeout{15000};
};

/// Targets and rules, checked and ready to be used. Immutable.
class notifier_setup;

/// Checks everything; has no effects. Throws boost::system::system_error for a url that may not be called, and
/// (callback_error::not_signed) for a target over TCP without a secret. `plain_http_hosts`: hosts that may be called by
/// http at a private address; a callback_url only when `rules` name the host, too.
std::shared_ptr<const notifier_setup> prepare_notifier_setup(
    std::vector<callback_target> targets, callback_url_rules rules, std::vector<std::string> plain_http_hosts = {});

/// One attempt: the same bytes each time, signed anew.
struct delivery_job {
    delivery_id id{};
    std::string callback; ///< a configured name, or "callback_url"
    std::string url;      ///< only for "callback_url"
    std::string event_id;
    std::string event_type;
    std::string transaction; ///< merchant_transaction_id
    std::string state;
    std::string status;                      ///< "" = none
    std::uint64_t sequence = 0;              ///< increases within a transaction: webhook-sequence
    std::string traceparent;                 ///< "" = none
    std::uint32_t attempt = 1;               ///< counts from 1
    std::shared_ptr<const std::string> body; ///< shared: the same frozen bytes may be on their way to several callbacks
    wall_time now{};                         ///< for webhook-timestamp
    bool wants_reply = false; ///< for `callback test`: what follows the status line is waited for and handed back
};

/// How an attempt ended.
struct delivery_outcome {
    enum class verdict : std::uint8_t {
        delivered, ///< 2xx, or exit 0
        failed,    ///< to be tried again by the schedule
        gone,      ///< 410: dead at once
    };
    verdict what = verdict::failed;
    int status = 0;                          ///< HTTP status or exit code, 0 = none
    std::string error;                       ///< for people; "" when delivered. Never holds a URL's query or the body
    std::optional<milliseconds> retry_after; ///< of any reply; whether it counts is decided in track
    steady_duration took{};
    std::string reply; ///< the first 1,024 bytes of the answer, as far as they had come; whole with `wants_reply`
};

/// What the sender reports besides outcomes.
class notifier_observer {
  public:
    virtual ~notifier_observer() = default;
    /// A connection was refused because its address is not allowed (SSRF guard). `host` is the one in the URL.
    virtual void on_address_refused(std::string_view callback, std::string_view host) = 0;
};

/// Sends events over HTTPS, Unix sockets and to commands. Lives on one executor; handlers run there.
class notifier {
  public:
    virtual ~notifier() = default;

    /// Replaces all targets; attempts in flight keep the old ones. Before the first one nothing is configured.
    virtual void configure(std::shared_ptr<const notifier_setup> setup) noexcept = 0;

    /// Makes one attempt; over TCP never without a signature. The handler runs exactly once, at the latest shortly
    /// after the target's timeout, never from inside the call.
    virtual void deliver(delivery_job job, unique_function<void(delivery_outcome)> handler) = 0;

    /// Attempts in flight may end within `within`, the rest is cut off (outcome `failed`), then `stopped` runs once.
    virtual void stop(milliseconds within, unique_function<void()> stopped) = 0;
};

/// `observer` must outlive it.
std::unique_ptr<notifier> make_notifier(boost::asio::any_io_executor loop, notifier_observer& observer);

} // namespace prooftrack::callback
