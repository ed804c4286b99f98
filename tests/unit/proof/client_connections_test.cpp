// How connections are kept, found stale, retired and stopped.

#include <atomic>

#include <gtest/gtest.h>

#include "client_harness.hpp"

namespace prooftrack::proof {
namespace {

using namespace testing_support;
using namespace std::chrono_literals;

TEST(ProofConnections, AStaleConnectionIsRepeatedOnceAtOnceAndNoError) {
    scripted_http_server server([](scripted_connection& connection) {
        connection.send(good_reply(connection.read_request()));
        if (connection.index > 0) serve_well(connection);
        connection.read_request(); // and closes without a byte
    });
    client_harness harness(client_harness::options_for(server));
    harness.poll_and_wait({"tx-1"});
    harness.poll_and_wait({"tx-2"});
    EXPECT_EQ(harness.source.answer_to("tx-2").what, track::reply_class::good);
    EXPECT_EQ(harness.source.repeats_asked, std::vector<std::string>{"tx-2"});
    EXPECT_EQ(server.connections(), 2U);
}

TEST(ProofConnections, AResetOfAStaleConnectionIsRepeatedToo) {
    scripted_http_server server([](scripted_connection& connection) {
        connection.send(good_reply(connection.read_request()));
        if (connection.index > 0) serve_well(connection);
        connection.read_request();
        connection.reset();
    });
    client_harness harness(client_harness::options_for(server));
    harness.poll_and_wait({"tx-1"});
    harness.poll_and_wait({"tx-2"});
    EXPECT_EQ(harness.source.answer_to("tx-2").what, track::reply_class::good);
}

TEST(ProofConnections, TheSourceMayForbidTheRepeat) {
    scripted_http_server server([](scripted_connection& connection) {
        connection.send(good_reply(connection.read_request()));
        connection.read_request();
    });
    client_harness harness(client_harness::options_for(server));
    harness.source.allow_repeats = false;
    harness.poll_and_wait({"tx-1"});
    harness.poll_and_wait({"tx-2"});
    EXPECT_EQ(harness.source.answer_to("tx-2").what, track::reply_class::no_reply);
    EXPECT_EQ(harness.source.answer_to("tx-2").error, "reply: connection closed");
}

TEST(ProofConnections, ARepeatIsMadeOnlyOnce) {
    scripted_http_server server([](scripted_connection& connection) {
        if (connection.index == 0) connection.send(good_reply(connection.read_request()));
        connection.read_request();
    });
    client_harness harness(client_harness::options_for(server));
    harness.poll_and_wait({"tx-1"});
    harness.poll_and_wait({"tx-2"});
    EXPECT_EQ(harness.source.answer_to("tx-2").what, track::reply_class::no_reply);
    EXPECT_EQ(harness.source.repeats_asked.size(), 1U);
    EXPECT_EQ(server.connections(), 2U);
}

TEST(ProofConnections, ARepeatToADeadServerIsAnswered) {
    client_harness harness;
    {
        std::atomic<bool> second_came = false;
        scripted_http_server server([&](scripted_connection& connection) {
            connection.send(good_reply(connection.read_request()));
            connection.read_request();
            second_came = true;
            connection.wait_for_close(); // until the server goes, listening socket and all
        });
        harness.start(client_harness::options_for(server));
        harness.poll_and_wait({"tx-1"});
        harness.poll({"tx-2"});
        while (!second_came) harness.run_for(1ms);
    }
    harness.run_until_answers(2);
    EXPECT_EQ(harness.source.answer_to("tx-2").what, track::reply_class::no_reply);
}

TEST(ProofConnections, AFreshConnectionThatEndsWithoutAReplyIsAnError) {
    scripted_http_server server([](scripted_connection& connection) { connection.read_request(); });
    client_harness harness(client_harness::options_for(server));
    harness.poll_and_wait({"tx-1"});
    EXPECT_EQ(harness.source.answer_to("tx-1").what, track::reply_class::no_reply);
    EXPECT_EQ(harness.source.answer_to("tx-1").error, "reply: connection closed");
    EXPECT_TRUE(harness.source.repeats_asked.empty());
}

TEST(ProofConnections, AResetInsideAReplyIsTruncation) {
    scripted_http_server server([](scripted_connection& connection) {
        connection.read_request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
        connection.wait_until_received(); // what lies there the reset does not take away
        connection.reset();
    });
    client_harness harness(client_harness::options_for(server));
    harness.poll_and_wait({"tx-1"});
    EXPECT_EQ(harness.source.answer_to("tx-1").what, track::reply_class::unusable);
    EXPECT_EQ(harness.source.answer_to("tx-1").error, "reply: truncated");
    EXPECT_TRUE(harness.source.repeats_asked.empty());
}

TEST(ProofConnections, ACloseWhileIdleIsSeenAtOnce) {
    scripted_http_server server([](scripted_connection& connection) {
        connection.send(good_reply(connection.read_request()));
        if (connection.index > 0) connection.wait_for_close();
    });
    client_harness harness(client_harness::options_for(server));
    harness.poll_and_wait({"tx-1"});
    harness.run_until([&] { return harness.observer.idle == 0 && harness.observer.busy == 0; });
    harness.poll_and_wait({"tx-2"});
    EXPECT_EQ(harness.source.answer_to("tx-2").what, track::reply_class::good);
    EXPECT_TRUE(harness.source.repeats_asked.empty());
}

TEST(ProofConnections, BytesThatNobodyAskedForCloseAnIdleConnection) {
    std::atomic<bool> closed = false;
    scripted_http_server server([&](scripted_connection& connection) {
        connection.send(good_reply(connection.read_request()));
        if (connection.index > 0) return connection.wait_for_close();
        connection.send(http_reply(408, ""));
        connection.wait_for_close();
        closed = true;
    });
    client_harness harness(client_harness::options_for(server));
    harness.poll_and_wait({"tx-1"});
    harness.run_until([&] { return closed.load(); });
    harness.poll_and_wait({"tx-2"});
    EXPECT_EQ(harness.source.answer_to("tx-1").what, track::reply_class::good);
    EXPECT_EQ(harness.source.answer_to("tx-2").what, track::reply_class::good);
    EXPECT_EQ(server.connections(), 2U);
}

TEST(ProofConnections, AReplyAboutAnotherTransactionEndsTheConnection) {
    scripted_http_server server([](scripted_connection& connection) {
        const std::string request = connection.read_request();
        if (connection.index > 0) connection.send(good_reply(request));
        connection.send(http_reply(200, transaction_body("tx-other", "completed")));
        connection.wait_for_close();
    });
    client_harness harness(client_harness::options_for(server));
    harness.poll_and_wait({"tx-1"});
    EXPECT_EQ(harness.source.answer_to("tx-1").what, track::reply_class::unusable);
    harness.poll_and_wait({"tx-2"});
    EXPECT_EQ(harness.source.answer_to("tx-2").what, track::reply_class::good);
    EXPECT_EQ(server.connections(), 2U);
}

TEST(ProofConnections, AnnouncedClosesAreObeyed) {
    scripted_http_server server([](scripted_connection& connection) {
        const std::string body = transaction_body(asked_id(connection.read_request()));
        connection.send(http_reply(200, body, "Content-Type: application/json\r\nConnection: close\r\n"));
        connection.wait_for_close();
    });
    client_harness harness(client_harness::options_for(server));
    for (int i = 0; i < 5; ++i) {
        harness.poll_and_wait({"tx-" + std::to_string(i)});
        EXPECT_EQ(harness.source.answers.back().answer.what, track::reply_class::good);
    }
    EXPECT_EQ(server.connections(), 5U);
}

TEST(ProofConnections, AreRetiredAfterAThousandRequests) {
    std::atomic<int> first = 0;
    scripted_http_server server([&](scripted_connection& connection) {
        while (true) {
            const std::string request = connection.read_request();
            if (connection.index == 0) ++first;
            connection.send(good_reply(request));
        }
    });
    proof_client_options options = client_harness::options_for(server);
    options.connections = 1;
    client_harness harness(options);
    std::vector<std::string> ids;
    for (int i = 0; i < 1500; ++i) ids.push_back("tx-" + std::to_string(i));
    harness.poll_and_wait(ids);
    EXPECT_GE(first, 800);
    EXPECT_LE(first, 1200);
    EXPECT_EQ(server.connections(), 2U);
    for (const auto& each : harness.source.answers) ASSERT_EQ(each.answer.what, track::reply_class::good);
    EXPECT_TRUE(harness.source.repeats_asked.empty());
}

TEST(ProofConnections, RetiringClosesIdleOnesNowAndBusyOnesAfterTheirAnswer) {
    std::atomic<bool> asked = false;
    std::atomic<bool> go_on = false;
    std::atomic<int> closed = 0;
    scripted_http_server server([&](scripted_connection& connection) {
        const std::string request = connection.read_request();
        if (asked_id(request) == "tx-slow") {
            asked = true;
            while (!go_on) std::this_thread::sleep_for(1ms);
        }
        connection.send(good_reply(request));
        connection.wait_for_close();
        ++closed;
    });
    client_harness harness(client_harness::options_for(server));
    harness.poll({"tx-slow"});
    harness.run_until([&] { return asked.load(); });
    harness.poll_and_wait({"tx-2"});
    harness.run_until([&] { return harness.observer.idle == 1 && harness.observer.busy == 1; });
    harness.client->retire_connections();
    harness.run_until([&] { return closed == 1; });
    EXPECT_EQ(harness.source.answers.size(), 1U);
    go_on = true;
    harness.run_until([&] { return closed == 2; });
    EXPECT_EQ(harness.source.answer_to("tx-slow").what, track::reply_class::good);
    harness.poll_and_wait({"tx-3"});
    EXPECT_EQ(server.connections(), 3U);
}

TEST(ProofConnections, RetiringFromInsideAnAnswerLosesNothing) {
    scripted_http_server server(serve_well);
    proof_client_options options = client_harness::options_for(server);
    options.connections = 1;
    client_harness harness(options);
    harness.source.after_answer = [&] { harness.client->retire_connections(); };
    harness.poll_and_wait({"tx-1", "tx-2", "tx-3"});
    for (const auto& each : harness.source.answers) EXPECT_EQ(each.answer.what, track::reply_class::good);
    EXPECT_EQ(server.connections(), 3U);
    EXPECT_TRUE(harness.source.repeats_asked.empty());
}

TEST(ProofConnections, RetiringWhileConnectingLosesNothing) {
    scripted_http_server server(serve_well);
    client_harness harness(client_harness::options_for(server));
    harness.poll({"tx-1", "tx-2"});
    for (int i = 0; i < 3; ++i) {
        harness.io.restart();
        harness.io.poll_one();
        harness.client->retire_connections();
    }
    harness.run_until_answers(2);
    EXPECT_EQ(harness.source.answer_to("tx-1").what, track::reply_class::good);
}

TEST(ProofConnections, AreCountedAsIdleAndBusy) {
    std::atomic<bool> go_on = false;
    scripted_http_server server([&](scripted_connection& connection) {
        const std::string request = connection.read_request();
        while (!go_on) std::this_thread::sleep_for(1ms);
        connection.send(good_reply(request));
        connection.wait_for_close();
    });
    client_harness harness(client_harness::options_for(server));
    harness.poll({"tx-1"});
    harness.run_until([&] { return harness.observer.busy == 1 && harness.observer.idle == 0; });
    go_on = true;
    harness.run_until([&] { return harness.observer.busy == 0 && harness.observer.idle == 1; });
}

TEST(ProofStop, WithoutWorkIsImmediate) {
    scripted_http_server server(serve_well);
    client_harness harness(client_harness::options_for(server));
    harness.poll_and_wait({"tx-1"});
    harness.stop(10s);
    harness.poll({"tx-2"});
    harness.run_for(20ms);
    EXPECT_EQ(harness.source.answers.size(), 1U) << "nothing is taken any more";
    EXPECT_EQ(harness.source.due.size(), 1U);
}

TEST(ProofStop, WaitsForTheAnswersInFlight) {
    std::atomic<bool> asked = false;
    std::atomic<bool> go_on = false;
    scripted_http_server server([&](scripted_connection& connection) {
        const std::string request = connection.read_request();
        asked = true;
        while (!go_on) std::this_thread::sleep_for(1ms);
        connection.send(good_reply(request));
        connection.wait_for_close();
    });
    client_harness harness(client_harness::options_for(server));
    harness.poll({"tx-1"});
    harness.run_until([&] { return asked.load(); });
    bool stopped = false;
    harness.client->stop(10s, [&] { stopped = true; });
    harness.run_for(20ms);
    EXPECT_FALSE(stopped);
    go_on = true;
    harness.run_until([&] { return stopped; });
    EXPECT_EQ(harness.source.answer_to("tx-1").what, track::reply_class::good);
}

TEST(ProofStop, GivesUpWhenItsTimeIsOver) {
    std::atomic<bool> asked = false;
    scripted_http_server server([&](scripted_connection& connection) {
        connection.read_request();
        asked = true;
        connection.wait_for_close();
    });
    client_harness harness(client_harness::options_for(server));
    harness.poll({"tx-1"});
    harness.run_until([&] { return asked.load(); });
    harness.stop(50ms);
    EXPECT_EQ(harness.source.answer_to("tx-1").what, track::reply_class::no_reply);
    EXPECT_EQ(harness.source.answer_to("tx-1").error, "reply: none before the stop");
}

TEST(ProofStop, TheClientMayBeDestroyedAtAnyMoment) {
    scripted_http_server server(serve_well);
    for (int steps = 0; steps < 60; ++steps) {
        client_harness harness(client_harness::options_for(server));
        harness.poll({"tx-1", "tx-2", "tx-3"});
        for (int i = 0; i < steps; ++i) {
            harness.io.restart();
            harness.io.run_one_for(1ms);
        }
        harness.client.reset();
        harness.run_for(1ms); // handlers that were on their way find nobody
    }
}

} // namespace
} // namespace prooftrack::proof
