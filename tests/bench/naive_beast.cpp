// The client one writes first: a coroutine a connection, async_write, async_read and expires_after for each request,
// and the reply parsed as JSON. Prints requests, CPU seconds and seconds as JSON.
//   naive_beast PORT CA_FILE CONNECTIONS SECONDS

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <string>

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <sys/resource.h>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using clock_type = std::chrono::steady_clock;

std::uint64_t replies = 0;
std::exception_ptr failure;

asio::awaitable<void> run_connection(
    asio::ssl::context& context, asio::ip::tcp::endpoint peer, int number, clock_type::time_point until) {
    const auto executor = co_await asio::this_coro::executor;
    beast::ssl_stream<beast::tcp_stream> stream(executor, context);
    auto& lowest = beast::get_lowest_layer(stream);
    co_await lowest.async_connect(peer, asio::use_awaitable);
    co_await stream.async_handshake(asio::ssl::stream_base::client, asio::use_awaitable);
    beast::flat_buffer buffer;
    while (clock_type::now() < until) {
        const auto id = fmt::format("550e8400-e29b-41d4-a716-{:012}", number);
        http::request<http::empty_body> request(http::verb::get, "/widget/transactions/" + id, 11);
        request.set(http::field::host, "localhost");
        request.set(http::field::authorization, "Bearer bench");
        lowest.expires_after(std::chrono::seconds(10));
        co_await http::async_write(stream, request, asio::use_awaitable);
        http::response<http::string_body> response;
        co_await http::async_read(stream, buffer, response, asio::use_awaitable);
        const auto parsed = boost::json::parse(response.body());
        if (parsed.at("merchant_transaction_id").as_string() != id || parsed.at("status").as_string().empty())
            throw std::runtime_error("another reply");
        ++replies;
    }
}

void on_end(std::exception_ptr error) {
    if (error) failure = error;
}

double cpu_seconds() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 5) return 64;
    asio::io_context loop(1);
    asio::ssl::context context(asio::ssl::context::tls_client);
    context.load_verify_file(argv[2]);
    context.set_verify_mode(asio::ssl::verify_peer);
    const asio::ip::tcp::endpoint peer(
        asio::ip::make_address("127.0.0.1"), static_cast<std::uint16_t>(std::atoi(argv[1])));
    const auto start = clock_type::now();
    const auto until = start + std::chrono::milliseconds(static_cast<int>(std::atof(argv[4]) * 1000));
    for (int number = 0; number < std::atoi(argv[3]); ++number)
        asio::co_spawn(loop, run_connection(context, peer, number, until), on_end);
    loop.run();
    try {
        if (failure) std::rethrow_exception(failure);
    } catch (const std::exception& error) {
        fmt::print(stderr, "naive_beast: {}\n", error.what());
        return 1;
    }
    const std::chrono::duration<double> took = clock_type::now() - start;
    fmt::print(R"({{"requests": {}, "cpu": {:.6f}, "seconds": {:.6f}}})", replies, cpu_seconds(), took.count());
    return 0;
}
