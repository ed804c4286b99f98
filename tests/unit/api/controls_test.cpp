// Pause, resume, flush and dismiss, from the request to the backend.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/api/router_fixture.hpp"

namespace prooftrack::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Controls : public router_test {
  protected:
    static std::string detail_of(const api_response& response) {
        return std::string(json_of(response).at("detail").as_string());
    }
};

TEST_F(Controls, ACallbackIsPausedResumedAndFlushedByItsName) {
    const auto paused = ask("POST", "/v1/callbacks/back_end-1/pause");
    EXPECT_EQ(paused.status, 200);
    EXPECT_EQ(paused.body, R"({"name":"x"})");
    EXPECT_EQ(ask("POST", "/v1/callbacks/callback_url/resume", "{}").status, 200);
    const auto flushed = ask("POST", "/v1/callbacks/backend/flush");
    EXPECT_EQ(flushed.status, 202);
    EXPECT_EQ(flushed.body, R"({"due":3})");
    EXPECT_THAT(backend_.calls, ElementsAre("pause back_end-1", "resume callback_url", "flush backend"));
    EXPECT_EQ(backend_.last_who.uid, 1000);
}

TEST_F(Controls, AnythingElseThanANameIsRefused) {
    for (const char* verb : {"pause", "resume", "flush"}) {
        for (const std::string& path :
             {"/v1/callbacks/Backend/" + std::string(verb), "/v1/callbacks/" + std::string(65, 'a') + "/" + verb,
              "/v1/callbacks/a%2Fb/" + std::string(verb), "/v1/callbacks/backend/" + std::string(verb) + "?now=1"}) {
            EXPECT_EQ(problem_of(ask("POST", path)), "400 invalid_request") << path;
        }
        EXPECT_EQ(
            problem_of(ask("POST", "/v1/callbacks/backend/" + std::string(verb), R"({"note":"x"})")),
            "400 invalid_request");
    }
    EXPECT_TRUE(backend_.calls.empty());
}

TEST_F(Controls, OneDeadDeliveryIsDismissedWithANoteOrWithout) {
    const auto dismissed = ask("POST", "/v1/deliveries/7/dismiss", R"({"note":"gro\u00df \"x\""})");
    EXPECT_EQ(dismissed.status, 200);
    EXPECT_EQ(json_of(dismissed).at("state").as_string(), "dismissed");
    EXPECT_EQ(json_of(dismissed).at("note").as_string(), "groß \"x\"");
    for (const char* none : {"", "{}", " ", R"({"note":""})"}) {
        const auto bare = ask("POST", "/v1/deliveries/8/dismiss", none);
        EXPECT_EQ(bare.status, 200);
        EXPECT_FALSE(json_of(bare).contains("note")) << none;
    }
    EXPECT_THAT(
        backend_.calls,
        ElementsAre("dismiss 7 'groß \"x\"'", "dismiss 8 ''", "dismiss 8 ''", "dismiss 8 ''", "dismiss 8 ''"));
    EXPECT_EQ(backend_.last_who.uid, 1000);
}

TEST_F(Controls, AllDeadOnesAreDismissed) {
    const auto all = ask("POST", "/v1/deliveries/dismiss", R"({"state":"dead"})");
    EXPECT_EQ(all.status, 200);
    EXPECT_EQ(all.body, R"({"dismissed":5})");
    EXPECT_EQ(
        ask("POST", "/v1/deliveries/dismiss", R"({"state":"dead","callback":"backend","note":"gone"})").status, 200);
    EXPECT_THAT(backend_.calls, ElementsAre("dismiss dead * ''", "dismiss dead backend 'gone'"));
}

TEST_F(Controls, ANoteIsOneLineOfAtMost500Bytes) {
    const auto with = [](const std::string& note) { return R"({"note":")" + note + "\"}"; };
    EXPECT_EQ(ask("POST", "/v1/deliveries/7/dismiss", with(std::string(500, 'x'))).status, 200);
    const auto long_one = ask("POST", "/v1/deliveries/7/dismiss", with(std::string(501, 'x')));
    EXPECT_EQ(problem_of(long_one), "400 invalid_request");
    EXPECT_THAT(detail_of(long_one), HasSubstr("one line of at most 500 bytes"));
    EXPECT_EQ(ask("POST", "/v1/deliveries/7/dismiss", with(std::string(498, 'x') + "ß")).status, 200);
    EXPECT_EQ(
        problem_of(ask("POST", "/v1/deliveries/7/dismiss", with(std::string(499, 'x') + "ß"))), "400 invalid_request");
    for (const char* bad : {"\\n", "\\u0000", "\\u001f", "\\u007f", "\\u0085", "\\u009f", "a\\tb"}) {
        EXPECT_EQ(problem_of(ask("POST", "/v1/deliveries/7/dismiss", with(bad))), "400 invalid_request") << bad;
        EXPECT_EQ(
            problem_of(ask("POST", "/v1/deliveries/dismiss", R"({"state":"dead","note":")" + std::string(bad) + "\"}")),
            "400 invalid_request")
            << bad;
    }
    EXPECT_EQ(ask("POST", "/v1/deliveries/7/dismiss", with("\\u00a0\\u00c2")).status, 200) << "no control characters";
    EXPECT_EQ(ask("POST", "/v1/deliveries/7/dismiss", R"({"note":null})").status, 200) << "none";
    EXPECT_EQ(backend_.calls.size(), 4U);
}

TEST_F(Controls, ADismissalThatIsNoneIsRefused) {
    for (const char* body :
         {R"({"state":"pending"})", R"({"state":"dismissed"})", R"({})", R"({"note":"x"})",
          R"({"state":"dead","id":7})", R"({"state":"dead","callback":"Backend"})", R"({"state":"dead","callback":7})",
          R"({"state":"dead","note":7})"}) {
        EXPECT_EQ(problem_of(ask("POST", "/v1/deliveries/dismiss", body)), "400 invalid_request") << body;
    }
    EXPECT_EQ(problem_of(ask("POST", "/v1/deliveries/dismiss")), "400 invalid_request");
    for (const char* id : {"x", "-1", "99999999999999999999"})
        EXPECT_EQ(problem_of(ask("POST", "/v1/deliveries/" + std::string(id) + "/dismiss")), "400 invalid_request")
            << id;
    EXPECT_EQ(problem_of(ask("POST", "/v1/deliveries/7/dismiss", R"({"state":"dead"})")), "400 invalid_request");
    EXPECT_EQ(problem_of(ask("POST", "/v1/deliveries/7/dismiss?note=x")), "400 invalid_request");
    EXPECT_TRUE(backend_.calls.empty());
}

TEST_F(Controls, DismissedOnesAreListed) {
    EXPECT_EQ(ask("GET", "/v1/deliveries?state=dismissed").status, 200);
    EXPECT_EQ(backend_.last_deliveries.value().state, track::delivery_state::dismissed);
}

} // namespace
} // namespace prooftrack::api
