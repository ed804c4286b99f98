#include "net/connector.hpp"

#include <chrono>
#include <string>
#include <tuple>

#include <boost/asio/io_context.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/address_rules.hpp"
#include "net/error.hpp"
#include "support/run_task.hpp"
#include "support/scripted_http_server.hpp"
#include "support/test_certificates.hpp"

namespace prooftrack::net {
namespace {

namespace asio = boost::asio;
using namespace testing_support;
using testing::HasSubstr;

resolver_options knows(std::vector<std::string> texts) {
    resolver_options options;
    options.lookup = [texts](const std::string&) -> result<address_list> {
        address_list list;
        for (const auto& text : texts) list.push_back(asio::ip::make_address(text));
        return list;
    };
    return options;
}

/// A listening socket whose backlog is full: a connect to it gets no answer at all.
class silent_port {
  public:
    explicit silent_port(const char* address) : acceptor_(io_), first_(io_), second_(io_) {
        const asio::ip::tcp::endpoint any(asio::ip::make_address(address), 0);
        acceptor_.open(any.protocol());
        acceptor_.bind(any);
        acceptor_.listen(0);
        const auto here = acceptor_.local_endpoint();
        for (auto* filler : {&first_, &second_}) {
            filler->open(here.protocol());
            filler->non_blocking(true);
            // asio's would wait; that the second finds no place is what it is for
            std::ignore = ::connect(filler->native_handle(), here.data(), static_cast<socklen_t>(here.size()));
        }
    }
    std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  private:
    asio::io_context io_;
    asio::ip::tcp::acceptor acceptor_;
    asio::ip::tcp::socket first_;
    asio::ip::tcp::socket second_;
};

std::uint16_t closed_port() {
    asio::io_context io;
    asio::ip::tcp::acceptor acceptor(io, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    return acceptor.local_endpoint().port();
}

void hold(scripted_connection& connection) { connection.wait_for_close(); }

TEST(Connector, ConnectsToALiteralAddress) {
    asio::io_context io(1);
    scripted_http_server server(hold);
    host_resolver resolver(io.get_executor());
    auto socket = run_task(io, async_connect_tcp(resolver, "127.0.0.1", server.port(), {}));
    ASSERT_TRUE(socket.has_value()) << socket.error().message();
    EXPECT_EQ(socket->remote_endpoint().port(), server.port());
    asio::ip::tcp::no_delay quick;
    socket->get_option(quick);
    EXPECT_TRUE(quick.value());
}

TEST(Connector, ARefusedAddressIsNamedInTheError) {
    asio::io_context io(1);
    host_resolver resolver(io.get_executor());
    const auto port = closed_port();
    const auto socket = run_task(io, async_connect_tcp(resolver, "127.0.0.1", port, {}));
    ASSERT_TRUE(socket.has_error());
    EXPECT_EQ(socket.error().code, asio::error::connection_refused);
    EXPECT_EQ(socket.error().operation, "connect 127.0.0.1:" + std::to_string(port));
}

TEST(Connector, FallsBackToTheNextAddressAtOnceWhenOneRefuses) {
    asio::io_context io(1);
    scripted_http_server server(hold);
    host_resolver resolver(io.get_executor(), knows({"127.0.0.2", "127.0.0.3", "127.0.0.1"}));
    connect_options options;
    options.head_start = std::chrono::hours(1);
    const auto socket = run_task(io, async_connect_tcp(resolver, "shop.example", server.port(), options));
    ASSERT_TRUE(socket.has_value()) << socket.error().message();
    EXPECT_EQ(socket->remote_endpoint().address().to_string(), "127.0.0.1");
}

TEST(Connector, Ipv6FirstThatIsDeadCostsNothing) {
    asio::io_context io(1);
    scripted_http_server server(hold);
    host_resolver resolver(io.get_executor(), knows({"::1", "127.0.0.1"}));
    connect_options options;
    options.head_start = std::chrono::hours(1);
    const auto socket = run_task(io, async_connect_tcp(resolver, "shop.example", server.port(), options));
    ASSERT_TRUE(socket.has_value()) << socket.error().message();
}

TEST(Connector, ASilentAddressGetsOnlyItsHeadStart) {
    asio::io_context io(1);
    const silent_port silent("127.0.0.2");
    // The same port on another address answers.
    asio::ip::tcp::acceptor answering(io, asio::ip::tcp::endpoint(asio::ip::make_address("127.0.0.1"), silent.port()));
    host_resolver resolver(io.get_executor(), knows({"127.0.0.2", "127.0.0.1"}));
    connect_options options;
    options.head_start = milliseconds(30);
    options.per_address = seconds(20);
    const auto begun = std::chrono::steady_clock::now();
    const auto socket = run_task(io, async_connect_tcp(resolver, "shop.example", silent.port(), options));
    const auto took = std::chrono::steady_clock::now() - begun;
    ASSERT_TRUE(socket.has_value()) << socket.error().message();
    EXPECT_EQ(socket->remote_endpoint().address().to_string(), "127.0.0.1");
    EXPECT_GE(took, milliseconds(30));
    EXPECT_LT(took, seconds(10));
}

TEST(Connector, ASilentAddressIsGivenUpAtItsDeadline) {
    asio::io_context io(1);
    const silent_port silent("127.0.0.1");
    host_resolver resolver(io.get_executor());
    connect_options options;
    options.per_address = milliseconds(20);
    const auto socket = run_task(io, async_connect_tcp(resolver, "127.0.0.1", silent.port(), options));
    ASSERT_TRUE(socket.has_error());
    EXPECT_EQ(socket.error().code, net_error::timed_out);
    EXPECT_THAT(socket.error().operation, HasSubstr("connect 127.0.0.1"));
}

TEST(Connector, TheWholeTryHasADeadlineToo) {
    asio::io_context io(1);
    const silent_port silent("127.0.0.1");
    host_resolver resolver(io.get_executor());
    connect_options options;
    options.total = milliseconds(20);
    options.per_address = seconds(20);
    const auto socket = run_task(io, async_connect_tcp(resolver, "127.0.0.1", silent.port(), options));
    ASSERT_TRUE(socket.has_error());
    EXPECT_EQ(socket.error().code, net_error::timed_out);
}

TEST(Connector, TheFilterSeesResolvedAddressesAndLeavesOutThoseItRefuses) {
    asio::io_context io(1);
    scripted_http_server server(hold);
    host_resolver resolver(io.get_executor(), knows({"169.254.169.254", "::ffff:169.254.169.254", "127.0.0.1"}));
    connect_options options;
    options.filter = [](const asio::ip::address& address) { return may_send_to(address, true); };
    const auto socket = run_task(io, async_connect_tcp(resolver, "shop.example", server.port(), options));
    ASSERT_TRUE(socket.has_value()) << socket.error().message();
    options.filter = [](const asio::ip::address& address) { return may_send_to(address, false); };
    const auto refused = run_task(io, async_connect_tcp(resolver, "shop.example", server.port(), options));
    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error().code, net_error::address_not_allowed);
    run_until(io, [&] { return server.connections() > 0; }); // accepting is the server's own thread's affair
    EXPECT_EQ(server.connections(), 1U);
}

TEST(Connector, WithAStrictRuleOneRefusedAddressRefusesTheHostAndIsNamed) {
    asio::io_context io(1);
    scripted_http_server server(hold);
    connect_options options;
    options.filter = may_send_plainly_to;
    options.strict_rule = "no further than this";
    for (const auto& addresses : std::vector<std::vector<std::string>>{
             {"8.8.8.8"}, {"127.0.0.1", "8.8.8.8"}, {"8.8.8.8", "127.0.0.1"}, {"127.0.0.1", "10.0.0.1", "8.8.8.8"}}) {
        host_resolver resolver(io.get_executor(), knows(addresses));
        const auto refused = run_task(io, async_connect_tcp(resolver, "receiver", server.port(), options));
        ASSERT_TRUE(refused.has_error());
        EXPECT_EQ(refused.error().code, net_error::address_not_allowed);
        EXPECT_EQ(refused.error().detail, "receiver resolves to 8.8.8.8; no further than this");
    }
    host_resolver resolver(io.get_executor(), knows({"127.0.0.1"}));
    EXPECT_TRUE(run_task(io, async_connect_tcp(resolver, "receiver", server.port(), options)).has_value());
    run_until(io, [&] { return server.connections() > 0; });
    EXPECT_EQ(server.connections(), 1U);
}

TEST(Connector, ACancelledTryAnswersOnceAndSaysSo) {
    asio::io_context io(1);
    const silent_port silent("127.0.0.1");
    host_resolver resolver(io.get_executor());
    int answers = 0;
    auto cancel = connect_tcp(io.get_executor(), resolver, "127.0.0.1", silent.port(), {}, [&](const auto& socket) {
        ++answers;
        ASSERT_TRUE(socket.has_error());
        EXPECT_EQ(socket.error().code, net_error::cancelled);
    });
    io.poll();
    cancel();
    cancel();
    EXPECT_EQ(answers, 0) << "never from inside the call";
    io.restart();
    io.run_for(seconds(5));
    EXPECT_EQ(answers, 1);
}

TEST(Connector, ConnectsToAUnixSocketAndNamesTheOneThatIsMissing) {
    asio::io_context io(1);
    const temporary_directory folder;
    scripted_http_server server(folder.file("shop.sock"), hold);
    const auto socket = run_task(io, async_connect_unix(folder.file("shop.sock"), seconds(5)));
    EXPECT_TRUE(socket.has_value());
    const auto missing = run_task(io, async_connect_unix(folder.file("none.sock"), seconds(5)));
    ASSERT_TRUE(missing.has_error());
    EXPECT_THAT(missing.error().message(), HasSubstr("none.sock"));
    EXPECT_TRUE(run_task(io, async_connect_unix("/" + std::string(200, 'x'), seconds(5))).has_error());
}

TEST(Connector, AUnixSocketWhoseBacklogIsFullIsWaitedFor) {
    using unix_protocol = asio::local::stream_protocol;
    asio::io_context io(1);
    const temporary_directory folder;
    unix_protocol::acceptor listening(io, unix_protocol::endpoint(folder.file("busy.sock")), true);
    listening.listen(0); // room for one
    const auto first = run_task(io, async_connect_unix(folder.file("busy.sock"), seconds(5)));
    ASSERT_TRUE(first.has_value());

    const auto refused = run_task(io, async_connect_unix(folder.file("busy.sock"), milliseconds(50)));
    ASSERT_TRUE(refused.has_error()) << "nobody accepted";
    EXPECT_EQ(refused.error().code, net_error::timed_out);
    EXPECT_THAT(refused.error().message(), HasSubstr("backlog is full"));

    asio::steady_timer later(io, milliseconds(60));
    later.async_wait([&](error_code) { listening.accept(); });
    const auto second = run_task(io, async_connect_unix(folder.file("busy.sock"), seconds(5)));
    ASSERT_TRUE(second.has_value());
    error_code unconnected;
    second->remote_endpoint(unconnected);
    EXPECT_FALSE(unconnected) << unconnected.message();
}

} // namespace
} // namespace prooftrack::net
