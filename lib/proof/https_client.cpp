#include <utility>

#include <boost/system/system_error.hpp>

#include "proof/call_runner.hpp"
#include "proof/client_context.hpp"
#include "proof/poll_pool.hpp"
#include "proof/proof_client.hpp"

namespace prooftrack::proof {
namespace {

/// Joins the polls and the calls, which share nothing but the setup and the resolver.
class https_client final : public proof_client {
  public:
    https_client(
        boost::asio::io_context::executor_type loop, std::shared_ptr<const proof_setup> setup, poll_source& source,
        proof_client_observer& observer)
        : context_(loop, std::move(setup), observer), polls_(context_, source), calls_(context_) {}

    void wake(std::size_t at_once) override { polls_.wake(at_once); }
    std::size_t most_at_once() const override { return polls_.most_at_once(); }

    void call(proof_call request, unique_function<void(op_result<proof_reply>)> handler) override {
        calls_.call(std::move(request), std::move(handler));
    }

    void retire_connections() override { polls_.retire_connections(); }

    void reconfigure(std::shared_ptr<const proof_setup> setup) noexcept override {
        const bool moved = !setup->has_server_of(*context_.setup);
        // A connection of HTTP/2 is bound to the protocol and to the largest reply that it began with.
        const bool is_other_http = setup->options().http2 != context_.options().http2 ||
                                   setup->options().max_reply_bytes > context_.options().max_reply_bytes;
        context_.setup = std::move(setup);
        if (moved || is_other_http) polls_.retire_connections();
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

std::shared_ptr<const proof_setup> prepare_proof_setup(
    proof_client_options options, secret token, const proof_setup* before) {
    if (!is_sendable_token(token)) {
        throw boost::system::system_error(
            boost::system::errc::make_error_code(boost::system::errc::invalid_argument),
            "the token holds bytes that no header can carry");
    }
    std::shared_ptr<origin> where;
    if (before != nullptr) {
        const proof_client_options& old = before->options();
        const bool same = options.base_url == old.base_url && options.trust == old.trust &&
                          options.identity == old.identity && options.user_agent == old.user_agent &&
                          net::is_same_route(options.route, old.route);
        if (same) where = before->where();
        options.seed = old.seed; // the hashes that the core remembers were made with it
    }
    if (!where) where = std::make_shared<origin>(options);
    return std::make_shared<const proof_setup>(std::move(options), std::move(where), std::move(token));
}

std::unique_ptr<proof_client> make_https_proof_client(
    boost::asio::io_context::executor_type loop, std::shared_ptr<const proof_setup> setup, poll_source& source,
    proof_client_observer& observer) {
    return std::make_unique<https_client>(loop, std::move(setup), source, observer);
}

} // namespace prooftrack::proof
