#include "sandbox/proof_site.hpp"

#include <gtest/gtest.h>

#include "poll_target.hpp"
#include "sandbox/http1_reply.hpp"

namespace prooftrack::sandbox {
namespace {

class ProofSite : public ::testing::Test {
  protected:
    ProofSite() : site_(make_options()) {}

    static proof_site_options make_options() {
        proof_site_options options;
        options.token = secret("right");
        options.accept_any = true;
        return options;
    }

    http1_plan ask(std::string_view method, std::string_view target, std::string_view body = "") {
        incoming_request request;
        request.method = method;
        request.target = target;
        request.body = body;
        request.authorization = authorization_;
        return make_http1_plan(site_.answer(request), request);
    }

    void turn_on(std::string_view fault) {
        ASSERT_NE(ask("PUT", "/sandbox/faults", fault).bytes.find("200 OK"), std::string::npos) << fault;
    }

    std::string authorization_ = "Bearer right";
    proof_site site_;
};

TEST_F(ProofSite, EveryEndpointNeedsTheToken) {
    for (const char* wrong : {"", "Bearer wrong", "Basic right", "Bearer right2", "right"}) {
        authorization_ = wrong;
        for (const char* target : {"/widget/transactions/a", "/widget/session", "/sandbox/log", "/sandbox/faults"}) {
            EXPECT_NE(ask("GET", target).bytes.find("HTTP/1.1 401 "), std::string::npos) << wrong << target;
        }
    }
}

TEST_F(ProofSite, EveryReplyHasARequestIdAndADate) {
    for (const char* target : {"/widget/transactions/a", "/nowhere", "/sandbox/log", "/sandbox/nowhere"}) {
        const auto bytes = ask("GET", target).bytes;
        EXPECT_NE(bytes.find("\r\nX-Request-Id: req_"), std::string::npos) << target;
        EXPECT_NE(bytes.find("\r\nDate: "), std::string::npos) << target;
    }
}

TEST_F(ProofSite, AFaultBecomesWhatItsNameSays) {
    const std::string whole = ask("GET", poll_target).bytes;
    const auto body_at = whole.find("\r\n\r\n") + 4;

    turn_on(R"({"kind":"close","count":1})");
    auto plan = ask("GET", poll_target);
    EXPECT_EQ(plan.bytes, "");
    EXPECT_EQ(plan.then, http1_plan::ending::close);

    turn_on(R"({"kind":"truncate","count":1})");
    plan = ask("GET", poll_target);
    EXPECT_GT(plan.bytes.size(), body_at);
    EXPECT_LT(plan.bytes.size(), whole.size());
    EXPECT_EQ(plan.then, http1_plan::ending::close);

    turn_on(R"({"kind":"stall","count":1})");
    plan = ask("GET", poll_target);
    EXPECT_LT(plan.bytes.size(), whole.size());
    EXPECT_EQ(plan.then, http1_plan::ending::stall);

    turn_on(R"({"kind":"garbage","count":1})");
    EXPECT_FALSE(ask("GET", poll_target).bytes.starts_with("HTTP/"));

    turn_on(R"({"kind":"delay","delay":"70ms","count":1})");
    EXPECT_EQ(ask("GET", poll_target).delay, milliseconds(70));
    EXPECT_EQ(ask("GET", poll_target).delay, milliseconds(0));
}

TEST_F(ProofSite, AWrongIdComesWithACompletedTrap) {
    turn_on(R"({"kind":"wrong_id"})");
    const auto bytes = ask("GET", poll_target).bytes;
    EXPECT_EQ(bytes.find(R"("merchant_transaction_id":"a")"), std::string::npos);
    EXPECT_NE(bytes.find(R"("status":"completed")"), std::string::npos);
}

TEST_F(ProofSite, AHugeReplyIsWellFormedAndAsLongAsAsked) {
    turn_on(R"({"kind":"huge","size":300000})");
    auto plan = ask("GET", poll_target);
    EXPECT_NE(plan.bytes.find("\r\nContent-Length: 300000\r\n"), std::string::npos);
    while (plan.more(plan.bytes)) {
    }
    const auto body = plan.bytes.substr(plan.bytes.find("\r\n\r\n") + 4);
    EXPECT_EQ(body.size(), 300'000U);
    EXPECT_TRUE(body.ends_with("xx\"}"));
}

TEST_F(ProofSite, ARateLimitSaysWhenToComeBack) {
    turn_on(R"({"kind":"status","status":429,"retry_after":"2500ms"})");
    const auto bytes = ask("GET", poll_target).bytes;
    EXPECT_NE(bytes.find("HTTP/1.1 429 Too Many Requests\r\n"), std::string::npos);
    EXPECT_NE(bytes.find("\r\nRetry-After: 3\r\n"), std::string::npos);
    EXPECT_NE(bytes.find(R"({"error":"rate_limit_exceeded",)"), std::string::npos);
}

TEST_F(ProofSite, TheControlEndpointsAreNeverStruckNorLogged) {
    turn_on(R"({"kind":"close","path":"/"})");
    EXPECT_EQ(ask("GET", poll_target).bytes, "");
    auto plan = ask("GET", "/sandbox/log");
    while (plan.more(plan.bytes)) {
    }
    EXPECT_EQ(plan.bytes.find("/sandbox/"), std::string::npos);
    EXPECT_NE(plan.bytes.find(poll_target), std::string::npos);
}

} // namespace
} // namespace prooftrack::sandbox
