// proof-sandbox: a stand-in Proof server for tests, the demo, and merchants who develop against it.

#include <sys/resource.h>
#include <unistd.h>

#include <iostream>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <fmt/format.h>

#include "base/result.hpp"
#include "certificate.hpp"
#include "net/standard_descriptors.hpp"
#include "options.hpp"
#include "proof_site.hpp"
#include "random_text.hpp"
#include "server.hpp"
#include "shop/shop_server.hpp"
#include "state_directory.hpp"

namespace prooftrack::sandbox {
namespace {

namespace asio = boost::asio;

constexpr int exit_data = 65;
constexpr int exit_cannot_create = 73;
constexpr int exit_try_later = 75;
constexpr auto stop_timeout = seconds(1);
constexpr std::size_t spare_descriptors = 64;
constexpr std::size_t most_connections = 16'384;

/// A start that cannot succeed: what to print and how to exit.
struct start_failure {
    int status;
    std::string message;
};

/// Takes as many descriptors as the system gives; returns how many connections fit.
std::size_t raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return most_connections;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const auto descriptors = static_cast<std::size_t>(limit.rlim_cur);
    return std::min(
        most_connections, descriptors > 2 * spare_descriptors ? descriptors - spare_descriptors : spare_descriptors);
}

asio::ip::tcp::endpoint find_endpoint(const std::string& host, std::uint16_t port) {
    error_code not_address;
    auto address = asio::ip::make_address(host, not_address);
    if (not_address && host != "localhost") {
        throw start_failure{
            exit_try_later, fmt::format("cannot listen on \"{}\": give an address, or localhost", host)};
    }
    if (not_address) address = asio::ip::address_v4::loopback();
    return {address, port};
}

std::string format_base_url(const sandbox_options& options, std::uint16_t port) {
    if (options.host == "0.0.0.0") return fmt::format("https://127.0.0.1:{}", port);
    if (options.host == "::") return fmt::format("https://[::1]:{}", port);
    const bool v6 = options.host.find(':') != std::string::npos;
    return v6 ? fmt::format("https://[{}]:{}", options.host, port) : fmt::format("https://{}:{}", options.host, port);
}

script_document load_script(const sandbox_options& options) {
    if (options.script.empty()) return {};
    try {
        auto document = parse_script_document(read_file(options.script));
        if (document) return std::move(*document);
        throw start_failure{exit_data, fmt::format("{}: {}", options.script.string(), document.error().message)};
    } catch (const std::exception& error) {
        throw start_failure{exit_data, fmt::format("cannot read the script: {}", error.what())};
    }
}

asio::ssl::context make_context(const sandbox_options& options) {
    try {
        prepare_directory(options.directory);
        std::vector<std::string> more_hosts;
        if (options.host != "localhost") more_hosts.push_back(options.host);
        auto context = make_server_context(options.directory, more_hosts);
        if (!options.http1) offer_http2(context);
        return context;
    } catch (const std::exception& error) {
        throw start_failure{
            exit_cannot_create, fmt::format("cannot use --dir {}: {}", options.directory.string(), error.what())};
    }
}

std::unique_ptr<server> listen(
    asio::any_io_executor loop, const sandbox_options& options, std::size_t connections, asio::ssl::context context) {
    const auto endpoint = find_endpoint(options.host, options.port);
    try {
        return std::make_unique<server>(std::move(loop), endpoint, connections, std::move(context));
    } catch (const boost::system::system_error& error) {
        throw start_failure{
            exit_try_later, fmt::format(
                                "cannot listen on {}:{}: {}; another --listen, or port 0, helps", options.host,
                                options.port, error.code().message())};
    }
}

std::unique_ptr<shop_server> open_shop(asio::any_io_executor loop, const sandbox_options& options, proof_site& proof) {
    if (options.shop_host.empty()) return nullptr;
    const auto endpoint = find_endpoint(options.shop_host, options.shop_port);
    try {
        return std::make_unique<shop_server>(std::move(loop), endpoint, options.daemon_socket, proof);
    } catch (const boost::system::system_error& error) {
        throw start_failure{
            exit_try_later, fmt::format(
                                "cannot listen on {}:{}: {}; another --shop, or port 0, helps", options.shop_host,
                                options.shop_port, error.code().message())};
    }
}

int serve(const sandbox_options& options) {
    auto document = load_script(options);
    auto context = make_context(options);
    asio::io_context loop{1};
    auto listener = listen(loop.get_executor(), options, raise_descriptor_limit(), std::move(context));
    const auto base_url = format_base_url(options, listener->local_endpoint().port());

    proof_site_options site_options;
    site_options.rules = {options.generation.value_or(api_generation::first), !options.generation};
    site_options.accept_any = options.accept_any;
    site_options.token = secret(keep_token(options.directory, options.token));
    site_options.base_url = base_url;
    site_options.seed = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
    proof_site site(std::move(site_options));
    const instant now{
        std::chrono::steady_clock::now(), std::chrono::floor<milliseconds>(std::chrono::system_clock::now())};
    if (const auto applied = site.apply(std::move(document), now); !applied) {
        throw start_failure{exit_data, fmt::format("{}: {}", options.script.string(), applied.error().message)};
    }
    auto shop = open_shop(loop.get_executor(), options, site);
    listener->start(site, site.connections);
    if (shop) shop->start();

    asio::signal_set signals(loop, SIGTERM, SIGINT);
    signals.async_wait([&](error_code, int) {
        if (shop) shop->stop();
        listener->stop(stop_timeout, [&] { signals.cancel(); });
        signals.async_wait([](error_code cancelled, int) {
            if (!cancelled) ::_exit(0); // asked twice
        });
    });
    if (shop) {
        write_atomically(options.directory / "shop_url", shop->url() + "\n", 0644);
        std::cout << fmt::format("the example shop is at {}", shop->url()) << std::endl;
    }
    write_atomically(options.directory / "base_url", base_url + "\n", 0644);
    std::cout << fmt::format("proof-sandbox serves {} (token and ca.pem in {})", base_url, options.directory.string())
              << std::endl;
    loop.run();
    return 0;
}

} // namespace
} // namespace prooftrack::sandbox

int main(int argc, char** argv) {
    using namespace prooftrack;
    net::fill_standard_descriptors();
    const auto parsed = sandbox::parse_options(std::vector<std::string>(argv + 1, argv + argc));
    if (const auto* stop = std::get_if<sandbox::exit_request>(&parsed)) {
        (stop->status == 0 ? std::cout : std::cerr) << stop->text;
        return stop->status;
    }
    try {
        return sandbox::serve(std::get<sandbox::sandbox_options>(parsed));
    } catch (const sandbox::start_failure& failure) {
        std::cerr << "proof-sandbox: " << failure.message << '\n';
        return failure.status;
    } catch (const std::exception& error) {
        std::cerr << "proof-sandbox: " << error.what() << '\n';
        return sandbox::exit_cannot_create;
    }
}
