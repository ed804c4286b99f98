// How connections of HTTP/2 end: replaced, broken, silent, stopped.

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client_h2_harness.hpp"

namespace prooftrack::proof {
namespace {

using namespace testing_support;
using namespace std::chrono_literals;
using testing::ElementsAre;
using ProofHttp2Ends = h2_client_test;

TEST_F(ProofHttp2Ends, AConnectionIsReplacedBeforeItIsUsedUp) {
    std::mutex guard;
    std::map<std::size_t, std::size_t> requests;
    std::size_t before_the_second = 0;
    serve([&](h2_site& site, const h2_site_request& request, std::size_t connection) {
        {
            const std::lock_guard lock(guard);
            if (++requests[connection] == 1 && connection == 1) before_the_second = requests[0];
        }
        answer(site, request);
    });
    options_.connections = 1;
    start();
    for (int round = 0; round < 150; ++round) harness_.poll_and_wait(ids(20, std::to_string(round) + "-"));
    EXPECT_THAT(errors(), ElementsAre());
    EXPECT_THAT(harness_.source.repeats_asked, ElementsAre());
    EXPECT_GE(requests.size(), 4U);
    for (const auto& [connection, count] : requests) EXPECT_LE(count, 950U) << connection;
    EXPECT_GE(before_the_second, 600U);
    EXPECT_LT(before_the_second, requests[0]) << "the second was there before the first had carried all";
}

/// What the server's side of a successor's handshake waits for.
struct held_successor {
    static inline std::atomic<int> handshakes;
    static inline std::atomic<bool> is_first_broken;

    static int choose_h2(SSL*, const unsigned char** out, unsigned char* size, const unsigned char*, unsigned, void*) {
        static constexpr std::array<unsigned char, 2> h2{'h', '2'};
        *out = h2.data();
        *size = h2.size();
        const auto until = std::chrono::steady_clock::now() + seconds(20);
        if (++handshakes != 2) return SSL_TLSEXT_ERR_OK;
        while (!is_first_broken && std::chrono::steady_clock::now() < until) std::this_thread::yield();
        std::this_thread::sleep_for(milliseconds(50)); // the client sees the reset before the successor is open
        return SSL_TLSEXT_ERR_OK;
    }
};

TEST_F(ProofHttp2Ends, WhatBreaksWhileTheSuccessorConnectsWaitsForIt) {
    held_successor::handshakes = 0;
    held_successor::is_first_broken = false;
    auto context = authority_.server_context();
    SSL_CTX_set_alpn_select_cb(context.native_handle(), held_successor::choose_h2, nullptr);
    server_ = std::make_unique<scripted_http_server>(std::move(context), [&](scripted_connection& connection) {
        h2_site site(connection);
        while (true) {
            for (const auto& request : site.read()) {
                if (connection.index == 0 && held_successor::handshakes > 1) {
                    connection.reset();
                    held_successor::is_first_broken = true;
                    return;
                }
                answer(site, request);
            }
        }
    });
    options_ = client_harness::options_for(*server_, trust_);
    options_.connections = 1;
    start();
    for (int round = 0; round < 60; ++round) harness_.poll_and_wait(ids(20, std::to_string(round) + "-"));
    EXPECT_THAT(errors(), ElementsAre());
    EXPECT_TRUE(held_successor::is_first_broken);
    EXPECT_FALSE(harness_.source.repeats_asked.empty());
}

TEST_F(ProofHttp2Ends, ADeadIdleConnectionIsFoundByAPing) {
    std::atomic<std::size_t> pings = 0;
    serve_connections([&](scripted_connection& connection) {
        h2_site site(connection);
        while (true) {
            for (const auto& request : site.read()) answer(site, request);
            if (connection.index == 0) break;
        }
        // From now on nothing is answered, as behind a NAT that has forgotten the connection.
        std::string later = connection.read_some();
        while (true) {
            if (later.find("prooftrk") != std::string::npos) ++pings;
            later = connection.read_some();
        }
    });
    start();
    harness_.poll_and_wait({"tx-1"});
    harness_.run_for(1100ms);
    const auto begun = std::chrono::steady_clock::now();
    harness_.poll_and_wait({"tx-2"});
    EXPECT_EQ(harness_.source.answer_to("tx-2").what, track::reply_class::good);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 6s); // sooner than the request's timeout of 10 s
    EXPECT_EQ(pings, 1U);
}

TEST_F(ProofHttp2Ends, AStopLetsWhatIsInFlightEnd) {
    serve([](h2_site& site, const h2_site_request& request, std::size_t) {
        if (request.id() != "slow") answer(site, request);
    });
    start();
    harness_.poll({"slow", "tx-1"});
    harness_.run_until_answers(1);
    harness_.stop(200ms);
    EXPECT_EQ(harness_.source.answers.size(), 2U);
    EXPECT_EQ(harness_.source.answer_to("slow").error, "reply: none before the stop");
}

} // namespace
} // namespace prooftrack::proof
