#include "net/http_exchange.hpp"

#include <atomic>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/connector.hpp"
#include "support/run_task.hpp"
#include "support/scripted_http_server.hpp"
#include "support/test_certificates.hpp"

namespace prooftrack::net {
namespace {

namespace asio = boost::asio;
using namespace testing_support;

constexpr const char* ok_reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

class HttpExchange : public testing::Test {
  protected:
    http_connection connect(const scripted_http_server& server) {
        auto socket = run_task(io_, async_connect_tcp(resolver_, "127.0.0.1", server.port(), {}));
        return http_connection(any_stream(std::move(socket.value())));
    }

    static http_request get(const std::string& target) {
        http_request request;
        request.target = target;
        request.host = "shop.example";
        return request;
    }

    op_result<http_reply> exchange(
        http_connection& connection, http_request request, steady_duration within = seconds(20)) {
        const auto until = std::chrono::steady_clock::now() + within;
        return run_task(io_, async_http_exchange(connection, std::move(request), limits_, wait_, until));
    }

    /// One exchange with a server that answers each request with these bytes and then does `after`.
    op_result<http_reply> answered_with(
        const std::string& bytes, const std::function<void(scripted_connection&)>& after = {}) {
        scripted_http_server server([=](scripted_connection& connection) {
            connection.read_request();
            connection.send(bytes);
            if (after) after(connection);
        });
        http_connection stream = connect(server);
        auto reply = exchange(stream, get("/"));
        was_open_ = stream.is_open();
        return reply;
    }

    asio::io_context io_{1};
    host_resolver resolver_{io_.get_executor()};
    http_limits limits_;
    reply_wait wait_ = reply_wait::whole;
    bool was_open_ = false;
};

void hold(scripted_connection& connection) { connection.wait_for_close(); }

TEST_F(HttpExchange, WritesTheRequestAsItIsAndReadsTheReply) {
    std::string seen;
    scripted_http_server server([&](scripted_connection& connection) {
        seen = connection.read_request();
        connection.send("HTTP/1.1 201 Created\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 5\r\n\r\nhello");
        connection.wait_for_close();
    });
    http_connection stream = connect(server);
    http_request request;
    request.method = "POST";
    request.target = "/hook?a=b";
    request.host = "shop.example:8080";
    request.headers = {{"Content-Type", "application/json"}};
    request.body = std::make_shared<const std::string>("{\"a\":1}");
    const auto reply = exchange(stream, request);
    ASSERT_TRUE(reply.has_value()) << reply.error().message();
    EXPECT_EQ(
        seen, "POST /hook?a=b HTTP/1.1\r\nHost: shop.example:8080\r\nContent-Type: application/json\r\n"
              "Content-Length: 7\r\n\r\n{\"a\":1}");
    EXPECT_EQ(reply->status, 201);
    EXPECT_EQ(reply->body, "hello");
    EXPECT_EQ(reply->header("X-a"), "1");
    EXPECT_EQ(reply->header("X-B"), std::nullopt);
    EXPECT_TRUE(reply->keep_alive);
    EXPECT_TRUE(stream.is_open());
}

TEST_F(HttpExchange, AConnectionCarriesSeveralExchanges) {
    scripted_http_server server([](scripted_connection& connection) {
        for (int i = 0; i < 3; ++i) {
            connection.read_request();
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        }
        connection.wait_for_close();
    });
    http_connection stream = connect(server);
    for (int i = 0; i < 3; ++i) {
        const auto reply = exchange(stream, get("/"));
        ASSERT_TRUE(reply.has_value()) << reply.error().message();
        EXPECT_EQ(reply->body, "abc");
    }
    EXPECT_EQ(server.connections(), 1U);
}

TEST_F(HttpExchange, InterimRepliesAreSkippedButNotForEver) {
    const std::string interim = "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n";
    const auto reply = answered_with("HTTP/1.1 100 Continue\r\n\r\n" + interim + ok_reply, hold);
    ASSERT_TRUE(reply.has_value()) << reply.error().message();
    EXPECT_EQ(reply->status, 200);
    EXPECT_EQ(reply->body, "hi");
    std::string endless;
    for (int i = 0; i < 20; ++i) endless += interim;
    EXPECT_TRUE(answered_with(endless + ok_reply, hold).has_error());
    EXPECT_TRUE(answered_with("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", hold).has_error());
}

TEST_F(HttpExchange, AHeaderOverItsBoundEndsTheConnectionAndTheStatusCounts) {
    const auto inside =
        answered_with("HTTP/1.1 200 OK\r\nX: " + std::string(65'000, 'x') + "\r\nContent-Length: 0\r\n\r\n", hold);
    ASSERT_TRUE(inside.has_value());
    EXPECT_TRUE(inside->is_whole);
    EXPECT_TRUE(was_open_);
    std::string many = "HTTP/1.1 500 Oops\r\n";
    for (int i = 0; i < 100'000; ++i) many += "a: b\r\n";
    for (const std::string& over : {"HTTP/1.1 500 Oops\r\nX: " + std::string(66'000, 'x'), many}) {
        const auto reply = answered_with(over + "\r\nContent-Length: 0\r\n\r\n", hold);
        ASSERT_TRUE(reply.has_value());
        EXPECT_EQ(reply->status, 500);
        EXPECT_FALSE(reply->is_whole);
        EXPECT_LE(reply->headers.size(), 128U);
        EXPECT_FALSE(was_open_);
    }
    const auto endless = answered_with("HTTP/1.1 200 " + std::string(66'000, 'x'));
    ASSERT_TRUE(endless.has_error());
    EXPECT_EQ(endless.error().code, net_error::header_too_large);
    EXPECT_EQ(endless.error().operation, "read reply");
}

TEST_F(HttpExchange, ALongBodyIsCutHoweverItIsFramedAndEndsTheConnection) {
    limits_.body = 1000;
    const std::string body(1001, 'b');
    EXPECT_TRUE(answered_with("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + body.substr(1), hold)->is_whole);
    for (const std::string& bytes :
         {"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + body, "HTTP/1.1 200 OK\r\n\r\n" + body,
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + body + "\r\n0\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n" + body}) {
        const auto reply = answered_with(bytes, hold);
        ASSERT_TRUE(reply.has_value()) << bytes.substr(0, 60);
        EXPECT_EQ(reply->body, body.substr(1)) << bytes.substr(0, 60);
        EXPECT_FALSE(reply->is_whole);
        EXPECT_FALSE(was_open_);
    }
}

TEST_F(HttpExchange, ACloseBeforeTheStatusLineIsAnErrorAndOneBehindItIsNot) {
    const auto before = answered_with("");
    ASSERT_TRUE(before.has_error());
    EXPECT_EQ(before.error().code, net_error::closed_before_reply);
    for (const char* bytes : {"H", "HTTP/1.1 200", "HTTP/1.1 200 OK", "HTTP/1.1 100 Continue\r\n\r\n"}) {
        const auto reply = answered_with(bytes);
        ASSERT_TRUE(reply.has_error()) << bytes;
        EXPECT_EQ(reply.error().code, net_error::truncated_reply) << bytes;
        const auto reset = answered_with(bytes, [](scripted_connection& connection) { connection.reset(); });
        EXPECT_TRUE(reset.has_error()) << bytes;
    }
    for (const char* bytes :
         {"HTTP/1.1 200 OK\r\nContent-", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"}) {
        const auto reply = answered_with(bytes);
        ASSERT_TRUE(reply.has_value()) << bytes;
        EXPECT_EQ(reply->status, 200);
        EXPECT_FALSE(reply->is_whole) << bytes;
        EXPECT_FALSE(was_open_);
    }
}

TEST_F(HttpExchange, AReceiptDoesNotWaitForItsRestAndTheRestIsReadLater) {
    wait_ = reply_wait::receipt;
    std::atomic<bool> go = false;
    scripted_http_server server([&](scripted_connection& connection) {
        for (int i = 0; i < 2; ++i) {
            connection.read_request();
            connection.send("HTTP/1.1 200 OK\r\n");
            while (!go) std::this_thread::yield();
            connection.send("Content-Length: 2\r\n\r\nhi");
        }
        connection.wait_for_close();
    });
    http_connection connection = connect(server);
    const auto first = exchange(connection, get("/"));
    ASSERT_TRUE(first.has_value()) << first.error().message();
    EXPECT_EQ(first->status, 200);
    EXPECT_FALSE(first->is_whole);
    EXPECT_EQ(connection.look(), http_connection::readiness::busy);
    go = true;
    run_until(io_, [&] { return connection.look() == http_connection::readiness::ready; });
    EXPECT_TRUE(exchange(connection, get("/")).has_value());
    EXPECT_EQ(server.connections(), 1U);
}

TEST_F(HttpExchange, AReplyThatEndsWithTheConnectionIsComplete) {
    const auto reply = answered_with("HTTP/1.0 200 OK\r\n\r\nall of it");
    ASSERT_TRUE(reply.has_value()) << reply.error().message();
    EXPECT_EQ(reply->body, "all of it");
    EXPECT_FALSE(reply->keep_alive);
}

TEST_F(HttpExchange, WhatFollowsTheReplyEndsTheConnection) {
    const auto reply = answered_with(std::string(ok_reply) + ok_reply, hold);
    ASSERT_TRUE(reply.has_value());
    EXPECT_FALSE(was_open_);
    const auto closing = answered_with("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", hold);
    ASSERT_TRUE(closing.has_value());
    EXPECT_FALSE(closing->keep_alive);
}

TEST_F(HttpExchange, WhatIsNotHttpIsRefused) {
    for (const char* bytes :
         {"220 mail.example ESMTP\r\n\r\n", "\x15\x03\x03\x01\x02\x02\x28 not at all http", "HTTP/9.9 200 OK\r\n\r\n",
          "HTTP/1.1 2000 Hm\r\n\r\n"}) {
        const auto reply = answered_with(bytes, hold);
        ASSERT_TRUE(reply.has_error()) << bytes;
        EXPECT_EQ(reply.error().code, net_error::not_http) << bytes << reply.error().message();
    }
}

TEST_F(HttpExchange, AReplyThatTwoReadersCouldCutInTwoWaysEndsTheConnection) {
    for (const char* bytes :
         {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\nab",
          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
          "HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 0\r\n\r\n",
          "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n"}) {
        const auto reply = answered_with(bytes);
        ASSERT_TRUE(reply.has_value()) << bytes;
        EXPECT_FALSE(reply->is_whole) << bytes;
        EXPECT_FALSE(was_open_) << bytes;
    }
}

TEST_F(HttpExchange, SilenceEndsAtTheDeadline) {
    scripted_http_server server(hold);
    http_connection stream = connect(server);
    const auto reply = exchange(stream, get("/"), milliseconds(300)); // the writing alone never takes so long
    ASSERT_TRUE(reply.has_error());
    EXPECT_EQ(reply.error().code, net_error::timed_out);
    EXPECT_EQ(reply.error().operation, "read reply");
    EXPECT_FALSE(stream.is_open());
}

TEST_F(HttpExchange, ADripEndsAtTheDeadlineHoweverOftenAByteComes) {
    for (const char* start : {"HTTP/1.1 200 OK", "HTTP/1.1 103 Early\r\nX: "}) {
        scripted_http_server server([start](scripted_connection& connection) {
            connection.read_request();
            connection.send(start);
            while (true) {
                connection.send("a");
                std::this_thread::sleep_for(milliseconds(2)); // the drip itself, not a wait for something
            }
        });
        http_connection stream = connect(server);
        const auto begun = std::chrono::steady_clock::now();
        const auto reply = exchange(stream, get("/"), milliseconds(60));
        ASSERT_TRUE(reply.has_error());
        EXPECT_EQ(reply.error().code, net_error::timed_out);
        EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(10));
    }
}

TEST_F(HttpExchange, APeerThatReadsNothingEndsAtTheDeadline) {
    std::promise<void> over;
    scripted_http_server server([over = over.get_future().share()](scripted_connection& connection) {
        connection.read_some();
        over.wait_for(seconds(20)); // takes no more, which is the fault
    });
    http_connection stream = connect(server);
    http_request request = get("/");
    request.method = "POST";
    request.body = std::make_shared<const std::string>(std::string(30'000'000, 'x'));
    const auto reply = exchange(stream, request, milliseconds(50));
    over.set_value();
    ASSERT_TRUE(reply.has_error());
    EXPECT_EQ(reply.error().code, net_error::timed_out);
    EXPECT_EQ(reply.error().operation, "write request");
}

TEST_F(HttpExchange, APassedDeadlineIsATimeout) {
    scripted_http_server server(hold);
    http_connection stream = connect(server);
    EXPECT_EQ(exchange(stream, get("/"), milliseconds(-1)).error().code, net_error::timed_out);
}

TEST_F(HttpExchange, NothingWithALineBreakIsWritten) {
    http_request request = get("/");
    EXPECT_TRUE(format_request_head(request).has_value());
    for (const auto& spoil : std::vector<std::function<void(http_request&)>>{
             [](http_request& bad) { bad.target = "/\r\nX: y"; }, [](http_request& bad) { bad.target = "/a b"; },
             [](http_request& bad) { bad.host = "a\nb"; }, [](http_request& bad) { bad.host.clear(); },
             [](http_request& bad) { bad.method.clear(); },
             [](http_request& bad) {
                 bad.headers = {{"X", "a\rb"}};
             },
             [](http_request& bad) {
                 bad.headers = {{"X: y", "a"}};
             },
             [](http_request& bad) {
                 bad.headers = {{"", "a"}};
             },
             [](http_request& bad) {
                 bad.secret_headers = {{"X", secret("a\r\nY: b")}};
             },
             [](http_request& bad) {
                 bad.secret_headers = {{"X: y\r\nZ", secret("a")}};
             }}) {
        http_request bad = request;
        spoil(bad);
        EXPECT_EQ(format_request_head(bad).error(), net_error::bad_request);
    }
}

TEST_F(HttpExchange, SecretHeadersAreWrittenBehindTheOthers) {
    http_request request = get("/");
    request.headers = {{"X-One", "1"}};
    request.secret_headers = {{"Authorization", secret("Bearer abc")}, {"X-Key", secret("")}};
    EXPECT_THAT(
        format_request_head(request).value(),
        testing::EndsWith("\r\nX-One: 1\r\nAuthorization: Bearer abc\r\nX-Key: \r\n\r\n"));
}

TEST_F(HttpExchange, WorksOverTlsWhereATruncationAfterTheWholeReplyIsFine) {
    const test_authority authority;
    tls_client client(trust_roots(authority.ca_pem(), "ca.pem"));
    scripted_http_server server(authority.server_context(), [](scripted_connection& connection) {
        connection.read_request();
        connection.send(ok_reply);
    });
    auto stream = run_task(io_, async_connect_tls(resolver_, client, "localhost", server.port(), {}));
    ASSERT_TRUE(stream.has_value()) << stream.error().message();
    http_connection secured(any_stream(std::move(*stream)));
    const auto reply = exchange(secured, get("/"));
    ASSERT_TRUE(reply.has_value()) << reply.error().message();
    EXPECT_EQ(reply->body, "hi");
    const auto next = exchange(secured, get("/"));
    ASSERT_TRUE(next.has_error());
    EXPECT_EQ(next.error().code, net_error::closed_before_reply);
}

TEST_F(HttpExchange, OverTlsAReplyThatEndsWithoutCloseNotifyIsTruncated) {
    const test_authority authority;
    tls_client client(trust_roots(authority.ca_pem(), "ca.pem"));
    scripted_http_server server(authority.server_context(), [](scripted_connection& connection) {
        connection.read_request();
        connection.send("HTTP/1.1 200 OK\r\n\r\nhalf of i");
    });
    auto stream = run_task(io_, async_connect_tls(resolver_, client, "localhost", server.port(), {}));
    ASSERT_TRUE(stream.has_value());
    http_connection secured(any_stream(std::move(*stream)));
    const auto reply = exchange(secured, get("/"));
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->body, "half of i");
    EXPECT_FALSE(reply->is_whole);
}

TEST_F(HttpExchange, WorksOverAUnixSocket) {
    const temporary_directory folder;
    scripted_http_server server(folder.file("s.sock"), [](scripted_connection& connection) {
        connection.read_request();
        connection.send(ok_reply);
        connection.wait_for_close();
    });
    auto socket = run_task(io_, async_connect_unix(folder.file("s.sock"), seconds(5)));
    ASSERT_TRUE(socket.has_value());
    http_connection stream(any_stream(std::move(*socket)));
    const auto reply = exchange(stream, get("/"));
    ASSERT_TRUE(reply.has_value()) << reply.error().message();
    EXPECT_EQ(reply->body, "hi");
    EXPECT_EQ(stream.look(), http_connection::readiness::ready);
}

TEST_F(HttpExchange, AConnectionThatThePeerClosedOrSentBytesOnIsSpent) {
    const auto is_spent = [](http_connection& connection) {
        return connection.look() == http_connection::readiness::spent;
    };
    scripted_http_server closes([](scripted_connection& connection) {
        connection.read_request();
        connection.send(ok_reply);
    });
    http_connection closed = connect(closes);
    EXPECT_TRUE(exchange(closed, get("/")).has_value());
    run_until(io_, [&] { return is_spent(closed); });
    EXPECT_FALSE(closed.is_open());
    scripted_http_server speaks([](scripted_connection& connection) {
        connection.send("HTTP/1.1 408 Request Timeout\r\n\r\n");
        connection.wait_for_close();
    });
    http_connection spoken = connect(speaks);
    run_until(io_, [&] { return is_spent(spoken); });
}

TEST_F(HttpExchange, OverTlsTicketsAreNoDataButWordsAreAndSoIsAClose) {
    const test_authority authority;
    tls_client client(trust_roots(authority.ca_pem(), "ca.pem"));
    std::atomic<bool> go = false;
    scripted_http_server server(authority.server_context(), [&](scripted_connection& connection) {
        connection.read_request();
        connection.send(ok_reply); // the tickets of TLS 1.3 came before it
        while (!go) std::this_thread::yield();
        if (connection.index == 0) connection.send("x");
        if (connection.index == 1) connection.close_in_order();
        connection.wait_for_close();
    });
    for (int i = 0; i < 2; ++i) {
        go = false;
        auto stream = run_task(io_, async_connect_tls(resolver_, client, "localhost", server.port(), {}));
        ASSERT_TRUE(stream.has_value()) << stream.error().message();
        http_connection connection{any_stream(std::move(*stream))};
        EXPECT_TRUE(exchange(connection, get("/")).has_value());
        EXPECT_EQ(connection.look(), http_connection::readiness::ready);
        go = true;
        run_until(io_, [&] { return connection.look() == http_connection::readiness::spent; });
        EXPECT_FALSE(connection.is_open()) << i;
    }
}

TEST_F(HttpExchange, HostAndLengthAreWrittenFromTheFieldsAlone) {
    for (const char* name : {"Host", "host", "Content-Length", "content-length"}) {
        http_request twice = get("/");
        twice.headers = {{name, "1"}};
        EXPECT_THROW(format_request_head(twice), std::logic_error) << name;
        twice.headers.clear();
        twice.secret_headers = {{name, secret("1")}};
        EXPECT_THROW(format_request_head(twice), std::logic_error) << name;
    }
}

} // namespace
} // namespace prooftrack::net
