// Calls of users over HTTP/2: how each way to end is told, and how often the server saw the request.

#include <atomic>
#include <mutex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client_harness.hpp"
#include "proof/origin.hpp"
#include "proof/proof_setup.hpp"
#include "support/h2_site.hpp"
#include "support/test_certificates.hpp"

namespace prooftrack::proof {
namespace {

using namespace testing_support;
using namespace std::chrono_literals;
using testing::StartsWith;

class ProofCallsHttp2 : public testing::Test {
  protected:
    using site_script = std::function<void(h2_site&, const h2_site_request&, scripted_connection&)>;

    /// A server that does this with each request over HTTP/2; the connections from `http1_from` on speak HTTP/1.1.
    void serve(site_script script, std::size_t http1_from = 1000) {
        serve_connections([this, script = std::move(script), http1_from](scripted_connection& connection) {
            if (connection.index >= http1_from) return serve_http1(connection);
            h2_site site(connection);
            while (true) {
                for (const auto& request : site.read()) {
                    note(request);
                    script(site, request, connection);
                }
            }
        });
    }

    void serve_connections(scripted_http_server::script script) {
        server_ = std::make_unique<scripted_http_server>(with_h2(authority_.server_context()), std::move(script));
        options_ = client_harness::options_for(*server_, trust_);
    }

    void note(const h2_site_request& request) {
        const std::lock_guard lock(guard_);
        last_ = request;
        if (request.fields.at(":path").ends_with("/session")) ++seen_;
    }
    h2_site_request last_request() {
        const std::lock_guard lock(guard_);
        return last_;
    }

    void serve_http1(scripted_connection& connection) {
        connection.read_request();
        ++seen_http1_;
        connection.send(http_reply(201, R"({"over":"1.1"})"));
        connection.wait_for_close();
    }

    op_result<proof_reply> call(proof_call request = session_call()) {
        if (!harness_.client) harness_.start(options_);
        return harness_.call(std::move(request));
    }

    /// The call fails like this, and the server saw it so often.
    void expect_failure(proof_error error, const testing::Matcher<std::string>& why, int seen) {
        const auto outcome = call();
        ASSERT_FALSE(outcome);
        EXPECT_EQ(outcome.error().code, make_error_code(error)) << outcome.error().message();
        EXPECT_THAT(outcome.error().detail, why);
        EXPECT_EQ(may_have_reached_proof(outcome.error()), error != proof_error::unreachable);
        EXPECT_EQ(seen_, seen);
        EXPECT_EQ(server_->connections(), static_cast<std::size_t>(seen));
    }

    /// The call is answered with this status, and the server saw it so often over HTTP/2.
    void expect_reply(int status, int seen) {
        const auto outcome = call();
        ASSERT_TRUE(outcome) << outcome.error().message();
        EXPECT_EQ(outcome->status, status);
        EXPECT_EQ(seen_, seen);
    }

    test_authority authority_;
    net::trust_roots trust_{authority_.ca_pem(), "ca.pem"};
    std::unique_ptr<scripted_http_server> server_;
    std::mutex guard_;
    h2_site_request last_;
    std::atomic<int> seen_ = 0; ///< sessions over HTTP/2
    std::atomic<int> seen_http1_ = 0;
    proof_client_options options_;
    client_harness harness_;
};

TEST_F(ProofCallsHttp2, SendThePostAsItCameAndReturnTheReplyByteForByte) {
    const std::string body = "{ \"init_token\":\"t\\u00e9\", \"b\":1.10,\"\xc3\xa9\":\"\xf0\x9f\x98\x80\"}\n";
    serve([&](h2_site& site, const h2_site_request& request, scripted_connection&) {
        site.reply(
            request, body, "201", {{"content-type", "application/json; charset=utf-8"}, {"x-request-id", "req-7"}});
    });
    options_.base_url += "/proof";
    const std::string sent = "{\"amount\" : \"10\" , \"extra\":[1,2,{}]}";
    const auto outcome = call(session_call(sent));
    ASSERT_TRUE(outcome) << outcome.error().message();
    EXPECT_EQ(outcome->status, 201);
    EXPECT_EQ(outcome->body, body);
    EXPECT_EQ(outcome->content_type, "application/json; charset=utf-8");
    EXPECT_EQ(outcome->request_id, "req-7");
    EXPECT_EQ(seen_, 1);
    const h2_site_request got = last_request();
    EXPECT_EQ(got.body, sent);
    const std::map<std::string, std::string> fields{
        {":method", "POST"},
        {":scheme", "https"},
        {":authority", "localhost:" + std::to_string(server_->port())},
        {":path", "/proof/widget/session"},
        {"user-agent", "prooftrackd"},
        {"accept", "application/json"},
        {"accept-encoding", "identity"},
        {"authorization", "Bearer token-1"},
        {"content-type", "application/json"},
        {"content-length", std::to_string(sent.size())}};
    EXPECT_EQ(got.fields, fields);
    EXPECT_TRUE(harness_.observer.connected.empty()) << "it was no connection for polls";
    EXPECT_EQ(harness_.observer.full_handshakes, 1U);
}

TEST_F(ProofCallsHttp2, GetWithoutABody) {
    serve([](h2_site& site, const h2_site_request& request, scripted_connection&) {
        site.reply(request, R"({"status":"verified"})");
    });
    const auto outcome = call({proof_call::method_kind::get, "/widget/users/u%2F1/kyc-status", ""});
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->body, R"({"status":"verified"})");
    const h2_site_request got = last_request();
    EXPECT_EQ(got.fields.at(":method"), "GET");
    EXPECT_EQ(got.fields.at(":path"), "/widget/users/u%2F1/kyc-status");
    EXPECT_FALSE(got.fields.contains("content-type"));
    EXPECT_FALSE(got.fields.contains("content-length"));
}

TEST_F(ProofCallsHttp2, CarryTheLargestSessionAndTheLargestReply) {
    const std::string largest(std::size_t{1024} * 1024, 'x'); // of the API, and max_call_reply
    serve(
        [](h2_site& site, const h2_site_request& request, scripted_connection&) { site.reply(request, request.body); });
    const auto outcome = call(session_call(largest));
    ASSERT_TRUE(outcome) << outcome.error().message();
    EXPECT_TRUE(outcome->body == largest);
    const auto over = call(session_call(largest + "x"));
    ASSERT_FALSE(over);
    EXPECT_EQ(over.error().code, make_error_code(proof_error::unusable_reply));
    EXPECT_EQ(over.error().detail, "body too large");
    EXPECT_EQ(seen_, 2);
}

TEST_F(ProofCallsHttp2, TakeAReplyThatDoesNotWaitForTheBody) {
    serve_connections([](scripted_connection& connection) {
        h2_site site(connection);
        while (site.opened() == 0) site.read();
        h2_site_request request;
        request.stream = 1;
        site.reply(request, R"({"error":"invalid_request","message":"m"})", "413");
        connection.wait_for_close();
    });
    const auto outcome = call(session_call(std::string(std::size_t{1024} * 1024, 'x')));
    ASSERT_TRUE(outcome) << outcome.error().message();
    EXPECT_EQ(outcome->status, 413);
    EXPECT_EQ(server_->connections(), 1U);
}

TEST_F(ProofCallsHttp2, JudgeReplyLikeThoseOverHttp11) {
    serve([](h2_site& site, const h2_site_request& request, scripted_connection& connection) {
        if (connection.index == 0)
            return site.reply(request, R"({"error":"kyc_required","message":"m","request_id":"req-3"})", "422");
        if (connection.index == 1)
            return site.reply(request, "<html>", "503", {{"content-type", "text/html"}, {"retry-after", "7"}});
        if (connection.index == 2) return site.reply(request, "", "307", {{"location", "https://elsewhere.example/"}});
        site.reply(request, "x", "201", {{"content-encoding", "gzip"}});
    });
    const auto own = call();
    ASSERT_TRUE(own);
    EXPECT_TRUE(own->is_own_error);
    EXPECT_EQ(own->error_code, "kyc_required");
    EXPECT_EQ(own->request_id, "req-3");
    const auto page = call();
    ASSERT_TRUE(page);
    EXPECT_FALSE(page->is_own_error);
    EXPECT_EQ(page->content_type, "text/html");
    EXPECT_EQ(page->retry_after, 7s);
    const auto redirect = call();
    ASSERT_TRUE(redirect);
    EXPECT_EQ(redirect->status, 307);
    const auto packed = call();
    ASSERT_FALSE(packed);
    EXPECT_EQ(packed.error().code, make_error_code(proof_error::unusable_reply));
    EXPECT_EQ(packed.error().detail, "the body has the content encoding \"gzip\"");
    EXPECT_EQ(seen_, 4);
}

TEST_F(ProofCallsHttp2, ARefusedStreamIsRepeatedOnce) {
    serve([](h2_site& site, const h2_site_request& request, scripted_connection& connection) {
        if (connection.index == 0) return site.reset(request, NGHTTP2_REFUSED_STREAM);
        site.reply(request, "{}", "201");
    });
    expect_reply(201, 2);
    EXPECT_EQ(server_->connections(), 2U);
}

TEST_F(ProofCallsHttp2, ARefusedStreamIsRepeatedNoMoreThanOnce) {
    serve([](h2_site& site, const h2_site_request& request, scripted_connection&) {
        site.reset(request, NGHTTP2_REFUSED_STREAM);
    });
    expect_failure(proof_error::unreachable, "reply: the server reset the stream (REFUSED_STREAM)", 2);
}

TEST_F(ProofCallsHttp2, WhatAGoawayLeavesOutIsRepeatedOnce) {
    serve([](h2_site& site, const h2_site_request& request, scripted_connection& connection) {
        if (connection.index == 0) return site.goaway(0);
        site.reply(request, "{}", "201");
    });
    expect_reply(201, 2);
}

TEST_F(ProofCallsHttp2, WhatEveryGoawayLeavesOutDidNotReachProof) {
    serve([](h2_site& site, const h2_site_request&, scripted_connection&) { site.goaway(0); });
    expect_failure(proof_error::unreachable, "reply: the server closes the connection (GOAWAY)", 2);
}

TEST_F(ProofCallsHttp2, ARepeatThatIsCutOffMayHaveReachedProof) {
    serve([](h2_site& site, const h2_site_request& request, scripted_connection& connection) {
        if (connection.index == 0) return site.reset(request, NGHTTP2_REFUSED_STREAM);
        connection.reset();
        throw scripted_connection::peer_gone{};
    });
    expect_failure(proof_error::interrupted, StartsWith("reply: "), 2);
}

TEST_F(ProofCallsHttp2, ARepeatHasTheDeadlineOfItsCall) {
    serve([](h2_site& site, const h2_site_request& request, scripted_connection& connection) {
        if (connection.index > 0) return;
        std::this_thread::sleep_for(700ms);
        site.reset(request, NGHTTP2_REFUSED_STREAM);
    });
    options_.request_timeout = 1500ms;
    const auto begun = std::chrono::steady_clock::now();
    expect_failure(proof_error::timed_out, "no whole reply", 2);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 2100ms) << "the repeat had a deadline of its own";
}

TEST_F(ProofCallsHttp2, ARequestThatAGoawayLetsEndIsAnswered) {
    serve([](h2_site& site, const h2_site_request& request, scripted_connection&) {
        site.goaway(request.stream);
        site.reply(request, "{}", "201");
    });
    expect_reply(201, 1);
}

TEST_F(ProofCallsHttp2, ARequestThatAGoawayLetsEndAndThatDoesNotMayHaveReachedProof) {
    serve([](h2_site& site, const h2_site_request& request, scripted_connection& connection) {
        site.goaway(request.stream);
        connection.close_in_order();
        throw scripted_connection::peer_gone{};
    });
    expect_failure(proof_error::interrupted, "reply: connection closed", 1);
}

TEST_F(ProofCallsHttp2, Http11RequiredIsObeyedByTheNextCall) {
    for (const std::uint32_t code : {NGHTTP2_HTTP_1_1_REQUIRED, NGHTTP2_INADEQUATE_SECURITY}) {
        seen_ = seen_http1_ = 0;
        serve(
            [code](h2_site& site, const h2_site_request& request, scripted_connection&) { site.reset(request, code); },
            1);
        harness_.start(options_);
        expect_failure(proof_error::interrupted, testing::StartsWith("reply: the server reset the stream ("), 1);
        EXPECT_EQ(seen_http1_, 0) << "no reset but REFUSED_STREAM says that it was not processed";
        expect_reply(201, 1);
        EXPECT_EQ(seen_http1_, 1) << "HTTP/2 is not offered again";
        harness_.stop();
    }
}

TEST_F(ProofCallsHttp2, Http11RequiredIsObeyedAlsoByARepeat) {
    serve(
        [](h2_site& site, const h2_site_request& request, scripted_connection& connection) {
            if (connection.index == 0) return site.reset(request, NGHTTP2_REFUSED_STREAM);
            site.goaway(0, NGHTTP2_HTTP_1_1_REQUIRED);
        },
        2);
    expect_reply(201, 2);
    EXPECT_EQ(seen_http1_, 1);
}

TEST_F(ProofCallsHttp2, AGoawayWithHttp11RequiredThatDoesNotLeaveItOutIsNoReasonToRepeat) {
    serve(
        [](h2_site& site, const h2_site_request& request, scripted_connection& connection) {
            site.goaway(request.stream, NGHTTP2_HTTP_1_1_REQUIRED);
            connection.close_in_order();
            throw scripted_connection::peer_gone{};
        },
        1);
    expect_failure(proof_error::interrupted, "reply: connection closed", 1);
    expect_reply(201, 1);
    EXPECT_EQ(seen_http1_, 1) << "the next one obeys";
}

TEST_F(ProofCallsHttp2, EnhanceYourCalmIsA429OrWithTheConnectionNotProcessed) {
    serve([](h2_site& site, const h2_site_request& request, scripted_connection& connection) {
        if (connection.index == 0) return site.reset(request, NGHTTP2_ENHANCE_YOUR_CALM);
        site.goaway(0, NGHTTP2_ENHANCE_YOUR_CALM);
    });
    expect_reply(429, 1);
    expect_failure(proof_error::unreachable, "http/2: ENHANCE_YOUR_CALM", 2);
}

TEST_F(ProofCallsHttp2, AConnectionThatEndsUnderACallAndIsThrottledIsNo429) {
    serve([](h2_site& site, const h2_site_request& request, scripted_connection& connection) {
        site.goaway(request.stream, NGHTTP2_ENHANCE_YOUR_CALM);
        connection.close_in_order();
        throw scripted_connection::peer_gone{};
    });
    expect_failure(proof_error::interrupted, "http/2: ENHANCE_YOUR_CALM", 1);
}

TEST_F(ProofCallsHttp2, AConnectionThatIsLostIsNotTriedAgain) {
    serve([](h2_site&, const h2_site_request&, scripted_connection& connection) {
        connection.reset();
        throw scripted_connection::peer_gone{};
    });
    expect_failure(proof_error::interrupted, StartsWith("reply: "), 1);
}

TEST_F(ProofCallsHttp2, AReplyThatIsCutOffIsNotTriedAgain) {
    serve([](h2_site& site, const h2_site_request& request, scripted_connection& connection) {
        site.begin_reply(request);
        connection.close_in_order();
        throw scripted_connection::peer_gone{};
    });
    expect_failure(proof_error::interrupted, "truncated (connection closed)", 1);
}

TEST_F(ProofCallsHttp2, AStreamThatIsResetIsNotTriedAgain) {
    serve([](h2_site& site, const h2_site_request& request, scripted_connection&) {
        site.reset(request, NGHTTP2_INTERNAL_ERROR);
    });
    expect_failure(proof_error::interrupted, "reply: the server reset the stream (INTERNAL_ERROR)", 1);
}

TEST_F(ProofCallsHttp2, AStreamThatIsRefusedAfterItsReplyBeganIsNotTriedAgain) {
    serve([](h2_site& site, const h2_site_request& request, scripted_connection&) {
        site.begin_reply(request);
        site.reset(request, NGHTTP2_REFUSED_STREAM);
    });
    expect_failure(proof_error::unusable_reply, "truncated (REFUSED_STREAM)", 1);
}

TEST_F(ProofCallsHttp2, ADeadlineResetsTheStream) {
    std::atomic<std::size_t> resets = 0;
    serve_connections([&](scripted_connection& connection) {
        h2_site site(connection);
        while (true) {
            for (const auto& request : site.read()) note(request);
            resets = site.resets();
        }
    });
    options_.request_timeout = 500ms;
    const auto outcome = call();
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, make_error_code(proof_error::timed_out));
    harness_.run_until([&] { return resets == 1; });
    EXPECT_EQ(seen_, 1);
    EXPECT_EQ(server_->connections(), 1U);
}

TEST_F(ProofCallsHttp2, BytesThatAreNotHttp2AreUnusable) {
    serve([](h2_site&, const h2_site_request&, scripted_connection& connection) {
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        connection.wait_for_close();
    });
    const auto outcome = call();
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, make_error_code(proof_error::unusable_reply));
    EXPECT_THAT(outcome.error().detail, StartsWith("http/2: "));
    EXPECT_EQ(seen_, 1);
}

TEST_F(ProofCallsHttp2, AStopEndsThem) {
    serve([](h2_site&, const h2_site_request&, scripted_connection&) {});
    harness_.start(options_);
    std::optional<op_result<proof_reply>> outcome;
    harness_.client->call(session_call(), [&](op_result<proof_reply> got) { outcome.emplace(std::move(got)); });
    harness_.run_until([&] { return seen_ == 1; });
    harness_.stop(50ms);
    ASSERT_TRUE(outcome.has_value());
    EXPECT_EQ(outcome->error().code, make_error_code(proof_error::interrupted));
}

TEST_F(ProofCallsHttp2, IsNotOfferedWhenItIsOff) {
    serve_connections([this](scripted_connection& connection) { serve_http1(connection); });
    options_.http2 = false;
    expect_reply(201, 0);
    EXPECT_EQ(seen_http1_, 1);
}

TEST_F(ProofCallsHttp2, AServerThatSpeaksItBadlyIsAskedOverHttp11) {
    constexpr int most = track::http2_trust::most_failures;
    serve(
        [](h2_site& site, const h2_site_request& request, scripted_connection&) {
            site.reset(request, NGHTTP2_INTERNAL_ERROR);
        },
        most);
    for (int i = 0; i < most; ++i) EXPECT_FALSE(call());
    EXPECT_EQ(seen_, most) << "each was sent once";
    expect_reply(201, most);
    EXPECT_EQ(seen_http1_, 1);
}

TEST_F(ProofCallsHttp2, RefusalsAreGoodHttp2) {
    serve([](h2_site& site, const h2_site_request& request, scripted_connection&) {
        site.reset(request, NGHTTP2_REFUSED_STREAM);
    });
    constexpr int calls = track::http2_trust::most_failures;
    for (int i = 0; i < calls; ++i) EXPECT_FALSE(call());
    EXPECT_EQ(seen_, 2 * calls);
    EXPECT_FALSE(harness_.setup->where()->http2().is_forbidden(std::chrono::steady_clock::now()));
}

TEST_F(ProofCallsHttp2, SessionsThatHangAreNotTakenForBadHttp2WhilePollsAreAnswered) {
    serve([](h2_site& site, const h2_site_request& request, scripted_connection&) {
        if (request.fields.at(":method") == "GET") site.reply(request, transaction_body(request.id()));
    });
    harness_.start(options_);
    constexpr int calls = 2 * track::http2_trust::most_failures;
    int failed = 0;
    for (int i = 0; i < calls; ++i)
        harness_.client->call(session_call(), [&](op_result<proof_reply> outcome) { failed += outcome ? 0 : 1; });
    harness_.run_until([&] { return seen_ == calls; });
    harness_.poll_and_wait({"tx-1"});
    harness_.stop(50ms); // gives up all of them at once
    EXPECT_EQ(failed, calls);
    EXPECT_FALSE(harness_.setup->where()->http2().is_forbidden(std::chrono::steady_clock::now()));
}

} // namespace
} // namespace prooftrack::proof
