// A server that restarts under the polls: its connections end, and for a moment it takes no others.

#include <atomic>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "client_harness.hpp"
#include "proof/h2_channel.hpp"
#include "support/h2_site.hpp"
#include "support/test_certificates.hpp"

namespace prooftrack::proof {
namespace {

using namespace testing_support;
using testing::Each;

/// Answers every request over HTTP/2, but resets its first connection at one about "restart" and answers nothing more
/// on it after one about "mute". While
/// `handshakes_failing` is above 0 it lets the next handshake fail instead.
class ProofRestart : public testing::Test {
  protected:
    ProofRestart() {
        auto context = with_h2(authority_.server_context());
        SSL_CTX_set_client_hello_cb(context.native_handle(), fail_some, &handshakes_failing_);
        server_ = std::make_unique<scripted_http_server>(std::move(context), [](scripted_connection& connection) {
            h2_site site(connection);
            while (true) {
                for (const auto& request : site.read()) {
                    if (request.id() == "restart" && connection.index == 0) return connection.reset();
                    while (request.id() == "mute" && connection.index == 0) connection.read_some();
                    site.reply(request, transaction_body(request.id()));
                }
            }
        });
        options_ = client_harness::options_for(*server_, trust_);
        harness_.start(options_);
        harness_.poll_and_wait({"first"});
    }

    ~ProofRestart() override { handshakes_failing_ = 0; } // so that no thread of the server waits for it

    static constexpr int all_hang = -1; ///< none is answered until the number is another one

    static int fail_some(SSL* /*connection*/, int* alert, void* failing) {
        auto& left = *static_cast<std::atomic<int>*>(failing);
        while (left == all_hang) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        if (left == 0) return SSL_CLIENT_HELLO_SUCCESS;
        --left;
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }

    std::vector<track::reply_class> outcomes() const {
        std::vector<track::reply_class> found;
        for (const auto& each : harness_.source.answers) found.push_back(each.answer.what);
        return found;
    }

    std::atomic<int> handshakes_failing_ = 0;
    test_authority authority_;
    net::trust_roots trust_{authority_.ca_pem(), "ca.pem"};
    std::unique_ptr<scripted_http_server> server_;
    proof_client_options options_;
    client_harness harness_;
};

TEST_F(ProofRestart, ARepeatWaitsForAConnectionNoLongerThanForAReply) {
    options_.request_timeout = std::chrono::milliseconds(400);
    harness_.reconfigure(options_);
    handshakes_failing_ = all_hang; // the connect_timeout is longer
    harness_.poll_and_wait({"restart"});
    handshakes_failing_ = 0;
    EXPECT_EQ(harness_.source.answer_to("restart").what, track::reply_class::no_reply);
    EXPECT_EQ(harness_.source.answer_to("restart").error, "reply: no connection was free to ask again");
}

TEST_F(ProofRestart, IsNoErrorOfThePollsThatItMeets) {
    handshakes_failing_ = 4;
    harness_.poll_and_wait({"a", "restart", "b", "c"});
    EXPECT_EQ(handshakes_failing_, 0);
    EXPECT_THAT(outcomes(), Each(track::reply_class::good));
}

TEST_F(ProofRestart, ThatTakesLongerIsOne) {
    handshakes_failing_ = 1000;
    harness_.poll_and_wait({"a", "restart", "b", "c"});
    for (const char* id : {"restart", "b", "c"}) {
        EXPECT_EQ(harness_.source.answer_to(id).what, track::reply_class::no_reply) << id;
        EXPECT_THAT(harness_.source.answer_to(id).error, testing::StartsWith("tls: ")) << id;
    }
}

TEST_F(ProofRestart, AConnectionThatFallsSilentUnderPollsIsFoundBeforeTheirTimeIsOver) {
    const auto begun = std::chrono::steady_clock::now();
    harness_.poll_and_wait({"a", "mute", "b", "c"}); // with 10 s for each
    EXPECT_THAT(outcomes(), Each(track::reply_class::good));
    EXPECT_GE(std::chrono::steady_clock::now() - begun, h2_silence);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(9));
}

/// Breaks its connection at what begins with "bad" until it is mended, and never answers about "silent".
class ProofOneConnection : public testing::Test {
  protected:
    ProofOneConnection()
        : server_(with_h2(authority_.server_context()), [this](scripted_connection& connection) {
              h2_site site(connection);
              while (true) {
                  for (const auto& request : site.read()) {
                      if (request.id().starts_with("bad") && !is_mended_) return connection.reset();
                      if (request.id() != "silent") site.reply(request, transaction_body(request.id()));
                  }
              }
          }) {}

    void start() {
        options_.connections = 1;
        harness_.start(options_);
    }

    std::atomic<bool> is_mended_ = false;
    test_authority authority_;
    net::trust_roots trust_{authority_.ca_pem(), "ca.pem"};
    scripted_http_server server_;
    proof_client_options options_ = client_harness::options_for(server_, trust_);
    client_harness harness_;
};

TEST_F(ProofOneConnection, IsEnoughForWhatBrokeItAndIsMended) {
    start();
    harness_.poll_and_wait({"bad"});
    EXPECT_EQ(harness_.source.answer_to("bad").what, track::reply_class::no_reply);
    harness_.poll_and_wait({"well"});
    is_mended_ = true;
    for (int round = 0; round < 3; ++round) {
        harness_.source.answers.clear();
        harness_.poll_and_wait({"bad"});
        EXPECT_EQ(harness_.source.answer_to("bad").what, track::reply_class::good) << round;
    }
}

TEST_F(ProofOneConnection, IsNotHeldByWhatIsAskedAgain) {
    start();
    for (const char* last : {"tx-1", "tx-2", "tx-3"}) {
        harness_.poll_and_wait({"bad-1", "bad-2", "bad-3", last});
        EXPECT_EQ(harness_.source.answer_to(last).what, track::reply_class::good);
        harness_.source.answers.clear();
    }
}

TEST_F(ProofOneConnection, ThatHangsHasItsRepeatsAnsweredInTime) {
    options_.request_timeout = std::chrono::milliseconds(500);
    start();
    harness_.poll_and_wait({"tx-1"});
    harness_.poll({"silent"});
    harness_.poll_and_wait({"bad"}); // which breaks the connection of both
    harness_.run_until_answers(3);
    EXPECT_THAT(
        harness_.source.answer_to("silent").error,
        testing::AnyOf("reply: timed out after 500ms", "reply: no connection was free to ask again"));
}

} // namespace
} // namespace prooftrack::proof
