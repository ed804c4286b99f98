// GET /metrics over TCP, for a Prometheus that cannot scrape a Unix socket.

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/accept_loop.hpp"
#include "api/answer.hpp"
#include "api/connection_pool.hpp"
#include "api/server.hpp"
#include "api/target.hpp"
#include "base/host_rules.hpp"
#include "base/lifetime.hpp"
#include "net/address_rules.hpp"

namespace prooftrack::api {
namespace {

constexpr std::size_t max_scrapers = 16;
constexpr std::size_t max_scrape_body = 1024;

/// Serves one path; every other one is 404, whatever the method.
class metrics_handler final : public request_handler {
  public:
    explicit metrics_handler(status_backend& behind) : behind_(behind) {}

    std::optional<api_response> refuse(const request_head& head) override {
        if (split_target(head.target).path != "/metrics") {
            return problem_response(make_problem(problem_code::route_not_found, "only GET /metrics is served here"));
        }
        if (head.method == "GET" || head.method == "HEAD") return std::nullopt;
        auto response = problem_response(make_problem(problem_code::method_not_allowed, "this path takes GET, HEAD"));
        response.headers.emplace_back("Allow", "GET, HEAD");
        return response;
    }

    std::size_t body_limit(const request_head&) override { return max_scrape_body; }

    request_ticket handle(api_request, unique_function<void(api_response)> respond) override {
        behind_.metrics_text(answer_with<std::string>(std::move(respond), [](std::string text) {
            api_response response = metrics_response(std::move(text));
            response.route = "/metrics";
            return response;
        }));
        return no_ticket;
    }

    void cancel(request_ticket) override {}

  private:
    status_backend& behind_;
};

[[noreturn]] void fail(int exit_status, std::string_view listen, std::string_view why) {
    throw api_start_error(exit_status, fmt::format("metrics.listen \"{}\": {}", listen, why));
}

struct endpoint {
    boost::asio::ip::address address;
    std::uint16_t port = 0;
};

endpoint parse_endpoint(std::string_view listen, metrics_reach reach) {
    const std::size_t colon = listen.rfind(':');
    if (colon == std::string_view::npos) fail(78, listen, "write HOST:PORT, such as 127.0.0.1:9464");
    std::string host(listen.substr(0, colon));
    host = std::string(without_brackets(host));
    if (is_localhost(host)) host = "127.0.0.1";
    const auto port = parse_number(listen.substr(colon + 1));
    boost::system::error_code error;
    endpoint made{boost::asio::ip::make_address(host, error), 0};
    const bool is_allowed = reach == metrics_reach::anywhere || net::is_loopback_address(made.address);
    if (error || !is_allowed) fail(78, listen, error ? "the host is not an address" : "it is not a loopback address");
    if (!port || *port > 65535) fail(78, listen, "the port is 0 to 65535");
    made.port = static_cast<std::uint16_t>(*port);
    return made;
}

int listen_on(const endpoint& where, std::string_view listen) {
    sockaddr_storage storage{};
    socklen_t size = 0;
    if (where.address.is_v4()) {
        auto* address = reinterpret_cast<sockaddr_in*>(&storage);
        address->sin_family = AF_INET;
        address->sin_port = htons(where.port);
        address->sin_addr.s_addr = htonl(where.address.to_v4().to_uint());
        size = sizeof *address;
    } else {
        auto* address = reinterpret_cast<sockaddr_in6*>(&storage);
        const auto bytes = where.address.to_v6().to_bytes();
        address->sin6_family = AF_INET6;
        address->sin6_port = htons(where.port);
        std::memcpy(&address->sin6_addr, bytes.data(), bytes.size());
        size = sizeof *address;
    }
    const int made = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    const bool listening = made >= 0 && ::setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                           ::bind(made, reinterpret_cast<const sockaddr*>(&storage), size) == 0 &&
                           ::listen(made, SOMAXCONN) == 0;
    if (listening) return made;
    const int error = errno;
    if (made >= 0) ::close(made);
    fail(75, listen, fmt::format("cannot listen: {}", std::strerror(error)));
}

class metrics_listener final : public api_server, private deadline_entry {
  public:
    metrics_listener(
        const boost::asio::any_io_executor& loop, std::string listen, status_backend& behind, api_observer& observer,
        connection_limits limits, metrics_reach reach)
        : loop_(loop), listen_(std::move(listen)), reach_(reach), handler_(behind),
          pool_(
              loop, handler_, {place_limits::equal(max_scrapers), {}, limits, eviction::silent},
              [&observer](const api_request_fact& fact) { observer.on_request(fact); }) {}

    void start() override {
        accepting_.emplace(loop_, listen_on(parse_endpoint(listen_, reach_), listen_), pool_);
        accepting_->start();
    }

    void stop(milliseconds within, unique_function<void()> stopped) override {
        if (accepting_) accepting_->stop();
        pool_.deadlines().start(*this, within);
        pool_.finish(lifetime_.guarded([this, stopped = std::move(stopped)]() mutable {
            pool_.deadlines().stop(*this);
            stopped();
        }));
    }

    void reconfigure(std::size_t, std::optional<gid_t>) noexcept override {}
    std::size_t connections() const override { return pool_.size(); }

  private:
    void on_deadline() override { pool_.close_all(); }

    boost::asio::any_io_executor loop_;
    std::string listen_;
    metrics_reach reach_;
    metrics_handler handler_;
    connection_pool pool_;
    std::optional<accept_loop> accepting_;
    lifetime lifetime_;
};

} // namespace

connection_limits metrics_limits() {
    connection_limits limits;
    limits.first_request = limits.stall;
    limits.body_total = limits.stall;
    limits.write_stall = limits.stall;
    limits.answer = seconds(30);
    return limits;
}

std::unique_ptr<api_server> make_metrics_listener(
    const boost::asio::any_io_executor& loop, const std::string& listen, status_backend& behind, api_observer& observer,
    connection_limits limits, metrics_reach reach) {
    return std::make_unique<metrics_listener>(loop, listen, behind, observer, limits, reach);
}

} // namespace prooftrack::api
