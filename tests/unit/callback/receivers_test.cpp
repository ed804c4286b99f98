// Receivers as they are: whatever follows a status line, the line is the answer, and what nobody asked for is no
// answer.

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>

#include "notifier_fixture.hpp"

namespace prooftrack::callback {
namespace {

using namespace testing_support;
using verdict = delivery_outcome::verdict;

constexpr const char* refusal = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n";

std::string many_headers(std::size_t bytes) {
    std::string head;
    while (head.size() < bytes) head += "X-Trace: " + std::string(500, 't') + "\r\n";
    return head;
}

TEST_F(Notifier, AStatusLineOf2xxIsAReceiptWhateverFollows) {
    for (const std::string& bytes : std::vector<std::string>{
             "HTTP/1.1 200\r\n\r\n",
             "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
             "HTTP/1.1 200\n\n",
             "HTTP/1.0 204\n",
             "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
             "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
             "HTTP/1.1 202  Accepted \r\nContent-Length: 0\r\n\r\n",
             "HTTP/1.1 200 OK\r\nServer : x\r\nContent-Length: 0\r\n\r\n",
             "HTTP/1.1 200 OK\r\n" + many_headers(24'000) + "Content-Length: 0\r\n\r\n",
             "HTTP/1.1 200 OK\r\n" + many_headers(2'000'000) + "\r\n",
             "HTTP/1.1 200 OK\r\nno colon at all\r\n\r\n",
             "HTTP/1.1 200 OK\r\nX: folded\r\n over two lines\r\n\r\n",
             "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
             "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nno colon\r\n\r\n",
             "HTTP/1.1 200 OK\r\n",
             "HTTP/1.1 200 OK\r\nConte",
             std::string("HTTP/1.1 200 OK\r\nX: \0\0\r\n\r\n", 26),
             "HTTP/1.1 100 Continue\n\nHTTP/1.1 200\n\n",
         }) {
        const auto outcome = answered_with(bytes);
        EXPECT_EQ(outcome.what, verdict::delivered) << bytes.substr(0, 60) << ": " << outcome.error;
    }
}

TEST_F(Notifier, WhatIsNoWholeStatusLineIsNoReceipt) {
    for (const char* bytes :
         {"HTTP/1.1 200", "HTTP/1.1 20\r\n\r\n", "HTTP/1.1 2000 Hm\r\n\r\n", "HTTP/1.1 200OK\r\n\r\n",
          "HTTP/9.9 200 OK\r\n\r\n", "ICY 200 OK\r\n\r\n", "HTTP/1.1 099 Low\r\n\r\n", "200 OK\r\n\r\n",
          "HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"}) {
        const auto outcome = answered_with(bytes);
        EXPECT_EQ(outcome.what, verdict::failed) << bytes;
        EXPECT_EQ(outcome.status, 0) << bytes;
    }
}

TEST_F(Notifier, AReceiptCountsAtOnceAlsoWhenTheRestNeverComes) {
    for (const char* bytes : {"HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"}) {
        scripted_http_server server([bytes](scripted_connection& connection) {
            connection.read_request();
            connection.send(bytes);
            connection.wait_for_close();
        });
        configure({webhook(server.base_url(), std::chrono::minutes(10))}, {});
        const auto outcome = deliver(job());
        EXPECT_EQ(outcome.what, verdict::delivered) << bytes;
        EXPECT_LT(outcome.took, seconds(10)) << bytes;
        configure({}, {});
    }
}

TEST_F(Notifier, AnOddHeadStillSaysWhenToRetry) {
    for (const std::string& bytes : std::vector<std::string>{
             "HTTP/1.1 503\nRetry-After: 90\n\n",
             "HTTP/1.1 429 Slow down\r\nServer : x\r\nRetry-After : 90\r\n\r\n",
             "HTTP/1.1 503 Busy\r\n" + many_headers(24'000) + "Retry-After: 90\r\nContent-Length: 0\r\n\r\n",
         }) {
        const auto outcome = answered_with(bytes);
        EXPECT_EQ(outcome.what, verdict::failed);
        EXPECT_GE(outcome.status, 429) << outcome.error;
        EXPECT_EQ(outcome.retry_after, seconds(90)) << bytes.substr(0, 40);
    }
    EXPECT_EQ(answered_with("HTTP/1.1 410\n\n").what, verdict::gone);
    EXPECT_EQ(answered_with("HTTP/1.1 500\r\nnonsense").error, "HTTP 500");
}

TEST_F(Notifier, ATrailerInPiecesHurtsNobody) {
    const std::string bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n"
                              "X-Other: 2\r\n\r\n";
    scripted_http_server server([&](scripted_connection& connection) {
        connection.read_request();
        for (const char byte : bytes) {
            connection.send(std::string(1, byte));
            std::this_thread::sleep_for(std::chrono::microseconds(200)); // the pieces themselves
        }
        connection.wait_for_close();
    });
    configure({webhook(server.base_url())}, {});
    delivery_job test = job();
    test.wants_reply = true;
    const auto outcome = deliver(test);
    EXPECT_EQ(outcome.what, verdict::delivered);
    EXPECT_EQ(outcome.reply, "ok");
}

TEST_F(Notifier, ATestShowsTheAnswerThatComesInPieces) {
    scripted_http_server server([](scripted_connection& connection) {
        connection.read_request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        std::this_thread::sleep_for(milliseconds(20)); // the pause between the pieces
        connection.send("hello");
        connection.wait_for_close();
    });
    configure({webhook(server.base_url())}, {});
    delivery_job test = job();
    test.wants_reply = true;
    EXPECT_EQ(deliver(test).reply, "hello");
}

/// Answers the first request with 200 and, unasked, with `extra`; every request after it with 500.
class extra_reply {
  public:
    explicit extra_reply(std::string extra) : extra_(std::move(extra)) {}
    void operator()(scripted_connection& connection) {
        connection.read_request();
        if (connection.index > 0) {
            connection.send(refusal);
            return connection.wait_for_close();
        }
        connection.send(ok_reply);
        connection.send(extra_); // its own TLS record
        connection.wait_until_received();
        has_sent_ = true;
        connection.read_request();
        connection.send(refusal);
        connection.wait_for_close();
    }
    bool has_sent() const { return has_sent_; }

  private:
    std::string extra_;
    std::atomic<bool> has_sent_ = false;
};

TEST_F(Notifier, ASecondUnaskedReplyIsNotTheAnswerToTheNextEvent) {
    for (const bool secured : {false, true}) {
        for (const char* extra : {ok_reply, "x"}) {
            extra_reply receiver(extra);
            const auto script = [&receiver](scripted_connection& connection) { receiver(connection); };
            auto server = secured ? std::make_unique<scripted_http_server>(authority_.server_context(), script)
                                  : std::make_unique<scripted_http_server>(script);
            callback_target target = webhook(server->base_url());
            if (secured) target.tls = tls_;
            configure({target}, {});
            EXPECT_EQ(deliver(job()).what, verdict::delivered);
            run_until(io_, [&] { return receiver.has_sent(); });
            const auto second = deliver(job());
            EXPECT_EQ(second.what, verdict::failed) << "TLS: " << secured << ", unasked: " << extra;
            EXPECT_EQ(second.status, 500);
            EXPECT_EQ(server->connections(), 2U) << "the connection that spoke unasked was closed";
            configure({}, {});
        }
    }
}

TEST_F(Notifier, AReplyThatCameInPiecesLeavesItsConnectionReusable) {
    std::atomic<int> whole = 0;
    const auto in_pieces = [&](scripted_connection& connection) {
        while (true) {
            connection.read_request();
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            connection.send("2\r\nok\r\n");
            connection.send("0\r\n\r\n");
            connection.wait_until_received();
            ++whole;
        }
    };
    scripted_http_server server(authority_.server_context(), in_pieces);
    callback_target target = webhook(server.base_url());
    target.tls = tls_;
    configure({target}, {});
    for (int i = 1; i <= 5; ++i) {
        EXPECT_EQ(deliver(job()).what, verdict::delivered);
        run_until(io_, [&] { return whole == i; });
    }
    EXPECT_EQ(server.connections(), 1U);
}

} // namespace
} // namespace prooftrack::callback
