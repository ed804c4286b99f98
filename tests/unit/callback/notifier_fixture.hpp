#pragma once

// A notifier, a server that does what it is told, and one event: what the tests of the notifier share.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "callback/notifier.hpp"
#include "callback/signing.hpp"
#include "net/tls.hpp"
#include "support/run_task.hpp"
#include "support/scripted_http_server.hpp"
#include "support/test_certificates.hpp"

namespace prooftrack::callback {

inline constexpr const char* ok_reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

struct recording_observer final : notifier_observer {
    void on_address_refused(std::string_view callback, std::string_view host) override {
        refused.push_back(std::string(callback) + " " + std::string(host));
    }
    std::vector<std::string> refused;
};

/// Requests as the server's threads saw them.
class seen_requests {
  public:
    void add(std::string request) {
        const std::lock_guard lock(mutex_);
        requests_.push_back(std::move(request));
    }
    std::vector<std::string> all() const {
        const std::lock_guard lock(mutex_);
        return requests_;
    }

  private:
    mutable std::mutex mutex_;
    std::vector<std::string> requests_;
};

/// The value of that header in a request's bytes.
inline std::string header_of(const std::string& request, const std::string& name) {
    const auto at = request.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "(none)";
    const auto from = at + name.size() + 4;
    return request.substr(from, request.find("\r\n", from) - from);
}

class Notifier : public testing::Test {
  protected:
    static callback_target webhook(const std::string& url, milliseconds timeout = seconds(20)) {
        callback_target target;
        target.name = "backend";
        target.url = url;
        target.secrets = {key()};
        target.timeout = timeout;
        return target;
    }

    static secret key() { return parse_webhook_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").value(); }

    static delivery_job job(const std::string& callback = "backend") {
        delivery_job work;
        work.callback = callback;
        work.event_id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        work.event_type = "transaction.completed";
        work.transaction = "tx-1";
        work.state = "settled";
        work.status = "completed";
        work.body = std::make_shared<const std::string>("{\"test\": 2432232314}");
        work.now = wall_time(seconds(1614265330));
        return work;
    }

    void configure(std::vector<callback_target> targets, callback_url_rules rules) {
        notifier_->configure(prepare_notifier_setup(std::move(targets), std::move(rules)));
    }

    delivery_outcome deliver(delivery_job work) {
        std::optional<delivery_outcome> outcome;
        notifier_->deliver(std::move(work), [&](delivery_outcome done) {
            EXPECT_FALSE(outcome) << "once";
            outcome = std::move(done);
        });
        EXPECT_FALSE(outcome) << "never from inside the call";
        testing_support::run_until(io_, [&] { return outcome.has_value(); });
        return *outcome;
    }

    /// One attempt at a server that reads the request and sends these bytes.
    delivery_outcome answered_with(const std::string& bytes, milliseconds timeout = seconds(20)) {
        testing_support::scripted_http_server server([=](testing_support::scripted_connection& connection) {
            connection.read_request();
            connection.send(bytes);
        });
        configure({webhook(server.base_url() + "/hook?token=hunter2", timeout)}, {});
        return deliver(job());
    }

    testing_support::scripted_http_server::script always_ok() {
        return [this](testing_support::scripted_connection& connection) {
            while (true) {
                requests_.add(connection.read_request());
                connection.send(ok_reply);
            }
        };
    }

    testing_support::temporary_directory folder_;
    testing_support::test_authority authority_;
    std::shared_ptr<net::tls_client> tls_ =
        std::make_shared<net::tls_client>(net::trust_roots(authority_.ca_pem(), "ca.pem"));
    seen_requests requests_;
    recording_observer observer_;
    boost::asio::io_context io_{1};
    std::unique_ptr<notifier> notifier_ = make_notifier(io_.get_executor(), observer_);
};

} // namespace prooftrack::callback
