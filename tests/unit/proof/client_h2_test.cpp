// Polls over HTTP/2: what a client makes of a server that offers it, and of one that ends streams and connections.

#include <atomic>
#include <mutex>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client_h2_harness.hpp"
#include "track/http2_trust.hpp"

namespace prooftrack::proof {
namespace {

using namespace testing_support;
using namespace std::chrono_literals;
using testing::ElementsAre;

using ProofHttp2 = h2_client_test;

TEST_F(ProofHttp2, IsSpokenWhereTheServerOffersIt) {
    std::mutex guard;
    std::vector<h2_site_request> seen;
    serve([&](h2_site& site, const h2_site_request& request, std::size_t) {
        {
            const std::lock_guard lock(guard);
            seen.push_back(request);
        }
        answer(site, request);
    });
    options_.base_url += "/proof";
    start();
    harness_.poll_and_wait({"tx-1"});
    EXPECT_EQ(harness_.source.answer_to("tx-1").what, track::reply_class::good);
    EXPECT_THAT(harness_.observer.connected, ElementsAre("h2"));
    ASSERT_EQ(seen.size(), 1U);
    const auto& fields = seen[0].fields;
    EXPECT_EQ(fields.at(":method"), "GET");
    EXPECT_EQ(fields.at(":scheme"), "https");
    EXPECT_EQ(fields.at(":authority"), "localhost:" + std::to_string(server_->port()));
    EXPECT_EQ(fields.at(":path"), "/proof/widget/transactions/tx-1");
    EXPECT_EQ(fields.at("authorization"), "Bearer token-1");
    EXPECT_EQ(fields.at("accept"), "application/json");
    EXPECT_EQ(fields.at("accept-encoding"), "identity");
    EXPECT_EQ(fields.at("user-agent"), "prooftrackd");
}

TEST_F(ProofHttp2, AServerThatDoesNotOfferItGetsHttp11) {
    scripted_http_server plain(authority_.server_context(), serve_well);
    client_harness harness(client_harness::options_for(plain, trust_));
    harness.poll_and_wait({"tx-1"});
    EXPECT_EQ(harness.source.answer_to("tx-1").what, track::reply_class::good);
    EXPECT_THAT(harness.observer.connected, ElementsAre("http/1.1"));
}

TEST_F(ProofHttp2, IsNotOfferedWhenItIsOff) {
    serve_connections(serve_well);
    options_.http2 = false;
    start();
    harness_.poll_and_wait({"tx-1"});
    EXPECT_EQ(harness_.source.answer_to("tx-1").what, track::reply_class::good);
    EXPECT_THAT(harness_.observer.connected, ElementsAre("http/1.1"));
}

TEST_F(ProofHttp2, AReloadThatTurnsItOffReplacesTheConnections) {
    serve_connections([](scripted_connection& connection) {
        if (connection.index > 0) return serve_well(connection);
        h2_site site(connection);
        while (true) {
            for (const auto& request : site.read()) answer(site, request);
        }
    });
    start();
    harness_.poll_and_wait({"tx-1"});
    options_.http2 = false;
    harness_.reconfigure(options_);
    harness_.poll_and_wait({"tx-2"});
    EXPECT_THAT(errors(), ElementsAre());
    EXPECT_THAT(harness_.observer.connected, ElementsAre("h2", "http/1.1"));
}

TEST_F(ProofHttp2, ManyAtOnceAreSpreadOverFourConnections) {
    // Answers come only when all requests are there: they are in flight together.
    std::atomic<std::size_t> waiting = 0;
    constexpr std::size_t all = 300;
    serve_connections([&](scripted_connection& connection) {
        h2_site site(connection);
        std::vector<h2_site_request> held;
        while (true) {
            for (auto& request : site.read()) {
                held.push_back(std::move(request));
                ++waiting;
            }
            while (waiting >= all && !held.empty()) {
                answer(site, held.back());
                held.pop_back();
            }
        }
    });
    start();
    harness_.poll(ids(all));
    harness_.run_until([&] { return waiting == all; });
    harness_.poll(ids(200, "more-")); // wakes the servers that wait for bytes
    harness_.run_until([&] { return harness_.source.answers.size() >= 100; });
    EXPECT_GE(harness_.observer.connected.size(), 4U);
    EXPECT_LE(harness_.observer.connected.size(), 12U);
    EXPECT_THAT(errors(), ElementsAre());
}

TEST_F(ProofHttp2, NoMoreAreInFlightThanTheServerAllows) {
    std::atomic<std::size_t> most = 0;
    serve_connections([&](scripted_connection& connection) {
        h2_site site(connection, 3);
        while (true) {
            const auto requests = site.read();
            most = std::max(most.load(), requests.size());
            for (const auto& request : requests) answer(site, request);
        }
    });
    options_.connections = 1;
    start();
    harness_.poll_and_wait(ids(100));
    EXPECT_THAT(errors(), ElementsAre());
    EXPECT_LE(most, 3U);
    EXPECT_THAT(harness_.observer.connected, ElementsAre("h2"));
}

TEST_F(ProofHttp2, AGoawayFailsNoPoll) {
    serve_connections([](scripted_connection& connection) {
        h2_site site(connection);
        std::size_t served = 0;
        while (true) {
            for (const auto& request : site.read()) {
                if (served == 40) site.goaway(request.stream - 2);
                if (served++ < 40) answer(site, request);
            }
        }
    });
    options_.connections = 2;
    start();
    harness_.poll_and_wait(ids(1000));
    EXPECT_THAT(errors(), ElementsAre());
    EXPECT_THAT(harness_.source.repeats_asked, ElementsAre());
    EXPECT_GE(harness_.observer.connected.size(), 1000U / 40);
}

TEST_F(ProofHttp2, AServerThatEndsConnectionsAfterFewRequestsFailsNoPoll) {
    serve_connections([](scripted_connection& connection) {
        h2_site site(connection);
        std::size_t served = 0;
        while (true) {
            for (const auto& request : site.read()) {
                if (served == 10) site.goaway(request.stream - 2);
                if (served++ < 10) answer(site, request);
            }
            if (served >= 10) std::this_thread::sleep_for(5ms); // it is far away: what comes meanwhile is refused
        }
    });
    options_.connections = 4;
    start();
    harness_.poll_and_wait(ids(1000));
    EXPECT_THAT(errors(), ElementsAre());
}

TEST_F(ProofHttp2, ARefusedStreamIsTriedAgainAndNotForEver) {
    std::atomic<int> refused = 0;
    std::atomic<int> tries = 0;
    serve([&](h2_site& site, const h2_site_request& request, std::size_t) {
        if (request.id() == "never") ++tries;
        if (request.id() == "never" || ++refused == 1) {
            site.reset(request, NGHTTP2_REFUSED_STREAM);
        } else {
            answer(site, request);
        }
    });
    start();
    harness_.poll_and_wait({"once"});
    EXPECT_EQ(harness_.source.answer_to("once").what, track::reply_class::good);
    harness_.poll_and_wait({"never"});
    EXPECT_EQ(harness_.source.answer_to("never").what, track::reply_class::no_reply);
    EXPECT_THAT(harness_.source.answer_to("never").error, testing::HasSubstr("REFUSED_STREAM"));
    EXPECT_EQ(tries, 5);
    EXPECT_THAT(harness_.source.repeats_asked, ElementsAre());
    EXPECT_THAT(harness_.observer.connected, ElementsAre("h2"));
}

TEST_F(ProofHttp2, AServerThatEndsEveryConnectionIsNotTriedForEver) {
    serve([](h2_site& site, const h2_site_request&, std::size_t) { site.goaway(0); });
    start();
    harness_.poll_and_wait({"tx-1"});
    EXPECT_EQ(harness_.source.answer_to("tx-1").what, track::reply_class::no_reply);
    EXPECT_EQ(harness_.source.answer_to("tx-1").error, "reply: the server closes the connection (GOAWAY)");
    EXPECT_EQ(harness_.observer.connected.size(), 17U);
}

TEST_F(ProofHttp2, EnhanceYourCalmIsA429) {
    serve([&](h2_site& site, const h2_site_request& request, std::size_t) {
        if (request.id() == "stream") {
            site.reset(request, NGHTTP2_ENHANCE_YOUR_CALM);
        } else {
            site.goaway(request.stream - 2, NGHTTP2_ENHANCE_YOUR_CALM);
        }
    });
    start();
    harness_.poll_and_wait({"stream"});
    harness_.poll_and_wait({"connection"});
    for (const char* id : {"stream", "connection"}) {
        EXPECT_EQ(harness_.source.answer_to(id).what, track::reply_class::throttled);
        EXPECT_EQ(harness_.source.answer_to(id).http_status, 429);
    }
}

TEST_F(ProofHttp2, AStreamThatTimesOutIsResetAndLeavesTheOthersAlone) {
    std::atomic<std::size_t> resets = 0;
    serve([&](h2_site& site, const h2_site_request& request, std::size_t) {
        resets = site.resets(); // before the answer, after which the test looks
        if (request.id() != "slow") answer(site, request);
    });
    options_.request_timeout = 500ms; // the connection counts as silent after 1 s
    start();
    harness_.poll({"slow"});
    harness_.poll_and_wait({"tx-1"});
    harness_.run_until_answers(2);
    EXPECT_EQ(harness_.source.answer_to("slow").what, track::reply_class::no_reply);
    EXPECT_EQ(harness_.source.answer_to("slow").error, "reply: timed out after 500ms");
    harness_.poll_and_wait({"tx-2"});
    EXPECT_EQ(harness_.source.answer_to("tx-2").what, track::reply_class::good);
    EXPECT_EQ(resets, 1U);
    EXPECT_THAT(harness_.observer.connected, ElementsAre("h2"));
}

TEST_F(ProofHttp2, AConnectionThatBreaksHasItsPollsRepeated) {
    serve_connections([](scripted_connection& connection) {
        h2_site site(connection);
        std::size_t served = 0;
        while (true) {
            for (const auto& request : site.read()) {
                if (connection.index == 0 && ++served > 1) return connection.reset();
                answer(site, request);
            }
        }
    });
    start();
    harness_.poll_and_wait({"first"});
    harness_.poll_and_wait(ids(8));
    EXPECT_THAT(errors(), ElementsAre());
    EXPECT_EQ(harness_.source.repeats_asked.size(), 8U);
}

/// Answers well, but breaks the connection whenever it reads a request about what begins with "bad".
void break_at_bad(scripted_connection& connection) {
    h2_site site(connection);
    while (true) {
        for (const auto& request : site.read()) {
            if (request.id().starts_with("bad")) {
                connection.send("this is no frame of HTTP/2, whatever its length is");
                return;
            }
            site.reply(request, transaction_body(request.id()));
        }
    }
}

TEST_F(ProofHttp2, WhatOneRequestDoesToItsConnectionIsNoErrorOfTheOthers) {
    serve_connections(break_at_bad);
    start();
    auto all = ids(40);
    all.insert(all.begin() + 20, {"bad-1", "bad-2"}); // what is behind them on their connection gets no reply
    harness_.poll_and_wait(all);
    EXPECT_EQ(errors().size(), 2U);
    EXPECT_EQ(harness_.source.answer_to("bad-1").what, track::reply_class::no_reply);
    EXPECT_EQ(harness_.source.answer_to("bad-2").what, track::reply_class::no_reply);
    for (const auto& id : ids(40)) EXPECT_EQ(harness_.source.answer_to(id).what, track::reply_class::good) << id;
}

TEST_F(ProofHttp2, WhatBreaksConnectionsIsTriedThreeTimesAndDoesNotStarveTheOthers) {
    serve_connections(break_at_bad);
    options_.connections = 1;
    start();
    auto all = ids(60);
    for (std::size_t i = 0; i < 10; ++i)
        all.insert(all.begin() + static_cast<std::ptrdiff_t>(5 * i), "bad-" + std::to_string(i));
    harness_.poll_and_wait(all);
    EXPECT_EQ(errors().size(), 10U);
    for (const auto& id : ids(60)) EXPECT_EQ(harness_.source.answer_to(id).what, track::reply_class::good) << id;
    for (std::size_t i = 0; i < 10; ++i) {
        EXPECT_LE(
            std::count(
                harness_.source.repeats_asked.begin(), harness_.source.repeats_asked.end(), "bad-" + std::to_string(i)),
            2);
    }
}

TEST_F(ProofHttp2, RepliesThatALostConnectionCutsAreAskedForAgain) {
    serve_connections([](scripted_connection& connection) {
        h2_site site(connection);
        std::size_t begun = 0;
        while (true) {
            for (const auto& request : site.read()) {
                if (connection.index > 0) {
                    answer(site, request);
                } else {
                    site.begin_reply(request);
                    ++begun;
                }
            }
            if (begun >= 25) return connection.close_in_order();
        }
    });
    options_.connections = 1;
    start();
    harness_.poll_and_wait(ids(40));
    EXPECT_THAT(errors(), ElementsAre());
    EXPECT_GE(harness_.source.repeats_asked.size(), 25U);
    EXPECT_EQ(harness_.observer.connected.back(), "h2") << "a lost connection counts once against HTTP/2";
}

TEST_F(ProofHttp2, AReplyThatIsCutThreeTimesIsUnusable) {
    serve_connections([](scripted_connection& connection) {
        h2_site site(connection);
        while (true) {
            for (const auto& request : site.read()) {
                if (request.id() != "bad") {
                    answer(site, request);
                } else {
                    site.begin_reply(request);
                    return connection.close_in_order();
                }
            }
        }
    });
    start();
    harness_.poll_and_wait({"tx-1", "bad", "tx-2"});
    EXPECT_EQ(harness_.source.answer_to("bad").what, track::reply_class::unusable);
    EXPECT_EQ(harness_.source.answer_to("bad").error, "reply: truncated (connection closed)");
    EXPECT_EQ(errors().size(), 1U);
    EXPECT_EQ(std::ranges::count(harness_.source.repeats_asked, "bad"), 2);
}

TEST_F(ProofHttp2, AReplyAboutAnotherTransactionLeavesTheOthersAlone) {
    serve([](h2_site& site, const h2_site_request& request, std::size_t) {
        site.reply(request, transaction_body(request.id() == "wrong" ? "other" : request.id()));
    });
    start();
    harness_.poll_and_wait({"tx-1", "wrong", "tx-2"});
    EXPECT_EQ(harness_.source.answer_to("wrong").what, track::reply_class::unusable);
    EXPECT_EQ(errors().size(), 1U);
    EXPECT_THAT(harness_.observer.connected, ElementsAre("h2"));
}

TEST_F(ProofHttp2, AReplyOverTheLimitEndsItsStreamAlone) {
    serve([](h2_site& site, const h2_site_request& request, std::size_t) {
        if (request.id() == "huge") return site.reply(request, std::string(100000, 'x'));
        answer(site, request);
    });
    start();
    harness_.poll_and_wait({"huge", "tx-1"});
    EXPECT_EQ(harness_.source.answer_to("huge").what, track::reply_class::unusable);
    EXPECT_EQ(harness_.source.answer_to("huge").error, "reply: body too large");
    EXPECT_EQ(harness_.source.answer_to("tx-1").what, track::reply_class::good);
    EXPECT_THAT(harness_.observer.connected, ElementsAre("h2"));
}

TEST_F(ProofHttp2, Http11RequiredIsObeyed) {
    serve_connections([](scripted_connection& connection) {
        if (connection.index > 0) return serve_well(connection);
        h2_site site(connection);
        while (true) {
            for (const auto& request : site.read()) site.reset(request, NGHTTP2_HTTP_1_1_REQUIRED);
        }
    });
    start();
    harness_.poll_and_wait(ids(3));
    EXPECT_THAT(errors(), ElementsAre());
    EXPECT_EQ(harness_.observer.connected.front(), "h2");
    EXPECT_EQ(harness_.observer.connected.back(), "http/1.1");
}

TEST_F(ProofHttp2, ForCiphersThatHttp2ForbidsHttp11IsSpoken) {
    serve_connections([](scripted_connection& connection) {
        if (connection.index > 0) return serve_well(connection);
        h2_site site(connection);
        while (true) {
            for (const auto& request : site.read()) site.reset(request, NGHTTP2_INADEQUATE_SECURITY);
        }
    });
    start();
    harness_.poll_and_wait(ids(3));
    EXPECT_THAT(errors(), ElementsAre());
    EXPECT_EQ(harness_.observer.connected.front(), "h2");
    EXPECT_EQ(harness_.observer.connected.back(), "http/1.1");
}

TEST_F(ProofHttp2, AServerThatSpeaksItBadlyIsAskedOverHttp11) {
    serve_connections([](scripted_connection& connection) {
        if (connection.index > 0) return serve_well(connection);
        h2_site site(connection);
        while (true) {
            for (const auto& request : site.read()) site.reset(request, NGHTTP2_INTERNAL_ERROR);
        }
    });
    options_.connections = 1;
    start();
    harness_.poll_and_wait(ids(track::http2_trust::most_failures));
    EXPECT_EQ(errors().size(), track::http2_trust::most_failures)
        << "each poll is answered, as of any server in trouble";
    harness_.poll_and_wait(ids(3, "later-"));
    EXPECT_EQ(errors().size(), track::http2_trust::most_failures);
    EXPECT_THAT(harness_.observer.connected, ElementsAre("h2", "http/1.1"));
}

} // namespace
} // namespace prooftrack::proof
