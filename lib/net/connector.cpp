#include "net/connector.hpp"

#include <algorithm>
#include <cerrno>
#include <list>
#include <utility>

#include <sys/socket.h>

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/http_url.hpp"
#include "net/completion.hpp"
#include "net/deadline.hpp"
#include "net/error.hpp"
#include "net/proxy_tunnel.hpp"

namespace prooftrack::net {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr milliseconds full_backlog_pause{20};

/// Alternates between the families, beginning with that of the first address; order within a family stays.
address_list interleave_families(const address_list& addresses) {
    address_list first;
    address_list second;
    for (const auto& address : addresses) {
        auto& family = address.is_v6() == addresses.front().is_v6() ? first : second;
        if (std::find(family.begin(), family.end(), address) == family.end()) family.push_back(address);
    }
    address_list mixed;
    for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
        if (i < first.size()) mixed.push_back(first[i]);
        if (i < second.size()) mixed.push_back(second[i]);
    }
    return mixed;
}

/// False for a literal address that the filter refuses; a name is for whoever resolves it to judge.
bool is_allowed_literal(const address_filter& filter, const std::string& host) {
    error_code error;
    const auto address = asio::ip::make_address(host, error);
    return error || !filter || filter(address);
}

/// Why a host is refused as a whole: a strict filter does not pass one of its addresses.
std::optional<op_error> judge_strictly(
    const address_list& addresses, const connect_options& options, const std::string& host, std::string operation) {
    if (!options.filter || options.strict_rule.empty()) return std::nullopt;
    const auto refused =
        std::find_if(addresses.begin(), addresses.end(), [&](const auto& each) { return !options.filter(each); });
    if (refused == addresses.end()) return std::nullopt;
    return op_error{
        net_error::address_not_allowed, std::move(operation),
        fmt::format("{} resolves to {}; {}", host, refused->to_string(), options.strict_rule)};
}

/// One try to connect a host. Keeps itself alive through the handlers of its operations; every one of them has a
/// deadline.
class connect_race : public std::enable_shared_from_this<connect_race> {
  public:
    using handler_type = unique_function<void(op_result<tcp::socket>)>;

    connect_race(
        const asio::any_io_executor& loop, std::string host, std::uint16_t port, connect_options options,
        handler_type handler)
        : loop_(loop), host_(std::move(host)), port_(port), options_(std::move(options)), handler_(std::move(handler)),
          head_start_(loop), total_(loop) {}

    void start(host_resolver& resolver) {
        total_.start(options_.total, [this] { give_up(net_error::timed_out); });
        resolver.resolve(host_, [self = shared_from_this()](op_result<address_list> found) {
            if (self->handler_) self->on_resolved(std::move(found));
        });
    }

    void give_up(net_error why) {
        if (!handler_) return;
        stage_error_ = {why, stage(), {}};
        // Whoever gives up may be inside a call of its own: the handler runs from the loop.
        asio::post(loop_, [self = shared_from_this()] { self->finish(); });
        close_attempts();
    }

  private:
    struct attempt {
        explicit attempt(const asio::any_io_executor& loop) : socket(loop), limit(loop) {}
        tcp::socket socket;
        deadline limit;
    };

    std::string stage() const {
        return resolved_ ? fmt::format("connect {}:{}", host_, port_) : fmt::format("resolve {}", host_);
    }

    void on_resolved(op_result<address_list> found) {
        if (found.has_error()) {
            stage_error_ = found.error();
            return finish();
        }
        resolved_ = true;
        addresses_ = interleave_families(*found);
        if (!hold_to_filter()) return finish();
        if (addresses_.empty()) {
            stage_error_ = {net_error::address_not_allowed, stage(), {}};
            return finish();
        }
        try_next();
    }

    /// False when the host as a whole is refused.
    bool hold_to_filter() {
        if (auto refused = judge_strictly(addresses_, options_, host_, stage())) {
            stage_error_ = std::move(refused);
            return false;
        }
        if (options_.filter) std::erase_if(addresses_, [this](const auto& each) { return !options_.filter(each); });
        return true;
    }

    void try_next() {
        if (next_ == addresses_.size()) return;
        const tcp::endpoint endpoint(addresses_[next_++], port_);
        const auto current = attempts_.emplace(attempts_.end(), loop_);
        current->limit.start(options_.per_address, [current] {
            error_code ignored;
            current->socket.close(ignored);
        });
        current->socket.async_connect(endpoint, [self = shared_from_this(), current, endpoint](error_code error) {
            self->on_connected(current, endpoint, error);
        });
        if (next_ == addresses_.size()) return;
        head_start_.start(options_.head_start, [this] { try_next(); });
    }

    void on_connected(std::list<attempt>::iterator current, const tcp::endpoint& endpoint, error_code error) {
        const error_code failure = current->limit.translate(error);
        current->limit.finish();
        if (!handler_) {
            attempts_.erase(current);
            return;
        }
        if (!failure && !stage_error_) {
            winner_.emplace(std::move(current->socket));
            attempts_.erase(current);
            return finish();
        }
        attempts_.erase(current);
        if (stage_error_) return; // gave up: finish() is on its way
        if (!first_error_) first_error_ = op_error{failure, describe(endpoint), {}};
        if (next_ < addresses_.size()) return try_next();
        if (attempts_.empty()) {
            stage_error_ = first_error_;
            finish();
        }
    }

    std::string describe(const tcp::endpoint& endpoint) const {
        const std::string address = endpoint.address().to_string();
        const bool v6 = endpoint.address().is_v6();
        const std::string where = v6 ? fmt::format("[{}]:{}", address, port_) : fmt::format("{}:{}", address, port_);
        return "connect " + where;
    }

    void close_attempts() {
        head_start_.finish();
        for (auto& each : attempts_) {
            error_code ignored;
            each.socket.close(ignored);
        }
    }

    void finish() {
        if (!handler_) return;
        total_.finish();
        close_attempts();
        auto handler = std::move(handler_);
        handler_ = {};
        if (!winner_) return handler(*stage_error_);
        error_code ignored;
        winner_->set_option(tcp::no_delay(true), ignored);
        handler(std::move(*winner_));
    }

    asio::any_io_executor loop_;
    std::string host_;
    std::uint16_t port_;
    connect_options options_;
    handler_type handler_; // empty = finished
    bool resolved_ = false;
    address_list addresses_;
    std::size_t next_ = 0;
    std::list<attempt> attempts_; // a list: handlers hold iterators
    deadline head_start_;
    deadline total_;
    std::optional<op_error> first_error_;
    std::optional<op_error> stage_error_; // why the whole failed
    std::optional<tcp::socket> winner_;
};

/// Through a proxy to a host whose every address has to pass the filter: the name is resolved here and the proxy is
/// asked for an address, or it would choose one that nobody has judged. Lives as long as what gives it up.
class judged_tunnel : public std::enable_shared_from_this<judged_tunnel> {
  public:
    using handler_type = unique_function<void(op_result<tcp::socket>)>;

    judged_tunnel(
        const asio::any_io_executor& loop, http_proxy proxy, std::string host, std::uint16_t port,
        connect_options options, handler_type handler)
        : loop_(loop), proxy_(std::move(proxy)), host_(std::move(host)), port_(port), options_(std::move(options)),
          handler_(std::move(handler)), limit_(loop), until_(std::chrono::steady_clock::now() + options_.total) {}

    void start(host_resolver& resolver) {
        limit_.start_until(until_, [this] { give_up(net_error::timed_out); });
        resolver.resolve(host_, [self = shared_from_this(), &resolver](op_result<address_list> found) {
            if (self->handler_ && !self->has_given_up_) self->on_resolved(resolver, std::move(found));
        });
    }

    void give_up(net_error why) {
        if (cancel_tunnel_) return cancel_tunnel_();
        if (!handler_ || std::exchange(has_given_up_, true)) return;
        asio::post(loop_, [self = shared_from_this(), why] { self->fail({why, self->operation(), {}}); });
    }

  private:
    std::string operation() const { return "resolve " + host_; }

    void on_resolved(host_resolver& resolver, op_result<address_list> found) {
        if (found.has_error()) return fail(found.error());
        if (auto refused = judge_strictly(*found, options_, host_, operation())) return fail(std::move(*refused));
        limit_.finish();
        options_.total = until_ - std::chrono::steady_clock::now();
        cancel_tunnel_ = connect_through_proxy(
            loop_, resolver, std::move(proxy_), found->front().to_string(), port_, std::move(options_),
            std::exchange(handler_, {}));
    }

    void fail(op_error error) {
        limit_.finish();
        if (auto handler = std::exchange(handler_, {})) handler(std::move(error));
    }

    asio::any_io_executor loop_;
    http_proxy proxy_;
    std::string host_;
    std::uint16_t port_;
    connect_options options_;
    handler_type handler_; ///< empty = finished, or the tunnel's now
    deadline limit_;
    steady_time until_;
    bool has_given_up_ = false;
    unique_function<void()> cancel_tunnel_;
};

} // namespace

unique_function<void()> connect_tcp(
    asio::any_io_executor loop, host_resolver& resolver, std::string host, std::uint16_t port, connect_options options,
    unique_function<void(op_result<tcp::socket>)> handler) {
    const http_proxy* proxy = options.route ? options.route->find(host, port) : nullptr;
    if (proxy != nullptr && is_allowed_literal(options.filter, host)) {
        http_proxy chosen = *proxy; // the options that own it are moved below
        if (!options.strict_rule.empty()) {
            auto tunnel = std::make_shared<judged_tunnel>(
                loop, std::move(chosen), std::move(host), port, std::move(options), std::move(handler));
            tunnel->start(resolver);
            return [tunnel] { tunnel->give_up(net_error::cancelled); };
        }
        return connect_through_proxy(
            std::move(loop), resolver, std::move(chosen), std::move(host), port, std::move(options),
            std::move(handler));
    }
    auto race = std::make_shared<connect_race>(loop, std::move(host), port, std::move(options), std::move(handler));
    race->start(resolver);
    return [weak = std::weak_ptr<connect_race>(race)] {
        if (const auto alive = weak.lock()) alive->give_up(net_error::cancelled);
    };
}

asio::awaitable<op_result<tcp::socket>> async_connect_tcp(
    host_resolver& resolver, std::string host, std::uint16_t port, connect_options options) {
    using value = op_result<tcp::socket>;
    const asio::any_io_executor loop = co_await asio::this_coro::executor;
    auto start = [loop, &resolver, host = std::move(host), port,
                  options = std::move(options)](unique_function<void(value)> handler) mutable {
        return connect_tcp(loop, resolver, std::move(host), port, std::move(options), std::move(handler));
    };
    auto task = async_completion<value>(std::move(start));
    co_return co_await std::move(task);
}

asio::awaitable<op_result<tls_stream_ptr>> async_connect_tls(
    host_resolver& resolver, tls_client& tls, std::string host, std::uint16_t port, connect_options options) {
    const steady_duration handshake = options.handshake;
    auto connecting = async_connect_tcp(resolver, host, port, std::move(options));
    op_result<tcp::socket> socket = co_await std::move(connecting);
    if (socket.has_error()) co_return socket.error();
    tls_stream_ptr stream = tls.make_stream(std::move(*socket), host, port);
    op_result<void> secured = co_await async_tls_handshake(*stream, handshake);
    if (secured.has_error()) co_return secured.error();
    co_return stream;
}

asio::awaitable<op_result<asio::local::stream_protocol::socket>> async_connect_unix(
    std::string path, steady_duration within) {
    using unix_protocol = asio::local::stream_protocol;
    const asio::any_io_executor loop = co_await asio::this_coro::executor;
    const std::string operation = "connect " + path;
    op_error failure{url_error::socket, operation, {}};
    if (path.empty() || path.size() > max_socket_path) co_return failure;
    const unix_protocol::endpoint endpoint(path);
    const steady_time give_up = std::chrono::steady_clock::now() + within;
    asio::steady_timer pause(loop);
    unix_protocol::socket socket(loop);
    socket.open(unix_protocol(), failure.code);
    if (!failure.code) socket.native_non_blocking(true, failure.code);
    if (failure.code) co_return failure;
    // A Unix socket whose backlog is full says EAGAIN and cannot be polled for a free place (it looks writable, and
    // Asio would call it connected): ask again.
    for (;;) {
        if (::connect(socket.native_handle(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0)
            co_return socket;
        failure.code = error_code(errno, boost::system::system_category());
        if (failure.code != asio::error::try_again && failure.code != asio::error::interrupted) co_return failure;
        if (std::chrono::steady_clock::now() + full_backlog_pause >= give_up) {
            failure = {net_error::timed_out, operation, "its backlog is full: the receiver does not accept"};
            co_return failure;
        }
        pause.expires_after(full_backlog_pause);
        error_code ignored;
        auto token = asio::redirect_error(asio::use_awaitable, ignored);
        co_await pause.async_wait(token);
    }
}

} // namespace prooftrack::net
