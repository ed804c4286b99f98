#include <limits>

#include "api/replay_body.hpp"
#include "router_fixture.hpp"

namespace prooftrack::api {
namespace {

class ReplayRoutes : public router_test {
  protected:
    void SetUp() override {
        track::replay_view& replay = backend_.next_replay;
        replay.id = replay_id{7};
        replay.query.callback = "backend";
        replay.query.before = event_seq{100};
        replay.query.types = {"transaction.completed"};
        replay.events = 42;
        replay.made = 5;
        replay.delivered = 2;
        replay.pending = 3;
        replay.created_at = wall_time(milliseconds(1'775'037'825'120));
    }
    api_response post(const std::string& body) { return ask("POST", "/v1/replays", body, "application/json"); }
};

TEST_F(ReplayRoutes, BeginWithWhatTheBodySays) {
    const auto response =
        post(R"({"callback":"backend","after_seq":10,"before_seq":90,"since":"2026-04-01T00:00:00Z",)"
             R"("until":"2026-05-01T00:00:00Z","types":["transaction.*", "transaction.updated"],"only":"all"})");
    EXPECT_EQ(response.status, 202);
    EXPECT_EQ(response.body, R"({"id":7,"events":42})");
    ASSERT_TRUE(backend_.last_replay);
    const track::replay_query& query = backend_.last_replay->query;
    EXPECT_FALSE(backend_.last_replay->dry_run);
    EXPECT_EQ(query.callback, "backend");
    EXPECT_EQ(query.after, event_seq{10});
    EXPECT_EQ(query.before, event_seq{90});
    EXPECT_EQ(query.since, parse_wall_time("2026-04-01T00:00:00Z"));
    EXPECT_EQ(query.until, parse_wall_time("2026-05-01T00:00:00Z"));
    EXPECT_EQ(query.types, (std::vector<std::string>{"transaction.*", "transaction.updated"}));
    EXPECT_FALSE(query.only_missing);
    EXPECT_EQ(backend_.last_who.uid, 1000);
}

TEST_F(ReplayRoutes, AreOfEverythingMissingByDefault) {
    EXPECT_EQ(post(R"({"callback":"backend"})").status, 202);
    track::replay_query expected;
    expected.callback = "backend";
    EXPECT_EQ(backend_.last_replay->query, expected);
    EXPECT_TRUE(expected.only_missing);
}

TEST_F(ReplayRoutes, ADryRunIs200WithTheNumberAlone) {
    const auto response = post(R"({"callback":"backend","only":"missing","dry_run":true})");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, R"({"events":42})");
    EXPECT_TRUE(backend_.last_replay->dry_run);
    EXPECT_EQ(post(R"({"callback":"backend","dry_run":false})").status, 202);
}

TEST_F(ReplayRoutes, RefuseWhatNothingCanLieIn) {
    for (const char* bad :
         {R"("after_seq":5,"before_seq":5)", R"("after_seq":5,"before_seq":6)", R"("after_seq":6,"before_seq":5)",
          R"("before_seq":0)", R"("before_seq":1)", R"("since":"2026-04-02T00:00:00Z","until":"2026-04-01T00:00:00Z")",
          R"("since":"2026-04-01T00:00:00Z","until":"2026-04-01T00:00:00Z")"}) {
        EXPECT_EQ(problem_of(post(std::string(R"({"callback":"backend",)") + bad + "}")), "400 invalid_request") << bad;
    }
    EXPECT_FALSE(backend_.last_replay);
    EXPECT_EQ(post(R"({"callback":"backend","after_seq":5,"before_seq":7})").status, 202);
}

TEST_F(ReplayRoutes, RefuseBadMembers) {
    for (const char* bad :
         {"", R"("callback":"")", R"("callback":"Not A Name")", R"("callback":7)", R"("callback":"b","x":1)",
          R"("callback":"b","after_seq":-1)", R"("callback":"b","after_seq":1.5)",
          R"("callback":"b","after_seq":18446744073709551615)", R"("callback":"b","since":"yesterday")",
          R"("callback":"b","until":7)", R"("callback":"b","types":[])", R"("callback":"b","types":"transaction.*")",
          R"("callback":"b","types":[7])", R"("callback":"b","types":["transaction.complete"])",
          R"("callback":"b","types":["callback.test"])", R"("callback":"b","types":[["transaction.*"]])",
          R"("callback":"b","only":"some")", R"("callback":"b","only":null)", R"("callback":"b","dry_run":"true")"}) {
        EXPECT_EQ(problem_of(post(std::string("{") + bad + "}")), "400 invalid_request") << bad;
    }
    EXPECT_EQ(problem_of(ask("POST", "/v1/replays?x=1", R"({"callback":"b"})")), "400 invalid_request");
    EXPECT_FALSE(backend_.last_replay);
}

TEST_F(ReplayRoutes, BoundTheirPatternsAndTheirSeqs) {
    const auto with_types = [](std::size_t number) {
        std::string types;
        for (std::size_t i = 0; i < number; ++i) types += R"(,"transaction.*")";
        return R"({"callback":"b","types":[)" + types.substr(1) + "]}";
    };
    EXPECT_EQ(post(with_types(most_replay_types)).status, 202);
    EXPECT_EQ(problem_of(post(with_types(most_replay_types + 1))), "400 invalid_request");
    const auto after = [](std::uint64_t seq) { return fmt::format(R"({{"callback":"b","after_seq":{}}})", seq); };
    constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    EXPECT_EQ(post(after(largest - 1)).status, 202);
    EXPECT_EQ(problem_of(post(after(largest))), "400 invalid_request");
}

TEST_F(ReplayRoutes, TheListShowsAll) {
    EXPECT_EQ(
        ask("GET", "/v1/replays").body,
        R"({"replays":[{"id":7,"callback":"backend","state":"running","only":"missing","after_seq":0,)"
        R"("before_seq":100,"since":null,"until":null,"types":["transaction.completed"],"events":42,"made":5,)"
        R"("delivered":2,"pending":3,"created_at":"2026-04-01T10:03:45.120Z","ended_at":null}]})");
    EXPECT_EQ(problem_of(ask("GET", "/v1/replays?limit=5")), "400 invalid_request");
}

TEST_F(ReplayRoutes, ACancelGivesTheReplay) {
    backend_.next_replay.state = track::replay_state::cancelled;
    const auto response = ask("DELETE", "/v1/replays/7");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(json_of(response).at("state").as_string(), "cancelled");
    EXPECT_EQ(backend_.calls, (std::vector<std::string>{"cancel replay 7"}));
    EXPECT_EQ(backend_.last_who.uid, 1000);
    EXPECT_EQ(problem_of(ask("DELETE", "/v1/replays/x")), "400 invalid_request");
}

TEST_F(ReplayRoutes, ProblemsHaveTheirStatus) {
    const auto refused = [&](problem_code code, const char* method, const char* path, const char* body) {
        backend_.refuse_with = make_problem(code, "no");
        return problem_of(ask(method, path, body));
    };
    const char* const good = R"({"callback":"b"})";
    EXPECT_EQ(refused(problem_code::unknown_callback, "POST", "/v1/replays", good), "404 unknown_callback");
    EXPECT_EQ(refused(problem_code::replay_running, "POST", "/v1/replays", good), "409 replay_running");
    EXPECT_EQ(refused(problem_code::unknown_replay, "DELETE", "/v1/replays/1", ""), "404 unknown_replay");
    EXPECT_EQ(refused(problem_code::replay_ended, "DELETE", "/v1/replays/1", ""), "409 replay_ended");
}

} // namespace
} // namespace prooftrack::api
