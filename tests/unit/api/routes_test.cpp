#include "router_fixture.hpp"

namespace prooftrack::api {
namespace {

class Routes : public router_test {};

TEST_F(Routes, AnUnknownPathIs404WithItsOwnCode) {
    for (const char* path : {"/", "/v1", "/v1/transactions/", "/v1/transactions/a/b", "/v2/status", "/v1//status"}) {
        EXPECT_EQ(problem_of(ask("GET", path)), "404 route_not_found") << path;
    }
}

TEST_F(Routes, AKnownPathWithAnotherMethodIs405AndSaysWhatIsAllowed) {
    const auto response = ask("PUT", "/v1/transactions/abc");
    EXPECT_EQ(problem_of(response), "405 method_not_allowed");
    ASSERT_EQ(response.headers.size(), 1U);
    EXPECT_EQ(response.headers[0].first, "Allow");
    EXPECT_EQ(response.headers[0].second, "GET, HEAD, DELETE, PATCH");
    EXPECT_EQ(problem_of(ask("get", "/v1/status")), "405 method_not_allowed");
}

TEST_F(Routes, HeadIsGetButMakesNoBackup) {
    backend_.add("abc");
    EXPECT_EQ(ask("HEAD", "/v1/transactions/abc").status, 200);
    EXPECT_EQ(problem_of(ask("HEAD", "/v1/backup")), "405 method_not_allowed");
    EXPECT_TRUE(std::find(backend_.calls.begin(), backend_.calls.end(), "backup") == backend_.calls.end());
}

TEST_F(Routes, AnAbsoluteTargetIsItsPath) { EXPECT_EQ(ask("GET", "http://localhost/v1/status").status, 200); }

TEST_F(Routes, IdsArePercentDecodedAndThenValidated) {
    backend_.add("a~b");
    EXPECT_EQ(ask("GET", "/v1/transactions/a%7Eb").status, 200);
    EXPECT_EQ(problem_of(ask("GET", "/v1/transactions/a%2Fb")), "400 invalid_request");
    EXPECT_EQ(problem_of(ask("GET", "/v1/transactions/%2e%2e")), "400 invalid_request");
    EXPECT_EQ(problem_of(ask("GET", "/v1/transactions/a%")), "400 invalid_request");
    EXPECT_EQ(problem_of(ask("GET", "/v1/transactions/a%zz")), "400 invalid_request");
    EXPECT_EQ(problem_of(ask("GET", "/v1/transactions/a%00b")), "400 invalid_request");
    const std::string longest(128, 'a');
    EXPECT_EQ(problem_of(ask("GET", "/v1/transactions/" + longest)), "404 unknown_transaction");
    EXPECT_EQ(problem_of(ask("GET", "/v1/transactions/" + longest + "a")), "400 invalid_request");
}

TEST_F(Routes, AnotherMediaTypeIs415) {
    EXPECT_EQ(problem_of(ask("POST", "/v1/transactions", "{}", "text/plain")), "415 unsupported_media_type");
    EXPECT_EQ(problem_of(ask("POST", "/v1/hints", "{}", "application/x-ndjson")), "415 unsupported_media_type");
    EXPECT_EQ(
        ask("POST", "/v1/transactions", R"({"merchant_transaction_id":"a"})", "Application/JSON; charset=utf-8").status,
        201);
    EXPECT_EQ(ask("POST", "/v1/transactions", R"({"merchant_transaction_id":"b"})").status, 201);
}

TEST_F(Routes, APathWithoutABodyRefusesOne) {
    EXPECT_EQ(problem_of(ask("POST", "/v1/transactions/abc/poll", R"({"now":true})")), "400 invalid_request");
    EXPECT_EQ(ask("POST", "/v1/transactions/abc/poll", "{}").status, 202);
    EXPECT_EQ(ask("POST", "/v1/transactions/abc/poll").status, 202);
}

TEST_F(Routes, AMissingBodyIs400) {
    for (const char* path :
         {"/v1/transactions", "/v1/hints", "/v1/sessions", "/v1/deliveries/retry", "/v1/consumers/a/ack"}) {
        EXPECT_EQ(problem_of(ask("POST", path)), "400 invalid_request") << path;
    }
    EXPECT_EQ(problem_of(ask("PUT", "/v1/log-level")), "400 invalid_request");
}

TEST_F(Routes, EveryPathRefusesAnUnknownQueryParameter) {
    backend_.add("x");
    for (const route_info& route : api_routes()) {
        std::string path(route.path);
        for (const char* name : {"{id}", "{name}"}) {
            if (const auto at = path.find(name); at != std::string::npos)
                path.replace(at, std::string_view(name).size(), "1");
        }
        const std::string body = route.body == body_kind::json ? R"({"merchant_transaction_id":"a"})" : "";
        EXPECT_EQ(problem_of(ask(std::string(route.method), path + "?bogus=1", body)), "400 invalid_request") << path;
    }
}

TEST_F(Routes, AQueryParameterStandsOnceAndIsEncodedCorrectly) {
    EXPECT_EQ(problem_of(ask("GET", "/v1/transactions?limit=1&limit=2")), "400 invalid_request");
    EXPECT_EQ(problem_of(ask("GET", "/v1/transactions?limit=%4")), "400 invalid_request");
    EXPECT_EQ(ask("GET", "/v1/transactions?").status, 200);
}

TEST_F(Routes, WhoMayOnlyReadIsRefusedEveryChange) {
    for (const route_info& route : api_routes()) {
        request_head head;
        head.method = route.method;
        head.target = route.path;
        const auto refused = router_.refuse(head);
        const bool expected =
            route.method != "GET" || route.path == "/v1/backup" || route.path == "/v1/users/{id}/kyc-status";
        ASSERT_EQ(refused.has_value(), expected) << route.method << " " << route.path;
        if (refused) {
            EXPECT_EQ(problem_of(*refused), "403 not_allowed");
        }
    }
    EXPECT_TRUE(backend_.calls.empty());
}

TEST_F(Routes, TheBackendsProblemGoesOutWithItsMembers) {
    problem gone;
    gone.code = problem_code::cursor_gone;
    gone.detail = "pruned";
    gone.members = {problem_member::number("oldest_seq", 17), problem_member::number("last_seq", 99)};
    backend_.refuse_with = gone;
    const auto response = ask("GET", "/v1/events?after=3");
    EXPECT_EQ(problem_of(response), "410 cursor_gone");
    EXPECT_EQ(json_of(response).at("oldest_seq").as_int64(), 17);
    EXPECT_EQ(json_of(response).at("last_seq").as_int64(), 99);
}

TEST_F(Routes, ProofsOwnErrorKeepsItsStatusAndCode) {
    problem passed;
    passed.code = problem_code::passed_through;
    passed.status = 422;
    passed.proof_code = "kyc_required \"x\"";
    passed.detail = "Proof says no";
    backend_.refuse_with = passed;
    EXPECT_EQ(problem_of(ask("GET", "/v1/users/u1/kyc-status")), "422 kyc_required \"x\"");
    passed.status = 302;
    backend_.refuse_with = passed;
    EXPECT_EQ(ask("GET", "/v1/users/u1/kyc-status").status, 502);
}

TEST_F(Routes, HealthIs200Or503WithTheReasons) {
    EXPECT_EQ(ask("GET", "/healthz").status, 200);
    EXPECT_EQ(ask("GET", "/readyz").status, 200);
    backend_.health = {true, {}, "not asked yet"};
    EXPECT_EQ(ask("GET", "/readyz").body, R"({"ok":true,"reasons":[],"proof":"not asked yet"})");
    backend_.health = {false, {"store is full", "no token"}, "ok"};
    const auto response = ask("GET", "/readyz");
    EXPECT_EQ(problem_of(response), "503 unavailable");
    EXPECT_EQ(json_of(response).at("reasons").as_array().size(), 2U);
    EXPECT_EQ(json_of(response).at("detail").as_string(), "store is full; no token");
    EXPECT_EQ(json_of(response).at("proof").as_string(), "ok");
    EXPECT_EQ(ask("GET", "/healthz").status, 503);
}

TEST_F(Routes, MetricsArePrometheusText) {
    const auto response = ask("GET", "/metrics");
    EXPECT_EQ(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_EQ(response.body, backend_.metrics);
}

TEST_F(Routes, StatusIsTheBackendsOwnBytes) { EXPECT_EQ(ask("GET", "/v1/status").body, "{\"version\":\"1\"}"); }

TEST_F(Routes, TheLogLevelIsSetByAWord) {
    EXPECT_EQ(ask("PUT", "/v1/log-level", R"({"level":"debug"})").body, R"({"level":"debug"})");
    EXPECT_EQ(backend_.calls.back(), "level debug");
    EXPECT_EQ(problem_of(ask("PUT", "/v1/log-level", R"({"level":7})")), "400 invalid_request");
    EXPECT_EQ(problem_of(ask("PUT", "/v1/log-level", R"({})")), "400 invalid_request");
    EXPECT_EQ(problem_of(ask("PUT", "/v1/log-level", R"({"level":"a","x":1})")), "400 invalid_request");
}

TEST_F(Routes, MaintenanceIsTurnedOnWithANoteAndOff) {
    const auto put = [this](const std::string& body) { return ask("PUT", "/v1/maintenance", body); };
    EXPECT_EQ(
        put(R"({"on":true,"note":"Proof moves"})").body,
        R"({"on":true,"since":"2026-04-01T10:05:00.000Z","note":"Proof moves"})");
    EXPECT_EQ(backend_.calls.back(), "maintenance on Proof moves");
    EXPECT_EQ(put(R"({"on":true})").body, R"({"on":true,"since":"2026-04-01T10:05:00.000Z","note":null})");
    EXPECT_EQ(put(R"({"on":true,"note":null})").status, 200);
    EXPECT_EQ(put(R"({"on":false})").body, R"({"on":false,"since":null,"note":null})");
    EXPECT_EQ(backend_.calls.back(), "maintenance off ");
    EXPECT_EQ(put(R"({"on":false,"note":"it is done"})").status, 200);
    EXPECT_EQ(backend_.calls.back(), "maintenance off it is done");
    const std::size_t before = backend_.calls.size();
    for (const char* body :
         {"{}", R"({"on":"true"})", R"({"on":1})", R"({"on":null})", R"({"note":"x"})", R"({"on":true,"note":7})",
          R"({"on":true,"x":1})", R"({"on":true,"on":false})", "[]", "true", ""})
        EXPECT_EQ(problem_of(put(body)), "400 invalid_request") << body;
    EXPECT_EQ(backend_.calls.size(), before) << "what was refused has changed nothing";
}

TEST_F(Routes, ANoteIsOneLineOf500Bytes) {
    const auto put = [this](const std::string& note) {
        return ask("PUT", "/v1/maintenance", R"({"on":true,"note":")" + note + R"("})").status;
    };
    EXPECT_EQ(put(std::string(500, 'x')), 200);
    EXPECT_EQ(put(std::string(501, 'x')), 400);
    EXPECT_EQ(put(std::string(498, 'x') + "\u00e9"), 200) << "two bytes";
    EXPECT_EQ(put(std::string(499, 'x') + "\u00e9"), 400);
    for (const char* control : {"\\n", "\\t", "\\u0000", "\\u001b[31m", "\\u007f", "\\u0085", "\\u009b"})
        EXPECT_EQ(put(control), 400) << control;
    EXPECT_EQ(put("\\u00a0\\u2192"), 200);
}

TEST_F(Routes, ABackupThatCannotBeReadIs503) {
    backend_.backup_path = "/nonexistent/copy.db";
    EXPECT_EQ(problem_of(ask("GET", "/v1/backup")), "503 store_unavailable");
}

TEST_F(Routes, ABodyWithAContentCodingIsRefusedAndReported) {
    request_head head;
    head.may_change = true;
    head.method = "POST";
    head.target = "/v1/transactions";
    head.content_encoding = "gzip";
    const auto response = ask(head, "x");
    EXPECT_EQ(problem_of(response), "415 unsupported_media_type");
    EXPECT_NE(response.body.find("gzip"), std::string::npos);
    EXPECT_EQ(response.headers.at(0), (std::pair<std::string, std::string>("Accept-Encoding", "identity")));
    head.content_encoding = "Identity";
    EXPECT_EQ(ask(head, R"({"merchant_transaction_id":"abc"})").status, 201);
}

TEST_F(Routes, PhpsEmptyListAsMetadataIsExplainedInTheRefusal) {
    const auto response = ask("POST", "/v1/transactions", R"({"merchant_transaction_id":"abc","metadata":[]})");
    EXPECT_EQ(problem_of(response), "400 invalid_request");
    EXPECT_NE(response.body.find("(object)[]"), std::string::npos);
    EXPECT_NE(
        ask("POST", "/v1/sessions", R"({"tracking":{"metadata":[ ]}})").body.find("(object)[]"), std::string::npos);
}

TEST_F(Routes, ABodyThatNobodyWantsMayBeSmall) {
    request_head head;
    head.may_change = true;
    head.method = "GET";
    head.target = "/v1/status";
    EXPECT_EQ(router_.body_limit(head), max_useless_body_bytes);
    head.target = "/v1/transactions";
    EXPECT_EQ(router_.body_limit(head), max_useless_body_bytes);
    head.method = "POST";
    EXPECT_EQ(router_.body_limit(head), max_body_bytes);
    head.content_type = "application/x-ndjson";
    EXPECT_EQ(router_.body_limit(head), max_import_bytes);
}

TEST_F(Routes, EveryProblemCodeHasItsOwnWordAndAnErrorStatus) {
    std::size_t index = 0;
    std::vector<std::string_view> words;
    for (const problem_kind& kind : problem_kinds()) {
        EXPECT_EQ(static_cast<std::size_t>(kind.code), index++);
        if (kind.code != problem_code::passed_through) {
            EXPECT_GE(kind.status, 400);
        }
        EXPECT_EQ(std::count(words.begin(), words.end(), kind.word), 0) << kind.word;
        words.push_back(kind.word);
    }
    EXPECT_EQ(index, static_cast<std::size_t>(problem_code::passed_through) + 1);
}

} // namespace
} // namespace prooftrack::api
