// Calls of users: one connection, one request, bytes passed through, never repeated.

#include <atomic>

#include <gtest/gtest.h>

#include "client_harness.hpp"
#include "support/test_certificates.hpp"

namespace prooftrack::proof {
namespace {

using namespace testing_support;
using namespace std::chrono_literals;

/// The outcome of one session call against a server with this script.
op_result<proof_reply> outcome_of(const scripted_http_server::script& script, milliseconds timeout = 20s) {
    scripted_http_server server(script);
    proof_client_options options = client_harness::options_for(server);
    options.request_timeout = timeout;
    client_harness harness(options);
    return harness.call(session_call());
}

op_result<proof_reply> outcome_of_bytes(const std::string& bytes) {
    return outcome_of([&](scripted_connection& connection) {
        connection.read_request();
        connection.send(bytes);
        connection.wait_for_close();
    });
}

TEST(ProofCalls, SendThePostAsItCameAndReturnTheReplyByteForByte) {
    request_log log;
    const std::string body = "{ \"init_token\":\"t\\u00e9\", \"b\":1.10,\"a\": 00000000000000000000001 "
                             ",\"\xc3\xa9\":\"\xf0\x9f\x98\x80\"}\n";
    scripted_http_server server([&](scripted_connection& connection) {
        log.add(connection.read_request());
        connection.send(
            http_reply(201, body, "Content-Type: application/json; charset=utf-8\r\nX-Request-Id: req-7\r\n"));
        connection.wait_for_close();
    });
    client_harness harness(client_harness::options_for(server));
    const std::string sent = "{\"amount\" : \"10\" , \"extra\":[1,2,{}]}";
    const auto outcome = harness.call(session_call(sent));
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->status, 201);
    EXPECT_EQ(outcome->body, body);
    EXPECT_EQ(outcome->content_type, "application/json; charset=utf-8");
    EXPECT_EQ(outcome->request_id, "req-7");
    EXPECT_EQ(outcome->error_code, "");
    const std::string host = "127.0.0.1:" + std::to_string(server.port());
    EXPECT_EQ(
        log.all().at(0), "POST /widget/session HTTP/1.1\r\nHost: " + host +
                             "\r\nUser-Agent: prooftrackd\r\nAccept: application/json\r\nAccept-Encoding: identity\r\n"
                             "Authorization: Bearer token-1\r\nConnection: close\r\nContent-Type: application/json\r\n"
                             "Content-Length: " +
                             std::to_string(sent.size()) + "\r\n\r\n" + sent);
}

TEST(ProofCalls, GetWithoutABody) {
    request_log log;
    scripted_http_server server([&](scripted_connection& connection) {
        log.add(connection.read_request());
        connection.send(http_reply(200, R"({"partner_user_id":"u-1","status":"verified"})"));
    });
    client_harness harness(client_harness::options_for(server));
    const auto outcome = harness.call({proof_call::method_kind::get, "/widget/users/u%2F1/kyc-status", ""});
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->body, R"({"partner_user_id":"u-1","status":"verified"})");
    EXPECT_EQ(log.all().at(0).substr(0, 45), "GET /widget/users/u%2F1/kyc-status HTTP/1.1\r\n");
    EXPECT_EQ(log.all().at(0).find("Content-"), std::string::npos);
}

TEST(ProofCalls, PassErrorsOfBothGenerationsOn) {
    const auto current = outcome_of_bytes(
        http_reply(502, R"({"error":"upstream_error","code":"upstream_unavailable","message":"try later"})"));
    ASSERT_TRUE(current);
    EXPECT_EQ(current->status, 502);
    EXPECT_EQ(current->error_code, "upstream_unavailable");
    EXPECT_EQ(current->message, "try later");
    EXPECT_TRUE(current->is_own_error);
    const auto first =
        outcome_of_bytes(http_reply(422, R"({"error":"kyc_required","message":"m","request_id":"req-3"})"));
    ASSERT_TRUE(first);
    EXPECT_EQ(first->error_code, "kyc_required");
    EXPECT_EQ(first->request_id, "req-3");
    EXPECT_TRUE(first->is_own_error);
    const auto page = outcome_of_bytes(http_reply(503, "<html>", "Content-Type: text/html\r\nRetry-After: 7\r\n"));
    ASSERT_TRUE(page);
    EXPECT_EQ(page->error_code, "");
    EXPECT_EQ(page->content_type, "text/html");
    EXPECT_EQ(page->retry_after, 7s);
    EXPECT_FALSE(page->is_own_error);
    const auto long_pause = outcome_of_bytes(http_reply(429, "", "Retry-After: 1800\r\n"));
    EXPECT_EQ(long_pause->retry_after, 30min) << "it is passed on as it came: nothing waits for it here";
}

TEST(ProofCalls, DistinguishAGatewaysJsonFromProofs) {
    for (const char* body :
         {R"({"message":"Forbidden"})", R"({"error":"Not Found","status":404,"path":"/"})", R"({"error":{"code":403}})",
          R"({"error":"timeout"})", R"({"error":"Forbidden"})", R"({"error":""})", R"(["error"])",
          R"({"error":"x","message":"x"} y)", R"({"timestamp":1,"status":403,"error":"Forbidden","path":"/"})"}) {
        const auto outcome = outcome_of_bytes(http_reply(403, body));
        ASSERT_TRUE(outcome) << body;
        EXPECT_FALSE(outcome->is_own_error) << body;
    }
    EXPECT_FALSE(outcome_of_bytes(http_reply(307, R"({"error":"moved"})"))->is_own_error);
    const auto odd_code = outcome_of_bytes(http_reply(400, R"({"error":"invalid_request","code":"not a word"})"));
    EXPECT_TRUE(odd_code->is_own_error);
    EXPECT_EQ(odd_code->error_code, "invalid_request");
}

TEST(ProofCalls, AreNeverRepeatedAfterTheirFirstByte) {
    std::atomic<int> requests = 0;
    scripted_http_server server([&](scripted_connection& connection) {
        connection.read_request();
        ++requests;
    });
    client_harness harness(client_harness::options_for(server));
    const auto outcome = harness.call(session_call());
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, make_error_code(proof_error::interrupted));
    harness.run_for(50ms);
    EXPECT_EQ(requests, 1);
    EXPECT_EQ(server.connections(), 1U);
}

TEST(ProofCalls, SayHowTheyFailed) {
    const auto truncated = outcome_of([](scripted_connection& connection) {
        connection.read_request();
        connection.send("HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\n{");
    });
    EXPECT_EQ(truncated.error().code, make_error_code(proof_error::interrupted));
    const auto silent = outcome_of([](scripted_connection& connection) { connection.wait_for_close(); }, 80ms);
    ASSERT_FALSE(silent);
    EXPECT_TRUE(silent.error().code == make_error_code(proof_error::timed_out)) << silent.error().message();
    for (const std::string& bytes :
         {std::string("garbage"), http_reply(201, "x", "Content-Encoding: gzip\r\n"),
          std::string("HTTP/1.1 201 X\r\nContent-Length: 1048577\r\n\r\n"),
          std::string("HTTP/1.1 101 Switching\r\n\r\n")}) {
        const auto outcome = outcome_of_bytes(bytes);
        ASSERT_FALSE(outcome) << bytes;
        EXPECT_EQ(outcome.error().code, make_error_code(proof_error::unusable_reply)) << bytes;
    }
}

TEST(ProofCalls, SayWhenNothingReachedProof) {
    unsigned short port = 0;
    {
        port = scripted_http_server([](scripted_connection&) {}).port();
    }
    proof_client_options options;
    options.base_url = "http://127.0.0.1:" + std::to_string(port);
    client_harness harness(options);
    const auto outcome = harness.call(session_call());
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, make_error_code(proof_error::unreachable));
    EXPECT_EQ(outcome.error().message(), "call Proof: Proof cannot be reached (connect: Connection refused)");
}

TEST(ProofCalls, HoldTheReplyToOneMebibyte) {
    const std::string most(1024 * 1024, 'x');
    const auto outcome = outcome_of_bytes(http_reply(200, most));
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->body.size(), most.size());
    EXPECT_FALSE(outcome_of_bytes("HTTP/1.1 200 X\r\n\r\n" + most + "x"));
}

TEST(ProofCalls, DoNotFollowRedirects) {
    scripted_http_server elsewhere([](scripted_connection& connection) { connection.read_some(); });
    const auto outcome =
        outcome_of_bytes(http_reply(307, "", "Location: " + elsewhere.base_url() + "/widget/session\r\n"));
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->status, 307);
    EXPECT_EQ(elsewhere.connections(), 0U);
}

TEST(ProofCalls, DoNotWaitForPolls) {
    std::atomic<bool> go_on = false;
    scripted_http_server server([&](scripted_connection& connection) {
        while (true) {
            const std::string request = connection.read_request();
            if (request.starts_with("POST")) return connection.send(http_reply(201, "{}"));
            while (!go_on) std::this_thread::sleep_for(1ms);
            connection.send(good_reply(request));
        }
    });
    proof_client_options options = client_harness::options_for(server);
    options.connections = 1;
    client_harness harness(options);
    harness.poll({"tx-1", "tx-2"});
    harness.run_until([&] { return harness.observer.busy == 1; });
    EXPECT_TRUE(harness.call(session_call()));
    EXPECT_TRUE(harness.source.answers.empty());
    go_on = true;
    harness.run_until_answers(2);
}

TEST(ProofCalls, RefuseATargetThatCouldSplitTheRequest) {
    scripted_http_server server(serve_well);
    client_harness harness(client_harness::options_for(server));
    for (const std::string target : {"", "widget", "/a b", "/a\r\nX: y", "/\x80"}) {
        EXPECT_THROW(
            harness.client->call({proof_call::method_kind::get, target, ""}, [](op_result<proof_reply>) {}),
            std::invalid_argument);
    }
}

/// Makes `count` calls at once whose replies echo the request; returns how many got their own.
std::size_t count_good_calls(client_harness& harness, std::size_t count) {
    std::size_t good = 0;
    std::size_t ended = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string body = "{\"n\":" + std::to_string(i) + "}";
        harness.client->call(session_call(body), [&, body](op_result<proof_reply> outcome) {
            ++ended;
            if (outcome && outcome->body == body) ++good;
        });
    }
    harness.run_until([&] { return ended == count; }, std::chrono::seconds(60));
    return good;
}

void echo_once(scripted_connection& connection) {
    const std::string request = connection.read_request();
    connection.send(http_reply(201, request.substr(request.find("\r\n\r\n") + 4)));
    connection.wait_for_close();
}

TEST(ProofCalls, ManyAtOnceAllEnd) {
    scripted_http_server server(echo_once);
    proof_client_options options = client_harness::options_for(server);
    options.connect_timeout = 60s;
    options.request_timeout = 60s;
    client_harness harness(options);
    constexpr std::size_t count = 300; // more than have a connection at once
    EXPECT_EQ(count_good_calls(harness, count), count);
}

TEST(ProofCalls, ResumeTheTlsSessionOfTheCallsBefore) {
    const test_authority authority;
    scripted_http_server server(authority.server_context(), echo_once);
    client_harness harness(client_harness::options_for(server, net::trust_roots(authority.ca_pem(), "ca.pem")));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(count_good_calls(harness, 1), 1U);
    EXPECT_EQ(harness.observer.full_handshakes, 1U);
    EXPECT_EQ(harness.observer.resumed_handshakes, 2U);
}

TEST(ProofCalls, EndWithTheClient) {
    std::atomic<bool> asked = false;
    scripted_http_server server([&](scripted_connection& connection) {
        connection.read_request();
        asked = true;
        connection.wait_for_close();
    });
    client_harness harness(client_harness::options_for(server));
    std::optional<op_result<proof_reply>> outcome;
    harness.client->call(session_call(), [&](op_result<proof_reply> got) { outcome.emplace(std::move(got)); });
    harness.run_until([&] { return asked.load(); });
    harness.stop(50ms);
    ASSERT_TRUE(outcome.has_value());
    EXPECT_EQ(outcome->error().code, make_error_code(proof_error::interrupted)) << "its bytes were sent";
    EXPECT_TRUE(may_have_reached_proof(outcome->error()));
    const auto late = harness.call(session_call());
    EXPECT_EQ(late.error().code, make_error_code(proof_error::stopped));
    EXPECT_FALSE(may_have_reached_proof(late.error()));
}

TEST(ProofCalls, ThatAreGivenUpBeforeTheirFirstByteNeverReachedProof) {
    const test_authority authority;
    std::atomic<bool> connected = false;
    scripted_http_server server([&](scripted_connection& connection) { // TCP alone: the handshake is never answered
        connected = true;
        connection.wait_for_close();
    });
    proof_client_options options = client_harness::options_for(server, net::trust_roots(authority.ca_pem(), "ca.pem"));
    options.base_url = "https://127.0.0.1:" + std::to_string(server.port());
    client_harness harness(options);
    std::optional<op_result<proof_reply>> outcome;
    harness.client->call(session_call(), [&](op_result<proof_reply> got) { outcome.emplace(std::move(got)); });
    harness.run_until([&] { return connected.load(); });
    harness.stop(50ms);
    ASSERT_TRUE(outcome.has_value());
    EXPECT_EQ(outcome->error().code, make_error_code(proof_error::stopped));
}

TEST(ProofCalls, OnlyWhatNeverLeftCannotHaveReachedProof) {
    for (const proof_error error : {proof_error::timed_out, proof_error::interrupted, proof_error::unusable_reply}) {
        EXPECT_TRUE(may_have_reached_proof({make_error_code(error), "", ""})) << make_error_code(error).message();
    }
    EXPECT_FALSE(may_have_reached_proof({make_error_code(proof_error::unreachable), "", ""}));
    EXPECT_TRUE(may_have_reached_proof({make_error_code(boost::system::errc::io_error), "", ""}));
}

TEST(ProofCalls, EachErrorHasItsWords) {
    for (const proof_error error :
         {proof_error::unreachable, proof_error::timed_out, proof_error::interrupted, proof_error::unusable_reply,
          proof_error::stopped}) {
        EXPECT_NE(make_error_code(error).message(), "unknown error");
    }
    EXPECT_STREQ(proof_category().name(), "proof");
}

} // namespace
} // namespace prooftrack::proof
