#include "router_fixture.hpp"

#include "api/tracking_body.hpp"

namespace prooftrack::api {
namespace {

TEST(SessionBody, LosesTrackingAndOneCommaAndNothingElse) {
    const std::pair<const char*, const char*> cases[] = {
        {R"({"a":1,"tracking":{},"b":2})", R"({"a":1,"b":2})"},
        {R"({"tracking":{},"b":2})", R"({"b":2})"},
        {R"({"a":1,"tracking":{}})", R"({"a":1})"},
        {R"({"tracking":{}})", R"({})"},
        {R"( { "tracking" : { "metadata" : {"a":"}"} } , "b" : 1.10 } )", R"( {  "b" : 1.10 } )"},
        {R"({"a" : "\"tracking\":" , "tracking":{} })", R"({"a" : "\"tracking\":"  })"},
        {R"({"a":{"tracking":{"x":1}},"\u0074racking":{}})", R"({"a":{"tracking":{"x":1}}})"},
        {R"({"b":1, "a":"ü€"})", R"({"b":1, "a":"ü€"})"},
    };
    for (const auto& [before, after] : cases) {
        const auto session = parse_session_body(before);
        ASSERT_TRUE(session) << before << ": " << session.error().detail;
        EXPECT_EQ(session->body, after);
    }
}

TEST(SessionBody, KeepsTheLineBreaksAroundAMemberInTheMiddle) {
    const auto session = parse_session_body("{\n  \"a\": 1,\n  \"tracking\": {},\n  \"b\": 2\n}\n");
    ASSERT_TRUE(session);
    EXPECT_EQ(session->body, "{\n  \"a\": 1,\n  \n  \"b\": 2\n}\n");
}

TEST(SessionBody, TakesTheOptionsFromTracking) {
    const auto session =
        parse_session_body(R"({"currency":"USDT","tracking":{"metadata":{"order":"A-17"},"overdue_after":"2h",)"
                           R"("callback_url":"https://x.example/"}})");
    ASSERT_TRUE(session);
    EXPECT_EQ(session->options.metadata, R"({"order":"A-17"})");
    EXPECT_EQ(session->options.overdue_after, std::chrono::hours(2));
    EXPECT_EQ(session->options.callback_url, "https://x.example/");
}

TEST(SessionBody, RefusesWhatIsNotOneObjectWithOneTracking) {
    for (const char* bad :
         {"", "[]", "{", R"({"a":1} {"b":2})", R"({"tracking":{},"tracking":{}})", R"({"tracking":[]})",
          R"({"tracking":null})", R"({"tracking":{"extra":1}})", R"({"tracking":{"metadata":[]}})",
          R"({"a":1,"a":2})"}) {
        EXPECT_FALSE(parse_session_body(bad)) << bad;
    }
}

class Sessions : public router_test {};

TEST_F(Sessions, AnswerWithProofsBytes) {
    backend_.session_reply = {201, "application/json; charset=utf-8", "{ \"b\" : 1.10,\n\"a\":\"\\u00fc\" }", "req-9"};
    const std::string body = R"({"currency":"USDT" , "tracking":{"metadata":{"o":1}}})";
    const auto response = ask("POST", "/v1/sessions", body, "application/json");
    EXPECT_EQ(response.status, 201);
    EXPECT_EQ(response.body, backend_.session_reply.body);
    EXPECT_EQ(response.content_type, "application/json; charset=utf-8");
    const std::vector<std::pair<std::string, std::string>> headers{
        {"X-Request-Id", "req-9"}, {"Cache-Control", "no-store"}};
    EXPECT_EQ(response.headers, headers);
    EXPECT_EQ(backend_.last_session->body, R"({"currency":"USDT" })");
    EXPECT_EQ(backend_.last_session->whole_body, body);
    EXPECT_FALSE(backend_.last_session->idempotency_key);
}

TEST_F(Sessions, AHeaderOfProofCannotBecomeTwoOfOurs) {
    backend_.session_reply = {200, "application/json\r\nX-Evil: 1", "{}", "a\r\nb"};
    const auto response = ask("POST", "/v1/sessions", "{}");
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_EQ(response.headers.size(), 1U);
}

TEST_F(Sessions, WhatComesFromOutsideIsEscapedInAProblem) {
    const std::string odd = "a\"b\\c\",\"code\":\"ok\n\x01\xff";
    problem refused = make_problem(problem_code::passed_through, odd);
    refused.status = 400;
    refused.proof_code = odd;
    refused.members = {
        problem_member::text("request_id", odd), problem_member::texts(odd, {odd, ""}),
        problem_member::number("taken", 17)};
    backend_.refuse_with = refused;
    const auto shown = json_of(ask("POST", "/v1/sessions", "{}"));
    const std::string expected = "a\"b\\c\",\"code\":\"ok\n\x01\xEF\xBF\xBD";
    for (const char* name : {"detail", "code", "request_id"}) EXPECT_EQ(shown.at(name).as_string(), expected) << name;
    EXPECT_EQ(shown.at(expected).at(0).as_string(), expected);
    EXPECT_EQ(shown.at(expected).at(1).as_string(), "");
    EXPECT_EQ(shown.at("taken").as_int64(), 17);
    EXPECT_EQ(shown.size(), 8U);
}

TEST_F(Sessions, ARetryAfterOfProofsIsAHeaderOfOurs) {
    problem refused = make_problem(problem_code::passed_through, "slow down");
    refused.status = 429;
    backend_.refuse_with = refused;
    EXPECT_TRUE(ask("POST", "/v1/sessions", "{}").headers.empty());
    refused.retry_after = seconds(1800);
    backend_.refuse_with = refused;
    const std::vector<std::pair<std::string, std::string>> headers{{"Retry-After", "1800"}};
    EXPECT_EQ(ask("POST", "/v1/sessions", "{}").headers, headers);
    EXPECT_EQ(ask("GET", "/v1/users/u/kyc-status").headers, headers);
}

TEST_F(Sessions, ATraceparentIsOfTheTracking) {
    request_head head;
    head.may_change = true;
    head.method = "POST";
    head.target = "/v1/sessions";
    head.traceparent = "00-a-b-01";
    ask(std::move(head), "{}");
    EXPECT_EQ(backend_.last_session->options.traceparent, "00-a-b-01");
}

TEST_F(Sessions, AnIdempotencyKeyIs1To255PrintableCharacters) {
    const auto with = [this](std::string key) {
        request_head head;
        head.may_change = true;
        head.method = "POST";
        head.target = "/v1/sessions";
        head.idempotency_key = std::move(key);
        return ask(std::move(head), "{}");
    };
    EXPECT_EQ(with(std::string(255, 'k')).status, 201);
    EXPECT_EQ(backend_.last_session->idempotency_key, std::string(255, 'k'));
    EXPECT_EQ(problem_of(with(std::string(256, 'k'))), "400 invalid_request");
    EXPECT_EQ(problem_of(with("")), "400 invalid_request");
    EXPECT_EQ(problem_of(with("a\tb")), "400 invalid_request");
    EXPECT_EQ(problem_of(with("\xC3\xBC")), "400 invalid_request");
}

TEST_F(Sessions, AUserIdIsDecodedAndBounded) {
    EXPECT_EQ(ask("GET", "/v1/users/user%40shop/kyc-status").status, 201);
    EXPECT_EQ(backend_.calls.back(), "kyc user@shop");
    EXPECT_EQ(problem_of(ask("GET", "/v1/users/a%0Ab/kyc-status")), "400 invalid_request");
    EXPECT_EQ(problem_of(ask("GET", "/v1/users/../kyc-status")), "400 invalid_request");
    EXPECT_EQ(problem_of(ask("GET", "/v1/users/" + std::string(257, 'u') + "/kyc-status")), "400 invalid_request");
}

} // namespace
} // namespace prooftrack::api
