#include <stdexcept>
#include <utility>

#include "proof/call_runner.hpp"
#include "proof/client_context.hpp"
#include "proof/poll_pool.hpp"
#include "proof/proof_client.hpp"

namespace prooftrack {
namespace {

/// Joins the polls and the calls, which share nothing but origin, token and resolver.
class https_client final : public proof_client {
  public:
    https_client(boost::asio::any_io_executor loop, proof_client_options options, poll_source& source,
                 proof_client_observer& observer)
        : context_(std::move(loop), std::move(options), observer), polls_(context_, source), calls_(context_) {}

    void wake() override { polls_.wake(); }

    void set_token(secret token) override {
        if (!is_sendable_token(token))
            throw std::invalid_argument("proof: the token holds bytes that no header can carry");
        context_.token = std::move(token);
    }

    void call(proof_call request, unique_function<void(op_result<proof_reply>)> handler) override {
        calls_.call(std::move(request), std::move(handler));
    }

    void retire_connections() override { polls_.retire_connections(); }

    void reconfigure(proof_client_options options) override {
        const proof_client_options& now = context_.options;
        const bool moved =
            options.base_url != now.base_url || options.ca_file != now.ca_file || options.user_agent != now.user_agent;
        auto where = moved ? std::make_shared<origin>(options) : context_.where; // throws before anything is changed
        context_.where = std::move(where);
        options.seed = now.seed; // the hashes that the core remembers were made with it
        context_.options = std::move(options);
        // What comes next, a new token for instance, is not for the old server.
        if (moved) polls_.retire_connections();
    }

    void stop(milliseconds within, unique_function<void()> stopped) override {
        const steady_time until = std::chrono::steady_clock::now() + within;
        stopped_ = std::move(stopped);
        polls_.stop(until, [this] { part_stopped(); });
        calls_.stop(until, [this] { part_stopped(); });
    }

  private:
    void part_stopped() {
        if (--parts_running_ > 0) return;
        auto stopped = std::exchange(stopped_, {});
        stopped(); // may delete us
    }

    client_context context_;
    poll_pool polls_;
    call_runner calls_;
    int parts_running_ = 2;
    unique_function<void()> stopped_;
};

} // namespace

std::unique_ptr<proof_client> make_https_proof_client(boost::asio::any_io_executor loop, proof_client_options options,
                                                      poll_source& source, proof_client_observer& observer) {
    return std::make_unique<https_client>(std::move(loop), std::move(options), source, observer);
}

} // namespace prooftrack
