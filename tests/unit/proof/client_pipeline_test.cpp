// HTTP/1.1 pipelining and its guards.

#include <atomic>

#include <gtest/gtest.h>

#include "client_harness.hpp"

namespace prooftrack::proof {
namespace {

using namespace testing_support;
using namespace std::chrono_literals;

const std::vector<std::string> four{"tx-1", "tx-2", "tx-3", "tx-4"};

/// Depth 4 on one connection.
proof_client_options pipelined(const scripted_http_server& server) {
    proof_client_options options = client_harness::options_for(server);
    options.connections = 1;
    options.pipeline_depth = 4;
    return options;
}

std::vector<std::string> read_requests(scripted_connection& connection, std::size_t count) {
    std::vector<std::string> requests;
    while (requests.size() < count) requests.push_back(connection.read_request());
    return requests;
}

/// The first connection answers one request alone, then reads four at once and does `misbehave`; others behave.
scripted_http_server::script after_a_good_start(
    std::function<void(scripted_connection&, const std::vector<std::string>&)> misbehave) {
    return [misbehave](scripted_connection& connection) {
        if (connection.index == 0) {
            connection.send(good_reply(connection.read_request()));
            return misbehave(connection, read_requests(connection, 4));
        }
        serve_well(connection);
    };
}

/// Polls one id, then the four.
void poll_four(client_harness& harness) {
    harness.poll_and_wait({"tx-0"});
    harness.poll_and_wait(four);
}

TEST(ProofPipeline, IsOffByDefault) { EXPECT_EQ(proof_client_options().pipeline_depth, 1U); }

TEST(ProofPipeline, SendsSeveralBeforeTheFirstReply) {
    scripted_http_server server([](scripted_connection& connection) {
        const auto requests = read_requests(connection, 4); // hangs unless all four come first
        for (const auto& request : requests) connection.send(good_reply(request, "pending"));
        serve_well(connection);
    });
    client_harness harness(pipelined(server));
    harness.poll_and_wait(four);
    for (const auto& id : four) EXPECT_EQ(harness.source.answer_to(id).body, transaction_body(id));
    EXPECT_TRUE(harness.observer.disabled.empty());
    EXPECT_EQ(server.connections(), 1U);
}

TEST(ProofPipeline, ReadsRepliesHoweverTheyAreCut) {
    scripted_http_server server([](scripted_connection& connection) {
        const auto requests = read_requests(connection, 4);
        std::string all;
        for (const auto& request : requests) all += good_reply(request);
        for (std::size_t at = 0; at < all.size(); at += 7) connection.send(all.substr(at, 7));
        connection.wait_for_close();
    });
    client_harness harness(pipelined(server));
    harness.poll_and_wait(four);
    for (const auto& id : four) EXPECT_EQ(harness.source.answer_to(id).what, track::reply_class::good);
}

TEST(ProofPipeline, AMixedUpReplySwitchesItOff) {
    std::atomic<int> early = 0;
    scripted_http_server server([&](scripted_connection& connection) {
        if (connection.index == 0) {
            connection.send(good_reply(connection.read_request()));
            const auto requests = read_requests(connection, 4);
            for (const std::size_t i : {0U, 2U, 1U, 3U}) connection.send(good_reply(requests[i], "completed"));
            return connection.wait_for_close();
        }
        while (true) {
            const std::string request = connection.read_some();
            if (request.find("\r\n\r\n") + 4 != request.size()) ++early;
            connection.send(good_reply(request));
        }
    });
    client_harness harness(pipelined(server));
    poll_four(harness);
    EXPECT_EQ(harness.source.answer_to("tx-1").status, "completed");
    EXPECT_EQ(harness.source.answer_to("tx-2").what, track::reply_class::unusable);
    EXPECT_EQ(harness.source.answer_to("tx-2").status, "");
    EXPECT_EQ(harness.source.answer_to("tx-3").status, "pending") << "asked again, the mixed-up reply was not believed";
    EXPECT_EQ(harness.source.answer_to("tx-4").status, "pending");
    EXPECT_EQ(harness.source.repeats_asked, (std::vector<std::string>{"tx-3", "tx-4"}));
    ASSERT_EQ(harness.observer.disabled.size(), 1U);
    harness.poll_and_wait({"tx-5", "tx-6", "tx-7", "tx-8"});
    EXPECT_EQ(early, 0) << "one at a time from now on";
    EXPECT_EQ(harness.observer.disabled.size(), 1U) << "said once";
}

TEST(ProofPipeline, AnEndInsideAReplySwitchesItOff) {
    scripted_http_server server(after_a_good_start([](scripted_connection& connection, const auto& requests) {
        connection.send(good_reply(requests[0]));
        connection.send("HTTP/1.1 200 OK\r\nContent-Len");
    }));
    client_harness harness(pipelined(server));
    poll_four(harness);
    EXPECT_EQ(harness.source.answer_to("tx-1").what, track::reply_class::good);
    EXPECT_EQ(harness.source.answer_to("tx-2").error, "reply: truncated");
    EXPECT_EQ(harness.source.answer_to("tx-3").what, track::reply_class::good);
    EXPECT_EQ(harness.source.answer_to("tx-4").what, track::reply_class::good);
    EXPECT_EQ(harness.observer.disabled.size(), 1U);
}

TEST(ProofPipeline, AnUnannouncedEndBetweenRepliesSwitchesItOff) {
    scripted_http_server server(after_a_good_start(
        [](scripted_connection& connection, const auto& requests) { connection.send(good_reply(requests[0])); }));
    client_harness harness(pipelined(server));
    poll_four(harness);
    for (const auto& id : four) EXPECT_EQ(harness.source.answer_to(id).what, track::reply_class::good);
    EXPECT_EQ(harness.observer.disabled.size(), 1U);
}

TEST(ProofPipeline, GarbageSwitchesItOff) {
    scripted_http_server server(after_a_good_start([](scripted_connection& connection, const auto& requests) {
        connection.send(good_reply(requests[0]) + "garbage");
        connection.wait_for_close();
    }));
    client_harness harness(pipelined(server));
    poll_four(harness);
    EXPECT_EQ(harness.source.answer_to("tx-2").error, "reply: not an HTTP/1.1 reply");
    EXPECT_EQ(harness.source.answer_to("tx-3").what, track::reply_class::good);
    EXPECT_EQ(harness.observer.disabled.size(), 1U);
}

TEST(ProofPipeline, AReplyTooManySwitchesItOff) {
    scripted_http_server server(after_a_good_start([](scripted_connection& connection, const auto& requests) {
        std::string all;
        for (const auto& request : requests) all += good_reply(request);
        connection.send(all + good_reply(requests[0], "completed"));
        connection.wait_for_close();
    }));
    client_harness harness(pipelined(server));
    poll_four(harness);
    for (const auto& id : four) EXPECT_EQ(harness.source.answer_to(id).status, "pending");
    EXPECT_EQ(harness.observer.disabled.size(), 1U);
}

TEST(ProofPipeline, AnAnnouncedEndIsNoAnomaly) {
    scripted_http_server server(after_a_good_start([](scripted_connection& connection, const auto& requests) {
        connection.send(http_reply(
            200, transaction_body(asked_id(requests[0])), "Content-Type: application/json\r\nConnection: close\r\n"));
        connection.wait_for_close();
    }));
    client_harness harness(pipelined(server));
    poll_four(harness);
    for (const auto& id : four) EXPECT_EQ(harness.source.answer_to(id).what, track::reply_class::good);
    EXPECT_EQ(harness.source.repeats_asked.size(), 3U);
    EXPECT_TRUE(harness.observer.disabled.empty());
}

TEST(ProofPipeline, AStaleConnectionIsNoAnomaly) {
    scripted_http_server server(after_a_good_start([](scripted_connection&, const auto&) {}));
    client_harness harness(pipelined(server));
    poll_four(harness);
    for (const auto& id : four) EXPECT_EQ(harness.source.answer_to(id).what, track::reply_class::good);
    EXPECT_EQ(harness.source.repeats_asked.size(), 4U);
    EXPECT_TRUE(harness.observer.disabled.empty());
}

TEST(ProofPipeline, WhatMayNotBeRepeatedIsAnsweredWithSilence) {
    scripted_http_server server(after_a_good_start(
        [](scripted_connection& connection, const auto& requests) { connection.send(good_reply(requests[0])); }));
    client_harness harness(pipelined(server));
    harness.source.allow_repeats = false;
    poll_four(harness);
    EXPECT_EQ(harness.source.answer_to("tx-1").what, track::reply_class::good);
    for (const std::string id : {"tx-2", "tx-3", "tx-4"})
        EXPECT_EQ(harness.source.answer_to(id).what, track::reply_class::no_reply);
}

TEST(ProofPipeline, ATimeoutAnswersAllThatWaited) {
    scripted_http_server server([](scripted_connection& connection) { connection.wait_for_close(); });
    proof_client_options options = pipelined(server);
    options.request_timeout = 80ms;
    client_harness harness(options);
    harness.poll_and_wait(four);
    for (const auto& id : four) {
        EXPECT_EQ(harness.source.answer_to(id).what, track::reply_class::no_reply);
        EXPECT_EQ(harness.source.answer_to(id).error, "reply: timed out after 80ms");
    }
    EXPECT_TRUE(harness.source.repeats_asked.empty());
}

TEST(ProofPipeline, ManyRepliesKeepTheirOrder) {
    scripted_http_server server(serve_well);
    proof_client_options options = client_harness::options_for(server);
    options.connections = 4;
    options.pipeline_depth = 16;
    client_harness harness(options);
    std::vector<std::string> ids;
    for (int i = 0; i < 4000; ++i) ids.push_back("tx-" + std::to_string(i));
    harness.poll_and_wait(ids);
    for (const auto& each : harness.source.answers) ASSERT_EQ(each.answer.body, transaction_body(each.ticket.id));
    EXPECT_TRUE(harness.observer.disabled.empty());
}

} // namespace
} // namespace prooftrack::proof
