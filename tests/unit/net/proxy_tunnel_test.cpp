// CONNECT as a step of connecting: what a proxy is asked, what its answers mean, and where none is used.

#include "net/proxy_tunnel.hpp"

#include <atomic>
#include <future>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/address_rules.hpp"
#include "net/error.hpp"
#include "support/connect_relay.hpp"
#include "support/run_task.hpp"
#include "support/test_certificates.hpp"

namespace prooftrack::net {
namespace {

namespace asio = boost::asio;
using namespace testing_support;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ProxyTunnel : public testing::Test {
  protected:
    static connect_options through(std::uint16_t port, secret authorization = {}) {
        connect_options options;
        options.route =
            std::make_shared<proxy_route>(http_proxy{{"127.0.0.1", port}, std::move(authorization)}, no_proxy_list());
        return options;
    }

    /// What comes of a connection to proof.example:443 when the proxy sends `reply` and closes.
    op_result<asio::ip::tcp::socket> answered_with(const std::string& reply, secret authorization = {}) {
        scripted_http_server proxy([&](scripted_connection& connection) {
            asked_ = connection.read_request();
            connection.send(reply);
            connection.close_in_order();
            connection.wait_for_close();
        });
        name_ = "proxy 127.0.0.1:" + std::to_string(proxy.port());
        auto options = through(proxy.port(), std::move(authorization));
        return run_task(io_, async_connect_tcp(resolver_, "proof.example", 443, options));
    }

    asio::io_context io_{1};
    host_resolver resolver_{io_.get_executor()};
    std::string asked_;
    std::string name_;
};

TEST_F(ProxyTunnel, TheProxyIsAskedForTheNameAndTheBytesBehindItsReplyAreTheTargets) {
    const auto socket = answered_with(tunnel_made);
    ASSERT_TRUE(socket.has_value()) << socket.error().message();
    EXPECT_EQ(asked_, "CONNECT proof.example:443 HTTP/1.1\r\nHost: proof.example:443\r\n\r\n");
    EXPECT_TRUE(answered_with("HTTP/1.0 204 x\r\nContent-Length: 100\r\n\r\n").has_value()) << "any 2xx, and no body";
}

TEST_F(ProxyTunnel, WithAStrictRuleTheNameIsResolvedHereAndTheProxyGetsAnAddress) {
    scripted_http_server proxy([&](scripted_connection& connection) {
        asked_ = connection.read_request();
        connection.send(tunnel_made);
        connection.wait_for_close();
    });
    connect_options options = through(proxy.port());
    options.filter = may_send_plainly_to;
    options.strict_rule = "no further than this";
    const auto connect = [&](const std::vector<std::string>& addresses) {
        resolver_options known;
        known.lookup = [addresses](const std::string&) -> result<address_list> {
            address_list list;
            for (const auto& each : addresses) list.push_back(asio::ip::make_address(each));
            return list;
        };
        host_resolver resolver(io_.get_executor(), known);
        return run_task(io_, async_connect_tcp(resolver, "receiver", 8080, options));
    };
    ASSERT_TRUE(connect({"10.0.0.7", "10.0.0.8"}).has_value());
    EXPECT_THAT(asked_, testing::StartsWith("CONNECT 10.0.0.7:8080 HTTP/1.1\r\n"));
    ASSERT_TRUE(connect({"fd00::7"}).has_value());
    EXPECT_THAT(asked_, testing::StartsWith("CONNECT [fd00::7]:8080 HTTP/1.1\r\n"));
    asked_.clear();
    const auto refused = connect({"10.0.0.7", "8.8.8.8"});
    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error().code, net_error::address_not_allowed);
    EXPECT_EQ(refused.error().detail, "receiver resolves to 8.8.8.8; no further than this");
    EXPECT_EQ(asked_, "") << "the proxy does not even hear of it";
}

TEST_F(ProxyTunnel, WithAStrictRuleALookupWithoutEndIsGivenUp) {
    std::promise<void> over;
    resolver_options slow;
    slow.lookup = [wait = over.get_future().share()](const std::string&) -> result<address_list> {
        wait.wait();
        return address_list{};
    };
    connect_options options = through(1);
    options.filter = may_send_plainly_to;
    options.strict_rule = "no further than this";
    options.total = milliseconds(20);
    {
        host_resolver resolver(io_.get_executor(), slow);
        const auto refused = run_task(io_, async_connect_tcp(resolver, "receiver", 8080, options));
        ASSERT_TRUE(refused.has_error());
        EXPECT_EQ(refused.error().code, net_error::timed_out);
        EXPECT_EQ(refused.error().operation, "resolve receiver");
    }
    over.set_value();
}

TEST_F(ProxyTunnel, CredentialsGoAsBasic) {
    ASSERT_TRUE(answered_with(tunnel_made, make_basic_authorization(secret("Aladdin:open sesame"))).has_value());
    EXPECT_THAT(asked_, HasSubstr("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"));
}

TEST_F(ProxyTunnel, AnotherStatusNamesTheProxyAndWhatToDo) {
    const auto wants = answered_with("HTTP/1.1 407 secret words\r\nProxy-Authenticate: Basic\r\n\r\n");
    ASSERT_TRUE(wants.has_error());
    EXPECT_EQ(wants.error().code, net_error::proxy_refused);
    EXPECT_TRUE(is_proxy_failure(wants.error()));
    EXPECT_THAT(
        wants.error().message(),
        AllOf(
            HasSubstr(name_), HasSubstr("407 Proxy Authentication Required"), HasSubstr("CONNECT proof.example:443"),
            HasSubstr("proxy_credentials_file"), Not(HasSubstr("secret words"))));
    const auto wrong = answered_with("HTTP/1.1 407 x\r\n\r\n", make_basic_authorization(secret("me:word")));
    EXPECT_THAT(wrong.error().message(), AllOf(HasSubstr("does not accept"), Not(HasSubstr("bWU6"))));
    EXPECT_THAT(answered_with("HTTP/1.1 403 x\r\n\r\n").error().message(), HasSubstr("403 Forbidden"));
    EXPECT_THAT(answered_with("HTTP/1.1 502 x\r\n\r\n").error().message(), HasSubstr("502 Bad Gateway"));
    EXPECT_THAT(answered_with("HTTP/1.1 555 x\r\n\r\n").error().message(), HasSubstr("answered 555 to CONNECT"));
    EXPECT_EQ(answered_with("HTTP/1.1 100 Continue\r\n\r\n").error().code, net_error::proxy_refused);
}

TEST_F(ProxyTunnel, AReplyThatIsNoneIsAnErrorThatNamesTheProxy) {
    const std::pair<std::string, net_error> cases[] = {
        {"", net_error::closed_before_reply},
        {"HTTP/1.1 200 OK\r\n", net_error::truncated_reply},
        {"SSH-2.0-OpenSSH_9.2\r\n\r\n", net_error::not_http},
        {std::string(tunnel_made) + "220 mail.example", net_error::not_http},
    };
    for (const auto& [reply, error] : cases) {
        const auto socket = answered_with(reply);
        ASSERT_TRUE(socket.has_error()) << reply;
        EXPECT_EQ(socket.error().code, error) << reply << ": " << socket.error().message();
        EXPECT_EQ(socket.error().operation, name_);
    }
}

TEST_F(ProxyTunnel, TheReplyIsBounded) {
    const std::string begin = "HTTP/1.1 200 OK\r\nX: ";
    const std::string fits(max_proxy_reply_bytes - begin.size() - 4, 'x');
    EXPECT_TRUE(answered_with(begin + fits + "\r\n\r\n").has_value());
    const auto larger = answered_with(begin + fits + std::string(64, 'x') + "\r\n\r\n");
    ASSERT_TRUE(larger.has_error());
    EXPECT_EQ(larger.error().code, net_error::header_too_large) << larger.error().message();
}

TEST_F(ProxyTunnel, ASilentProxyGetsUntilTheDeadline) {
    const scripted_http_server proxy([](scripted_connection& connection) { connection.wait_for_close(); });
    connect_options options = through(proxy.port());
    options.total = milliseconds(300); // the connecting alone never takes so long
    const auto socket = run_task(io_, async_connect_tcp(resolver_, "proof.example", 443, options));
    ASSERT_TRUE(socket.has_error());
    EXPECT_EQ(socket.error().code, net_error::timed_out);
    EXPECT_THAT(
        socket.error().message(), AllOf(HasSubstr("proxy 127.0.0.1:"), HasSubstr("no reply to CONNECT proof.example")));
}

TEST_F(ProxyTunnel, AProxyThatIsNotThereIsNamed) {
    std::uint16_t port = 0;
    {
        const asio::ip::tcp::acceptor gone(io_, {asio::ip::address_v4::loopback(), 0});
        port = gone.local_endpoint().port();
    }
    const auto socket = run_task(io_, async_connect_tcp(resolver_, "proof.example", 443, through(port)));
    ASSERT_TRUE(socket.has_error());
    EXPECT_EQ(socket.error().message(), "proxy 127.0.0.1:" + std::to_string(port) + ": Connection refused");
}

TEST_F(ProxyTunnel, CanBeGivenUpAtEveryStage) {
    const scripted_http_server proxy([](scripted_connection& connection) { connection.wait_for_close(); });
    for (int turns = 0; turns < 6; ++turns) {
        int calls = 0;
        auto cancel = connect_tcp(
            io_.get_executor(), resolver_, "proof.example", 443, through(proxy.port()), [&](const auto& socket) {
                ++calls;
                ASSERT_TRUE(socket.has_error());
                EXPECT_EQ(socket.error().code, net_error::cancelled);
            });
        io_.restart();
        for (int turn = 0; turn < turns; ++turn) io_.run_one_for(milliseconds(20));
        cancel();
        cancel();
        EXPECT_EQ(calls, 0) << "never from inside";
        run_until(io_, [&] { return calls > 0; });
        io_.restart();
        io_.poll();
        EXPECT_EQ(calls, 1) << turns;
    }
}

TEST_F(ProxyTunnel, TlsVerifiesTheTargetAndNotTheProxy) {
    const test_authority authority;
    const scripted_http_server target(
        authority.server_context({.names = {"DNS:proof.example"}}),
        [](scripted_connection& connection) { connection.wait_for_close(); });
    const scripted_http_server proxy([&](scripted_connection& connection) {
        connection.read_request();
        connection.send(tunnel_made);
        relay_to(connection, target.port());
    });
    tls_client tls{trust_roots(authority.ca_pem(), "ca.pem")};
    const auto good = run_task(io_, async_connect_tls(resolver_, tls, "proof.example", 443, through(proxy.port())));
    EXPECT_TRUE(good.has_value()) << good.error().message();
    const auto other = run_task(io_, async_connect_tls(resolver_, tls, "other.example", 443, through(proxy.port())));
    ASSERT_TRUE(other.has_error());
    EXPECT_THAT(other.error().detail, HasSubstr("hostname mismatch"));
}

TEST_F(ProxyTunnel, LoopbackAndWhatIsExemptGoDirectly) {
    std::atomic<int> asked{0};
    const scripted_http_server proxy([&](scripted_connection& connection) {
        ++asked;
        connection.wait_for_close();
    });
    const scripted_http_server target([](scripted_connection& connection) { connection.wait_for_close(); });
    resolver_options names;
    names.lookup = [](const std::string&) -> result<address_list> {
        return address_list{asio::ip::make_address("127.0.0.1")};
    };
    host_resolver resolver(io_.get_executor(), names);
    connect_options options = through(proxy.port());
    options.route =
        std::make_shared<proxy_route>(http_proxy{{"127.0.0.1", proxy.port()}, {}}, no_proxy_list("near.example"));
    for (const char* host : {"localhost", "LOCALHOST.", "127.0.0.1", "near.example", "www.near.example"}) {
        EXPECT_EQ(options.route->find(host, target.port()), nullptr) << host;
        const auto socket = run_task(io_, async_connect_tcp(resolver, host, target.port(), options));
        EXPECT_TRUE(socket.has_value()) << host << ": " << socket.error().message();
    }
    EXPECT_EQ(asked, 0);
    EXPECT_EQ(options.route->find("::1", 443), nullptr);
    EXPECT_EQ(options.route->find("::ffff:127.0.0.2", 443), nullptr);
    EXPECT_NE(options.route->find("far.example", 443), nullptr);
    EXPECT_NE(options.route->find("10.0.0.1", 443), nullptr);
    EXPECT_EQ(proxy_route().find("far.example", 443), nullptr);
}

TEST_F(ProxyTunnel, ALiteralAddressIsStillJudgedHere) {
    std::atomic<int> asked{0};
    const scripted_http_server proxy([&](scripted_connection& connection) {
        ++asked;
        connection.read_request();
        connection.send(tunnel_made);
        connection.wait_for_close();
    });
    connect_options options = through(proxy.port());
    options.filter = [](const asio::ip::address& address) { return may_send_to(address, false); };
    for (const char* host : {"169.254.169.254", "10.0.0.1", "fd00::1"}) {
        const auto socket = run_task(io_, async_connect_tcp(resolver_, host, 443, options));
        ASSERT_TRUE(socket.has_error()) << host;
        EXPECT_EQ(socket.error().code, net_error::address_not_allowed) << host;
    }
    EXPECT_EQ(asked, 0);
    for (const char* host : {"93.184.216.34", "shop.example"}) {
        const auto socket = run_task(io_, async_connect_tcp(resolver_, host, 443, options));
        EXPECT_TRUE(socket.has_value()) << socket.error().message();
    }
}

} // namespace
} // namespace prooftrack::net
