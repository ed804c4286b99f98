// The client's polls against plain scripted servers: every way in which a reply can come, or not.

#include <atomic>
#include <set>

#include <gtest/gtest.h>

#include "client_harness.hpp"

namespace prooftrack::proof {
namespace {

using namespace testing_support;
using namespace std::chrono_literals;

/// One poll against a server that runs `script` for each connection.
track::poll_answer answer_of(
    const scripted_http_server::script& script, const std::function<void(proof_client_options&)>& change = {}) {
    scripted_http_server server(script);
    proof_client_options options = client_harness::options_for(server);
    if (change) change(options);
    client_harness harness(std::move(options));
    harness.poll_and_wait({"tx-1"});
    return harness.source.answer_to("tx-1");
}

track::poll_answer answer_to_bytes(const std::string& bytes) {
    return answer_of([&](scripted_connection& connection) {
        connection.read_request();
        connection.send(bytes);
    });
}

TEST(ProofPolls, SendWhatProofsApiDemands) {
    request_log log;
    scripted_http_server server([&](scripted_connection& connection) {
        while (true) connection.send(good_reply(log.add(connection.read_request())));
    });
    proof_client_options options = client_harness::options_for(server);
    options.base_url += "/base/";
    client_harness harness(options);
    harness.poll_and_wait({"550e8400-e29b.x_~"});
    const std::string host = "127.0.0.1:" + std::to_string(server.port());
    EXPECT_EQ(
        log.all().at(0), "GET /base/widget/transactions/550e8400-e29b.x_~ HTTP/1.1\r\nHost: " + host +
                             "\r\nUser-Agent: prooftrackd\r\nAccept: application/json\r\nAccept-Encoding: identity\r\n"
                             "Authorization: Bearer token-1\r\n\r\n");
    const track::poll_answer& answer = harness.source.answers.at(0).answer;
    EXPECT_EQ(answer.what, track::reply_class::good);
    EXPECT_EQ(answer.status, "pending");
    EXPECT_GT(answer.took.count(), 0);
}

TEST(ProofPolls, KeepTheConnectionAndKnowAnUnchangedReply) {
    scripted_http_server server(serve_well);
    client_harness harness(client_harness::options_for(server));
    for (int i = 0; i < 20; ++i) {
        harness.poll_and_wait({"tx-1"});
        harness.source.known["tx-1"] = harness.source.answers.back().answer.body_hash;
    }
    EXPECT_EQ(harness.source.answers.front().answer.what, track::reply_class::good);
    for (std::size_t i = 1; i < 20; ++i)
        EXPECT_EQ(harness.source.answers[i].answer.what, track::reply_class::unchanged);
    EXPECT_EQ(server.connections(), 1U);
}

TEST(ProofPolls, OpenConnectionsOnlyAsNeeded) {
    scripted_http_server server(serve_well);
    client_harness harness(client_harness::options_for(server));
    harness.poll_and_wait({"tx-1", "tx-2", "tx-3"});
    harness.run_for(50ms);
    EXPECT_LE(server.connections(), 3U);
}

TEST(ProofPolls, NeverOpenMoreThanTheLimit) {
    std::atomic<int> open = 0;
    std::atomic<int> most = 0;
    scripted_http_server server([&](scripted_connection& connection) {
        const int now = ++open;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        try {
            serve_well(connection);
        } catch (const scripted_connection::peer_gone&) {
        }
        --open;
    });
    proof_client_options options = client_harness::options_for(server);
    options.connections = 4;
    client_harness harness(options);
    std::vector<std::string> ids;
    for (int i = 0; i < 500; ++i) ids.push_back("tx-" + std::to_string(i));
    harness.poll_and_wait(ids);
    EXPECT_EQ(most, 4);
    std::set<std::string> answered;
    for (const auto& each : harness.source.answers) {
        EXPECT_EQ(each.answer.what, track::reply_class::good);
        answered.insert(each.ticket.id);
    }
    EXPECT_EQ(answered.size(), 500U);
}

TEST(ProofPolls, OneRequestIsInFlightOnAConnection) {
    std::atomic<int> early = 0;
    scripted_http_server server([&](scripted_connection& connection) {
        while (true) {
            const std::string request = connection.read_some();
            if (request.find("\r\n\r\n") + 4 != request.size()) ++early;
            connection.send(good_reply(request));
        }
    });
    proof_client_options options = client_harness::options_for(server);
    options.connections = 1;
    client_harness harness(options);
    harness.poll_and_wait({"a", "b", "c", "d", "e", "f"});
    EXPECT_EQ(early, 0);
}

TEST(ProofPolls, UseTheTokenOfTheMoment) {
    request_log log;
    scripted_http_server server([&](scripted_connection& connection) {
        while (true) connection.send(good_reply(log.add(connection.read_request())));
    });
    client_harness harness(client_harness::options_for(server));
    harness.poll_and_wait({"tx-1"});
    harness.set_token("token-2");
    harness.poll_and_wait({"tx-2"});
    EXPECT_NE(log.all().at(0).find("Bearer token-1\r\n"), std::string::npos);
    EXPECT_NE(log.all().at(1).find("Bearer token-2\r\n"), std::string::npos);
    EXPECT_EQ(log.all().at(1).find("token-1"), std::string::npos);
    EXPECT_EQ(server.connections(), 1U);
}

TEST(ProofPolls, RefuseATokenThatCouldSplitAHeader) {
    scripted_http_server server(serve_well);
    client_harness harness(client_harness::options_for(server));
    for (const std::string token : {"", "a\r\nX: y", "a b", "a\x80", "a\n"}) {
        EXPECT_THROW(harness.set_token(token), boost::system::system_error);
    }
}

TEST(ProofPolls, RefuseABaseUrlThatCouldLeakTheToken) {
    for (const std::string url :
         {"", "proof.example", "http://proof.example", "ftp://localhost", "https://u:p@proof.example",
          "https://proof.example/?a=b", "https://proof.example/#f", "http+unix:///run/x.sock"}) {
        proof_client_options options;
        options.base_url = url;
        EXPECT_THROW(prepare_proof_setup(options, secret("token-1")), boost::system::system_error) << url;
    }
    proof_client_options options;
    options.base_url = "https://proof.example";
    options.trust = net::trust_roots("no certificate\n", "/ca.pem");
    EXPECT_THROW(prepare_proof_setup(options, secret("token-1")), boost::system::system_error);
}

TEST(ProofPolls, ClassifyRepliesThatCannotBeUsed) {
    const std::string json = "Content-Type: application/json\r\n";
    const std::vector<std::pair<std::string, std::string>> cases{
        {http_reply(200, "<html>", "Content-Type: text/html\r\n"),
         "200 but the content type is \"text/html\", not application/json"},
        {"HTTP/1.1 204 No Content\r\n\r\n", "204 is not an answer about a transaction"},
        {"HTTP/1.1 304 Not Modified\r\n\r\n", "304 is a redirect, which is not followed"},
        {http_reply(200, transaction_body("tx-1"), json + "Content-Encoding: gzip\r\n"),
         "200 but the body has the content encoding \"gzip\""},
        {http_reply(200, transaction_body("tx-2")), "200 but the reply is about another transaction"},
        {"garbage\r\n\r\n", "reply: not an HTTP/1.1 reply"},
        {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "reply: malformed header"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "reply: contradicting lengths"},
        {"HTTP/1.1 200 OK\r\n" + json + "Content-Length: 65537\r\n\r\n", "reply: body too large"},
        {"HTTP/1.1 200 OK\r\nX: " + std::string(17 * 1024, 'x') + "\r\n\r\n", "reply: header too large"},
        {"HTTP/1.1 200 OK\r\n" + json + "Content-Length: 500\r\n\r\n{", "reply: truncated"},
        {"HTTP/1.1 200 OK\r\n" + json + "Transfer-Encoding: chunked\r\n\r\n5\r\n{", "reply: truncated"},
        {"HTTP/1.1 2", "reply: truncated"},
    };
    for (const auto& [bytes, error] : cases) {
        const track::poll_answer answer = answer_to_bytes(bytes);
        EXPECT_EQ(to_string(answer.what), "unusable") << error;
        EXPECT_EQ(answer.error, error);
    }
}

TEST(ProofPolls, ReadChunksInterimRepliesAndOldHttp) {
    const std::string body = transaction_body("tx-1", "completed");
    const std::string json = "Content-Type: application/json; charset=utf-8\r\n";
    std::string chunked = "HTTP/1.1 200 OK\r\n" + json + "Transfer-Encoding: chunked\r\n\r\n";
    for (const char byte : body) chunked += std::string("1\r\n") + byte + "\r\n";
    chunked += "0\r\n\r\n";
    for (const std::string& bytes :
         {chunked, "HTTP/1.1 100 Continue\r\n\r\n" + http_reply(200, body),
          "HTTP/1.1 200 OK\r\n" + json + "\r\n" + body, "HTTP/1.0 200 OK\r\n" + json + "\r\n" + body}) {
        const track::poll_answer answer = answer_to_bytes(bytes);
        EXPECT_EQ(to_string(answer.what), "good") << bytes << answer.error;
        EXPECT_EQ(answer.status, "completed");
    }
}

TEST(ProofPolls, HoldAnEndlessBodyToTheBound) {
    std::atomic<bool> gone = false;
    const track::poll_answer answer = answer_of([&](scripted_connection& connection) {
        connection.read_request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
        try {
            for (int i = 0; i < 100000; ++i) connection.send(std::string(1000, ' '));
        } catch (const scripted_connection::peer_gone&) {
            gone = true;
        }
    });
    EXPECT_EQ(answer.error, "reply: body too large");
    EXPECT_EQ(answer.body, "");
}

TEST(ProofPolls, AHardDeadlineEndsSilenceAndSlowDrip) {
    const auto hurry = [](proof_client_options& options) { options.request_timeout = 100ms; };
    const track::poll_answer silent =
        answer_of([](scripted_connection& connection) { connection.wait_for_close(); }, hurry);
    EXPECT_EQ(silent.what, track::reply_class::no_reply);
    EXPECT_EQ(silent.error, "reply: timed out after 100ms");
    EXPECT_GE(silent.took, 100ms);
    const track::poll_answer dripping = answer_of(
        [](scripted_connection& connection) {
            connection.read_request();
            for (const char byte : http_reply(200, transaction_body("tx-1"))) {
                connection.send(std::string(1, byte));
                std::this_thread::sleep_for(5ms); // a slow peer, not a wait for something
            }
        },
        hurry);
    EXPECT_EQ(dripping.what, track::reply_class::no_reply);
    EXPECT_EQ(dripping.error, "reply: timed out after 100ms");
    EXPECT_LT(dripping.took, 10s);
}

TEST(ProofPolls, ARefusedConnectionAnswersWithItsError) {
    unsigned short port = 0;
    {
        port = scripted_http_server([](scripted_connection&) {}).port();
    }
    proof_client_options options;
    options.base_url = "http://127.0.0.1:" + std::to_string(port);
    client_harness harness(options);
    harness.poll_and_wait({"tx-1", "tx-2", "tx-3"});
    for (const auto& each : harness.source.answers) {
        EXPECT_EQ(each.answer.what, track::reply_class::no_reply);
        EXPECT_EQ(each.answer.error, "connect: Connection refused");
        EXPECT_EQ(each.answer.http_status, 0);
    }
    const std::size_t pulls = harness.source.pulls;
    harness.run_for(100ms);
    EXPECT_EQ(harness.source.pulls, pulls) << "nothing is tried while nothing is due";
}

TEST(ProofPolls, ADeadServerIsNotTriedInATightLoop) {
    unsigned short port = 0;
    {
        port = scripted_http_server([](scripted_connection&) {}).port();
    }
    proof_client_options options;
    options.base_url = "http://127.0.0.1:" + std::to_string(port);
    client_harness harness(options);
    for (int i = 0; i < 10000; ++i) harness.source.due.push_back("tx-" + std::to_string(i));
    harness.client->wake(client_harness::at_once);
    harness.run_for(300ms);
    EXPECT_LE(harness.source.answers.size(), 20U);
    harness.run_until_answers(3); // the breaker must hear of it
}

TEST(ProofPolls, ANameThatDoesNotExistSaysDns) {
    proof_client_options options;
    options.base_url = "https://does-not-exist.invalid";
    client_harness harness(options);
    harness.poll_and_wait({"tx-1"});
    const track::poll_answer& answer = harness.source.answer_to("tx-1");
    EXPECT_EQ(answer.what, track::reply_class::no_reply);
    EXPECT_EQ(answer.error.substr(0, 5), "dns: ") << answer.error;
}

TEST(ProofPolls, RedirectsAreNotFollowedAndTheTokenStaysHere) {
    scripted_http_server elsewhere([](scripted_connection& connection) { connection.read_some(); });
    const std::string to = elsewhere.base_url();
    for (const int status : {301, 302, 303, 307, 308}) {
        const track::poll_answer answer = answer_of([&](scripted_connection& connection) {
            const std::string request = connection.read_request();
            connection.send(http_reply(status, "", "Location: " + to + "/widget/transactions/tx-1\r\n"));
            connection.wait_for_close();
        });
        EXPECT_EQ(answer.what, track::reply_class::unusable);
    }
    EXPECT_EQ(elsewhere.connections(), 0U);
}

TEST(ProofPolls, AReloadMovesToTheNewServerWithoutTellingTheOldOne) {
    request_log old_log;
    request_log new_log;
    scripted_http_server old_server([&](scripted_connection& connection) {
        while (true) connection.send(good_reply(old_log.add(connection.read_request())));
    });
    scripted_http_server new_server([&](scripted_connection& connection) {
        while (true) connection.send(good_reply(new_log.add(connection.read_request())));
    });
    client_harness harness(client_harness::options_for(old_server));
    harness.poll_and_wait({"tx-1"});
    harness.reconfigure(client_harness::options_for(new_server), "token-2");
    harness.poll_and_wait({"tx-2"});
    EXPECT_EQ(old_log.size(), 1U);
    EXPECT_EQ(new_log.size(), 1U);
    EXPECT_EQ(harness.source.answer_to("tx-2").what, track::reply_class::good);
    proof_client_options broken = client_harness::options_for(new_server);
    broken.base_url = "http://proof.example";
    EXPECT_THROW(harness.reconfigure(broken), boost::system::system_error);
    harness.poll_and_wait({"tx-3"});
    EXPECT_EQ(new_log.size(), 2U) << "a refused reload changes nothing";
}

TEST(ProofPolls, AReloadChangesLimitsFromTheNextRequestOn) {
    scripted_http_server server([](scripted_connection& connection) {
        connection.send(good_reply(connection.read_request()));
        connection.wait_for_close();
    });
    client_harness harness(client_harness::options_for(server));
    harness.poll_and_wait({"tx-1"});
    proof_client_options options = client_harness::options_for(server);
    options.request_timeout = 50ms;
    options.max_reply_bytes = 1024;
    harness.reconfigure(options);
    harness.poll_and_wait({"tx-2"});
    EXPECT_EQ(harness.source.answer_to("tx-2").error, "reply: timed out after 50ms");
    EXPECT_EQ(server.connections(), 1U);
}

TEST(ProofPolls, ManyAtOnceAllGetTheirOwnAnswer) {
    scripted_http_server server(serve_well);
    proof_client_options options = client_harness::options_for(server);
    options.connections = 64;
    client_harness harness(options);
    std::vector<std::string> ids;
    for (int i = 0; i < 3000; ++i) ids.push_back("tx-" + std::to_string(i));
    harness.poll_and_wait(ids);
    for (const auto& each : harness.source.answers) {
        ASSERT_EQ(each.answer.what, track::reply_class::good);
        ASSERT_EQ(each.answer.body, transaction_body(each.ticket.id));
    }
    EXPECT_LE(server.connections(), 64U);
}

} // namespace
} // namespace prooftrack::proof
