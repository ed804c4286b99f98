#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <boost/system/system_error.hpp>
#include <gmock/gmock.h>

#include "callback/error.hpp"
#include "notifier_fixture.hpp"

namespace prooftrack::callback {
namespace {

using namespace testing_support;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using verdict = delivery_outcome::verdict;

TEST_F(Notifier, SendsTheFrozenBytesSignedAsThePublishedVectorSays) {
    scripted_http_server server(always_ok());
    configure({webhook(server.base_url() + "/hooks/proof?x=1")}, {});
    const auto outcome = deliver(job());
    EXPECT_EQ(outcome.what, verdict::delivered);
    EXPECT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.status, 200);
    EXPECT_EQ(outcome.reply, "ok");
    EXPECT_GT(outcome.took, steady_duration::zero());
    const std::string request = requests_.all().at(0);
    EXPECT_THAT(request, testing::StartsWith("POST /hooks/proof?x=1 HTTP/1.1\r\n"));
    EXPECT_EQ(header_of(request, "Host"), "127.0.0.1:" + std::to_string(server.port()));
    EXPECT_EQ(header_of(request, "Content-Type"), "application/json");
    EXPECT_THAT(header_of(request, "User-Agent"), testing::MatchesRegex("prooftrackd/[0-9.]+"));
    EXPECT_EQ(header_of(request, "webhook-id"), "msg_p5jXN8AQM9LWM0D4loKWxJek");
    EXPECT_EQ(header_of(request, "webhook-timestamp"), "1614265330");
    EXPECT_EQ(header_of(request, "webhook-sequence"), "0");
    EXPECT_THAT(request, testing::Not(testing::HasSubstr("traceparent")));
    EXPECT_EQ(header_of(request, "webhook-signature"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    EXPECT_THAT(request, testing::EndsWith("\r\n\r\n{\"test\": 2432232314}"));
}

TEST_F(Notifier, SendsTheEventsSequenceAndTrace) {
    scripted_http_server server(always_ok());
    configure({webhook(server.base_url())}, {});
    delivery_job traced = job();
    traced.sequence = 1'775'037'825'120;
    traced.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-831d8dadf3a86e70-01";
    deliver(traced);
    const std::string request = requests_.all().at(0);
    EXPECT_EQ(header_of(request, "webhook-sequence"), "1775037825120");
    EXPECT_EQ(header_of(request, "traceparent"), traced.traceparent);
}

TEST_F(Notifier, ATraceparentOfTheHeadersFileTakesThePlaceOfOurs) {
    scripted_http_server server(always_ok());
    callback_target target = webhook(server.base_url());
    target.headers = {{"Traceparent", secret("theirs")}};
    configure({target}, {});
    delivery_job traced = job();
    traced.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-831d8dadf3a86e70-01";
    deliver(traced);
    const std::string request = requests_.all().at(0);
    EXPECT_EQ(header_of(request, "Traceparent"), "theirs");
    EXPECT_THAT(request, testing::Not(testing::HasSubstr("831d8dadf3a86e70")));
}

TEST_F(Notifier, EachAttemptSignsTheSameBytesAnew) {
    scripted_http_server server(always_ok());
    configure({webhook(server.base_url())}, {});
    deliver(job());
    delivery_job later = job();
    later.now += seconds(60);
    deliver(later);
    const auto all = requests_.all();
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(header_of(all[1], "webhook-id"), header_of(all[0], "webhook-id"));
    EXPECT_NE(header_of(all[1], "webhook-signature"), header_of(all[0], "webhook-signature"));
    const std::vector<secret> keys{key()};
    EXPECT_TRUE(verify_webhook(keys, later.event_id, 1614265390, *later.body, header_of(all[1], "webhook-signature")));
}

TEST_F(Notifier, ReusesAConnection) {
    scripted_http_server server(always_ok());
    configure({webhook(server.base_url())}, {});
    for (int i = 0; i < 5; ++i) EXPECT_EQ(deliver(job()).what, verdict::delivered);
    EXPECT_EQ(server.connections(), 1U);
}

TEST_F(Notifier, AReusedConnectionThatClosesBeforeAReplyIsTriedOnceMore) {
    scripted_http_server server([this](scripted_connection& connection) {
        requests_.add(connection.read_request());
        connection.send(ok_reply);
        if (connection.index == 0) requests_.add(connection.read_request()); // and closes without a word
    });
    configure({webhook(server.base_url())}, {});
    EXPECT_EQ(deliver(job()).what, verdict::delivered);
    EXPECT_EQ(deliver(job()).what, verdict::delivered);
    EXPECT_EQ(server.connections(), 2U);
    EXPECT_EQ(requests_.all().size(), 3U);
}

TEST_F(Notifier, AFreshConnectionThatClosesIsNotTriedAgain) {
    const auto outcome = answered_with("");
    EXPECT_EQ(outcome.what, verdict::failed);
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.error, "read reply: the connection was closed before a reply");
}

TEST_F(Notifier, EveryKindOfReplyHasItsVerdict) {
    EXPECT_EQ(answered_with("HTTP/1.1 204 No Content\r\n\r\n").what, verdict::delivered);
    EXPECT_EQ(answered_with("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n").what, verdict::gone);
    const auto busy = answered_with("HTTP/1.1 503 Busy\r\nRetry-After: 90\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(busy.what, verdict::failed);
    EXPECT_EQ(busy.status, 503);
    EXPECT_EQ(busy.retry_after, seconds(90));
    const auto broken = answered_with("HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nwhy?");
    EXPECT_EQ(broken.error, "HTTP 500");
    EXPECT_EQ(broken.reply, "why?");
    EXPECT_EQ(answered_with("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut").what, verdict::delivered)
        << "the status came whole";
    for (const char* bytes : {"HTTP/1.1 200", "garbage\r\n\r\n"}) {
        const auto outcome = answered_with(bytes);
        EXPECT_EQ(outcome.what, verdict::failed) << bytes;
        EXPECT_EQ(outcome.status, 0);
        EXPECT_THAT(outcome.error, HasSubstr("read reply")) << bytes;
    }
}

TEST_F(Notifier, ARedirectIsNotFollowed) {
    scripted_http_server elsewhere(always_ok());
    const auto outcome =
        answered_with("HTTP/1.1 302 Found\r\nLocation: " + elsewhere.base_url() + "/\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(outcome.what, verdict::failed);
    EXPECT_EQ(outcome.error, "HTTP 302 (redirects are not followed)");
    EXPECT_EQ(elsewhere.connections(), 0U);
}

TEST_F(Notifier, AHugeReplyIsCutAndItsStatusCounts) {
    const auto failed = answered_with("HTTP/1.1 500 Oops\r\n\r\n" + std::string(5'000'000, 'x'));
    EXPECT_EQ(failed.error, "HTTP 500");
    EXPECT_LE(failed.reply.size(), 1024U);
    EXPECT_EQ(answered_with("HTTP/1.1 200 OK\r\n\r\n" + std::string(5'000'000, 'x')).what, verdict::delivered);
    const auto header = answered_with("HTTP/1.1 503 Busy\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n");
    EXPECT_EQ(header.error, "HTTP 503");
    const auto line = answered_with("HTTP/1.1 200 " + std::string(100'000, 'x') + "\r\n\r\n");
    EXPECT_EQ(line.what, verdict::failed);
    EXPECT_THAT(line.error, HasSubstr("header is too large"));
}

TEST_F(Notifier, TheTimeoutIsHardInEveryPhase) {
    const auto silent = [](scripted_connection& connection) { connection.wait_for_close(); };
    const auto drip = [](scripted_connection& connection) {
        connection.read_request();
        connection.send("HTTP/1.1 200 OK"); // whose end never comes
        while (true) {
            connection.send("x");
            std::this_thread::sleep_for(milliseconds(2)); // the drip itself, not a wait for something
        }
    };
    for (const scripted_http_server::script& script :
         {scripted_http_server::script(silent), scripted_http_server::script(drip)}) {
        scripted_http_server server(script);
        auto target = webhook(server.base_url() + "/?token=hunter2", milliseconds(80));
        for (const std::string& url : {server.base_url(), "https://127.0.0.1:" + std::to_string(server.port())}) {
            target.url = url + "/?token=hunter2";
            configure({target}, {});
            const auto begun = std::chrono::steady_clock::now();
            const auto outcome = deliver(job());
            EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(10));
            EXPECT_EQ(outcome.what, verdict::failed);
            EXPECT_THAT(outcome.error, AllOf(HasSubstr("timed out"), Not(HasSubstr("hunter2")))) << url;
        }
    }
}

TEST_F(Notifier, ASchemeInCapitalsIsHttpsAllTheSame) {
    scripted_http_server server([](scripted_connection& connection) { connection.send("220 not TLS\r\n"); });
    configure({webhook("HTTPS://127.0.0.1:" + std::to_string(server.port()) + "/")}, {});
    const auto outcome = deliver(job());
    EXPECT_EQ(outcome.what, verdict::failed);
    EXPECT_THAT(outcome.error, HasSubstr("TLS")) << "the system's authorities, as for https in small letters";
}

TEST_F(Notifier, NoErrorHoldsTheQuery) {
    for (const char* bytes : {"", "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "x\r\n\r\n"})
        EXPECT_THAT(answered_with(bytes).error, Not(HasSubstr("hunter2")));
    callback_url_rules rules;
    rules.allow_hosts = {"shop.example"};
    rules.secrets = {key()};
    configure({}, rules);
    delivery_job own = job("callback_url");
    for (const char* url :
         {"https://evil.example/?token=hunter2", "https://a b/?token=hunter2", "ftp://shop.example/?token=hunter2"}) {
        own.url = url;
        const auto outcome = deliver(own);
        EXPECT_EQ(outcome.what, verdict::failed);
        EXPECT_THAT(outcome.error, AllOf(HasSubstr("callback_url: "), Not(HasSubstr("hunter2"))));
    }
}

TEST_F(Notifier, ARefusedConnectionNamesTheAddress) {
    std::string url;
    {
        scripted_http_server closed(always_ok());
        url = closed.base_url();
    }
    configure({webhook(url)}, {});
    EXPECT_THAT(deliver(job()).error, AllOf(HasSubstr("connect 127.0.0.1:"), HasSubstr("Connection refused")));
}

TEST_F(Notifier, VerifiesTheReceiversCertificate) {
    scripted_http_server server(authority_.server_context(), always_ok());
    callback_target target = webhook(server.base_url());
    target.tls = tls_;
    configure({target}, {});
    EXPECT_EQ(deliver(job()).what, verdict::delivered);
    EXPECT_EQ(deliver(job()).what, verdict::delivered);
    EXPECT_EQ(server.connections(), 1U);
    target.tls.reset();
    configure({target}, {});
    EXPECT_THAT(deliver(job()).error, HasSubstr("TLS handshake")) << "the system does not know this authority";
}

TEST_F(Notifier, RefusesWrongAndExpiredCertificates) {
    scripted_http_server other(authority_.server_context({{"DNS:other.example"}}), always_ok());
    scripted_http_server expired(authority_.server_context({{"DNS:localhost"}, -7200, -3600}), always_ok());
    callback_target target = webhook(other.base_url());
    target.tls = tls_;
    configure({target}, {});
    EXPECT_THAT(deliver(job()).error, HasSubstr("hostname mismatch"));
    target.url = expired.base_url();
    configure({target}, {});
    EXPECT_THAT(deliver(job()).error, HasSubstr("expired"));
    EXPECT_TRUE(requests_.all().empty());
}

TEST_F(Notifier, SendsOverAUnixSocketAlsoUnsigned) {
    scripted_http_server server(folder_.file("shop.sock"), always_ok());
    callback_target target = webhook("http+unix://" + folder_.file("shop.sock") + ":/hook");
    target.secrets.clear();
    configure({target}, {});
    EXPECT_EQ(deliver(job()).what, verdict::delivered);
    EXPECT_THAT(requests_.all().at(0), testing::StartsWith("POST /hook HTTP/1.1\r\nHost: localhost\r\n"));
    EXPECT_EQ(header_of(requests_.all().at(0), "webhook-signature"), "(none)");
    target.url = "http+unix://" + folder_.file("none.sock") + ":/hook";
    configure({target}, {});
    EXPECT_THAT(deliver(job()).error, HasSubstr("none.sock"));
}

TEST_F(Notifier, RunsACommandWithTheEventAndItsVariables) {
    callback_target target;
    target.name = "ledger";
    target.command = {"/bin/sh", "-c", "cat; echo \" $PROOFTRACK_EVENT_ID $PROOFTRACK_ATTEMPT\""};
    configure({target}, {});
    const auto outcome = deliver(job("ledger"));
    EXPECT_EQ(outcome.what, verdict::delivered);
    EXPECT_EQ(outcome.reply, "{\"test\": 2432232314} msg_p5jXN8AQM9LWM0D4loKWxJek 1\n");
    EXPECT_GT(outcome.took, steady_duration::zero());
}

TEST_F(Notifier, AnUnknownNameIsNotConfigured) { EXPECT_EQ(deliver(job("nobody")).error, "callback not configured"); }

TEST_F(Notifier, WhatIsRefusedReplacesNothing) {
    scripted_http_server server(always_ok());
    configure({webhook(server.base_url())}, {});
    for (const char* url : {"http://shop.example/", "nonsense", "ftp://shop.example/"})
        EXPECT_THROW(configure({webhook(url)}, {}), boost::system::system_error) << url;
    EXPECT_EQ(deliver(job()).what, verdict::delivered);
}

TEST_F(Notifier, ATargetOverTcpWithoutASecretIsRefused) {
    for (const char* url : {"http://127.0.0.1:1/", "https://shop.example/"}) {
        callback_target target = webhook(url);
        target.secrets.clear();
        try {
            configure({target}, {});
            FAIL() << url;
        } catch (const boost::system::system_error& failure) {
            EXPECT_EQ(failure.code(), make_error_code(callback_error::not_signed));
            EXPECT_THAT(failure.what(), HasSubstr("backend"));
        }
    }
    callback_url_rules rules;
    rules.allow_hosts = {"unix:/run/shop.sock"};
    configure({}, rules);
    rules.allow_hosts.emplace_back("shop.example");
    EXPECT_THROW(configure({}, rules), boost::system::system_error);
}

TEST_F(Notifier, AConnectionOfOldAuthoritiesIsNotTakenOverByAReload) {
    std::atomic<bool> go = false;
    scripted_http_server server(authority_.server_context(), [&](scripted_connection& connection) {
        while (true) {
            requests_.add(connection.read_request());
            while (!go) std::this_thread::yield();
            connection.send(ok_reply);
        }
    });
    callback_target target = webhook(server.base_url());
    target.tls = tls_;
    configure({target}, {});
    std::optional<delivery_outcome> first;
    notifier_->deliver(job(), [&](delivery_outcome done) { first = std::move(done); });
    run_until(io_, [&] { return !requests_.all().empty(); });
    const test_authority stranger("a stranger");
    target.tls = std::make_shared<net::tls_client>(net::trust_roots(stranger.ca_pem(), "ca.pem"));
    configure({target}, {});
    go = true; // its connection becomes idle only now
    run_until(io_, [&] { return first.has_value(); });
    EXPECT_EQ(first->what, verdict::delivered);
    EXPECT_THAT(deliver(job()).error, HasSubstr("TLS handshake"));
}

TEST_F(Notifier, AReloadLeavesAttemptsInFlightAlone) {
    std::atomic<bool> go = false;
    scripted_http_server old_server([&](scripted_connection& connection) {
        requests_.add(connection.read_request());
        while (!go) std::this_thread::yield();
        connection.send(ok_reply);
    });
    scripted_http_server new_server(always_ok());
    configure({webhook(old_server.base_url())}, {});
    std::optional<delivery_outcome> first;
    notifier_->deliver(job(), [&](delivery_outcome done) { first = std::move(done); });
    run_until(io_, [&] { return !requests_.all().empty(); });
    configure({webhook(new_server.base_url())}, {});
    go = true;
    run_until(io_, [&] { return first.has_value(); });
    EXPECT_EQ(first->what, verdict::delivered);
    EXPECT_EQ(deliver(job()).what, verdict::delivered);
    EXPECT_EQ(new_server.connections(), 1U);
}

TEST_F(Notifier, ASlowTargetDelaysNobodyElse) {
    scripted_http_server slow([](scripted_connection& connection) { connection.wait_for_close(); });
    scripted_http_server quick(always_ok());
    callback_target second = webhook(quick.base_url());
    second.name = "quick";
    configure({webhook(slow.base_url()), second}, {});
    int slow_ones = 0;
    for (int i = 0; i < 20; ++i) notifier_->deliver(job(), [&](const delivery_outcome&) { ++slow_ones; });
    for (int i = 0; i < 20; ++i) EXPECT_EQ(deliver(job("quick")).what, verdict::delivered);
    EXPECT_EQ(slow_ones, 0);
    bool stopped = false;
    notifier_->stop(milliseconds(0), [&] { stopped = true; });
    run_until(io_, [&] { return stopped; });
    EXPECT_EQ(slow_ones, 20);
}

TEST_F(Notifier, StopLetsWhatIsInFlightEndAndRefusesTheRest) {
    std::atomic<bool> go = false;
    scripted_http_server server([&](scripted_connection& connection) {
        requests_.add(connection.read_request());
        while (!go) std::this_thread::yield();
        connection.send(ok_reply);
    });
    configure({webhook(server.base_url())}, {});
    std::optional<delivery_outcome> first;
    std::optional<delivery_outcome> second;
    bool stopped = false;
    notifier_->deliver(job(), [&](delivery_outcome done) { first = std::move(done); });
    run_until(io_, [&] { return !requests_.all().empty(); });
    notifier_->stop(seconds(20), [&] {
        EXPECT_TRUE(first && second);
        stopped = true;
    });
    notifier_->deliver(job(), [&](delivery_outcome done) { second = std::move(done); });
    go = true;
    run_until(io_, [&] { return stopped; });
    EXPECT_EQ(first->what, verdict::delivered);
    EXPECT_EQ(second->what, verdict::failed);
    EXPECT_THAT(second->error, HasSubstr("stopping"));
}

TEST_F(Notifier, StopCutsOffWhatDoesNotEndInTime) {
    scripted_http_server server([](scripted_connection& connection) { connection.wait_for_close(); });
    callback_target command;
    command.name = "ledger";
    command.command = {"/bin/sleep", "1000"};
    command.timeout = std::chrono::hours(1);
    configure({webhook(server.base_url(), std::chrono::hours(1)), command}, {});
    std::vector<std::string> errors;
    for (const char* name : {"backend", "ledger", "backend"})
        notifier_->deliver(job(name), [&](const delivery_outcome& done) { errors.push_back(done.error); });
    bool stopped = false;
    notifier_->stop(milliseconds(50), [&] { stopped = true; });
    run_until(io_, [&] { return stopped; });
    EXPECT_THAT(errors, ElementsAre(HasSubstr("stopping"), HasSubstr("stopping"), HasSubstr("stopping")));
}

TEST_F(Notifier, StopWithNothingToDoReportsOnceAndNotFromInside) {
    int stopped = 0;
    notifier_->stop(seconds(20), [&] { ++stopped; });
    EXPECT_EQ(stopped, 0);
    run_until(io_, [&] { return stopped > 0; });
    io_.poll();
    EXPECT_EQ(stopped, 1);
}

TEST_F(Notifier, DestroyedInTheMiddleItCallsNobody) {
    scripted_http_server server([](scripted_connection& connection) { connection.wait_for_close(); });
    callback_target command;
    command.name = "ledger";
    command.command = {"/bin/sh", "-c", "exit 0"};
    configure({webhook(server.base_url()), command}, {});
    int answers = 0;
    for (const char* name : {"backend", "ledger", "nobody"})
        notifier_->deliver(job(name), [&](const delivery_outcome&) { ++answers; });
    io_.poll_one();
    notifier_.reset();
    io_.restart();
    io_.run_for(seconds(5));
    EXPECT_EQ(answers, 0);
}

TEST_F(Notifier, ATargetHasEitherAUrlOrACommand) {
    callback_target neither;
    neither.name = "backend";
    EXPECT_THROW(configure({neither}, {}), std::logic_error);
    callback_target both = webhook("https://shop.example/");
    both.command = {"true"};
    EXPECT_THROW(configure({both}, {}), std::logic_error);
}

} // namespace
} // namespace prooftrack::callback
