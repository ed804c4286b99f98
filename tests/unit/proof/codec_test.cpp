#include "proof/codec.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "proof/body_hash.hpp"

namespace prooftrack::proof {
namespace {

using namespace std::chrono_literals;

const std::string id = "550e8400-e29b-41d4-a716-446655440000";
constexpr std::uint64_t seed = 42;
const wall_time now = std::chrono::sys_days(std::chrono::year(2026) / 4 / 1) + 10h;

const std::string first_generation =
    R"({"merchant_transaction_id":"550e8400-e29b-41d4-a716-446655440000","type":"buy","status":"processing",)"
    R"("currency":"USDT","crypto_amount":"","fiat_currency":"EUR","fiat_amount":"100.00",)"
    R"("created_at":"2026-04-01T09:58:00Z","updated_at":"2026-04-01T09:59:00Z"})";
const std::string current_generation =
    R"({"merchant_transaction_id":"550e8400-e29b-41d4-a716-446655440000","partner_user_id":"u-1","type":"sell",)"
    R"("status":"completed","currency":"USDT","network":"TRC20","crypto_amount":"1.10","fiat_currency":"EUR",)"
    R"("fiat_amount":"1.00","created_at":"2026-04-01T09:58:00.123Z","updated_at":"2026-04-01T09:59:00.5Z"})";

track::poll_answer classify(
    int status, std::string_view body, std::uint64_t known = 0, std::string_view content_type = "application/json") {
    reply_view reply;
    reply.status = status;
    reply.content_type = content_type;
    reply.body = body;
    return classify_reply(reply, {id, known, seed}, now);
}

std::string good_body(const std::string& status = "pending") {
    return R"({"merchant_transaction_id":")" + id + R"(","status":")" + status + R"("})";
}

// --- The table of README.md, row by row -----------------------------------------------------------------------------

struct table_row {
    int status;
    std::string body;
    track::reply_class what;
    std::string error;
};

const std::string current_error = R"({"error":"not_found","code":"transaction_not_found","message":"no such"})";
const std::string first_error = R"({"error":"transaction_not_found","message":"no such","request_id":"req-9"})";
const std::string html = "<html><body>404 Not Found</body></html>";

class CodecTable : public testing::TestWithParam<table_row> {};

TEST_P(CodecTable, ClassifiesTheRow) {
    const table_row& row = GetParam();
    const track::poll_answer answer = classify(row.status, row.body);
    EXPECT_EQ(to_string(answer.what), to_string(row.what));
    EXPECT_EQ(answer.error, row.error);
    EXPECT_EQ(answer.http_status, row.status);
    EXPECT_FALSE(answer.took.count());
}

INSTANTIATE_TEST_SUITE_P(
    Rows, CodecTable,
    testing::Values(
        table_row{200, good_body(), track::reply_class::good, ""},
        table_row{200, html, track::reply_class::unusable, "200 but the body is not JSON"},
        table_row{200, "", track::reply_class::unusable, "200 but the body is not JSON"},
        table_row{201, good_body(), track::reply_class::unusable, "201 is not an answer about a transaction"},
        table_row{204, "", track::reply_class::unusable, "204 is not an answer about a transaction"},
        table_row{206, good_body(), track::reply_class::unusable, "206 is not an answer about a transaction"},
        table_row{301, "", track::reply_class::unusable, "301 is a redirect, which is not followed"},
        table_row{302, good_body(), track::reply_class::unusable, "302 is a redirect, which is not followed"},
        table_row{304, "", track::reply_class::unusable, "304 is a redirect, which is not followed"},
        table_row{
            400, R"({"error":"invalid_request","code":"invalid_request","message":"m"})",
            track::reply_class::bad_request, "400 invalid_request"},
        table_row{
            400, R"({"error":"unsupported_currency","message":"m","request_id":"r"})", track::reply_class::bad_request,
            "400 unsupported_currency"},
        table_row{400, html, track::reply_class::server_error, "400 without Proof's error body"},
        table_row{400, "{}", track::reply_class::server_error, "400 without Proof's error body"},
        table_row{
            401, R"({"error":"unauthorised","code":"invalid_token","message":"m"})", track::reply_class::unauthorized,
            "401 invalid_token"},
        table_row{
            401, R"({"error":"unauthorized","message":"m","request_id":"r"})", track::reply_class::unauthorized,
            "401 unauthorized"},
        table_row{401, html, track::reply_class::server_error, "401 without Proof's error body"},
        table_row{
            403, R"({"error":"forbidden","code":"forbidden_origin","message":"m"})", track::reply_class::forbidden,
            "403 forbidden_origin"},
        table_row{403, html, track::reply_class::server_error, "403 without Proof's error body"},
        table_row{404, current_error, track::reply_class::not_found, "404 transaction_not_found"},
        table_row{404, first_error, track::reply_class::not_found, "404 transaction_not_found"},
        table_row{404, html, track::reply_class::server_error, "404 without Proof's error body"},
        table_row{
            404, R"({"message":"no Route matched"})", track::reply_class::server_error,
            "404 without Proof's error body"},
        table_row{404, R"({"error":404})", track::reply_class::server_error, "404 without Proof's error body"},
        table_row{404, R"(["error"])", track::reply_class::server_error, "404 without Proof's error body"},
        table_row{404, R"({"error":"x"} trailing)", track::reply_class::server_error, "404 without Proof's error body"},
        table_row{
            409, R"({"error":"session_already_used","message":"m"})", track::reply_class::server_error,
            "409 session_already_used"},
        table_row{
            422, R"({"error":"kyc_required","message":"m"})", track::reply_class::server_error, "422 kyc_required"},
        table_row{
            429, R"({"error":"rate_limit_exceeded","message":"m"})", track::reply_class::throttled,
            "429 rate_limit_exceeded"},
        table_row{429, html, track::reply_class::throttled, "429 too many requests"},
        table_row{402, "", track::reply_class::server_error, "402"},
        table_row{408, "", track::reply_class::server_error, "408"},
        table_row{451, "", track::reply_class::server_error, "451"},
        table_row{
            500, R"({"error":"internal_error","code":"db_error","message":"m"})", track::reply_class::server_error,
            "500 db_error"},
        table_row{
            502, R"({"error":"upstream_error","code":"upstream_invalid_response","message":"m"})",
            track::reply_class::server_error, "502 upstream_invalid_response"},
        table_row{502, html, track::reply_class::server_error, "502"},
        table_row{503, "", track::reply_class::server_error, "503"},
        table_row{599, "", track::reply_class::server_error, "599"},
        table_row{199, "", track::reply_class::unusable, "199 is no HTTP status"},
        table_row{600, "", track::reply_class::unusable, "600 is no HTTP status"}));

// --- Good replies ---------------------------------------------------------------------------------------------------

TEST(Codec, ReadsAReplyOfTheFirstGeneration) {
    const track::poll_answer answer = classify(200, first_generation);
    EXPECT_EQ(answer.what, track::reply_class::good);
    EXPECT_EQ(answer.status, "processing");
    EXPECT_EQ(answer.body, first_generation);
    EXPECT_EQ(answer.body_hash, hash_body(first_generation, seed));
    EXPECT_EQ(answer.updated_at, parse_wall_time("2026-04-01T09:59:00Z"));
    EXPECT_EQ(answer.error, "");
}

TEST(Codec, SkipsAByteOrderMarkBeforeTheObject) {
    const std::string mark = "\xef\xbb\xbf";
    const track::poll_answer answer = classify(200, mark + std::string(first_generation));
    EXPECT_EQ(answer.what, track::reply_class::good);
    EXPECT_EQ(answer.body, first_generation) << "it would spoil the JSON that the reply is passed on in";
    EXPECT_EQ(classify(200, mark + mark + std::string(first_generation)).what, track::reply_class::unusable);
    EXPECT_EQ(classify(200, " " + mark + std::string(first_generation)).what, track::reply_class::unusable);
    EXPECT_EQ(classify(403, mark + R"({"error":"forbidden","message":"m"})").what, track::reply_class::forbidden);
}

TEST(Codec, AStatusWithControlCharactersIsNoGoodReply) {
    for (const std::string word :
         {R"(completed\u0000)", R"(\u001b[2Jcompleted)", R"(a\nb)", R"(a\u007f)", R"(a\u0085b)"}) {
        const track::poll_answer answer = classify(200, good_body(word));
        EXPECT_EQ(answer.what, track::reply_class::unusable) << word;
        EXPECT_EQ(answer.error, "200 but status has control characters");
    }
    const track::poll_answer plain = classify(200, good_body("payé"));
    EXPECT_EQ(plain.what, track::reply_class::good);
}

TEST(Codec, ReadsAReplyOfTheCurrentGeneration) {
    const track::poll_answer answer = classify(200, current_generation);
    EXPECT_EQ(answer.what, track::reply_class::good);
    EXPECT_EQ(answer.status, "completed");
    EXPECT_EQ(answer.body, current_generation);
    EXPECT_EQ(answer.updated_at, parse_wall_time("2026-04-01T09:59:00.500Z"));
}

TEST(Codec, KeepsAnUnknownStatus) { EXPECT_EQ(classify(200, good_body("Completed")).status, "Completed"); }

TEST(Codec, AnEqualBodyIsUnchangedWithoutItsBytes) {
    const track::poll_answer first = classify(200, first_generation);
    const track::poll_answer again = classify(200, first_generation, first.body_hash);
    EXPECT_EQ(again.what, track::reply_class::unchanged);
    EXPECT_EQ(again.body, "");
    EXPECT_EQ(again.status, "");
    EXPECT_EQ(again.body_hash, first.body_hash);
    EXPECT_EQ(classify(200, current_generation, first.body_hash).what, track::reply_class::good);
}

TEST(Codec, AnEqualBodyOfAnotherStatusOrTypeIsNotUnchanged) {
    const std::uint64_t known = hash_body(first_generation, seed);
    EXPECT_EQ(classify(201, first_generation, known).what, track::reply_class::unusable);
    EXPECT_EQ(classify(500, first_generation, known).what, track::reply_class::server_error);
    EXPECT_EQ(classify(200, first_generation, known, "text/html").what, track::reply_class::unusable);
}

TEST(Codec, TakesParametersAndCaseOfTheContentType) {
    for (const std::string type :
         {"application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8",
          " application/json ;v=1", "application/json;"}) {
        EXPECT_EQ(classify(200, good_body(), 0, type).what, track::reply_class::good) << type;
    }
}

TEST(Codec, RefusesOtherContentTypes) {
    for (const std::string type :
         {"", "text/html", "application/problem+json", "application/jsonp", "text/json", "application/json, text/html",
          "application / json"}) {
        const track::poll_answer answer = classify(200, good_body(), 0, type);
        EXPECT_EQ(answer.what, track::reply_class::unusable) << type;
        EXPECT_EQ(answer.error, "200 but the content type is \"" + std::string(type) + "\", not application/json");
    }
}

TEST(Codec, RefusesAContentEncoding) {
    for (const auto& [coding, what] : std::vector<std::pair<std::string, track::reply_class>>{
             {"identity", track::reply_class::good},
             {"Identity", track::reply_class::good},
             {"gzip", track::reply_class::unusable},
             {"br", track::reply_class::unusable},
             {"identity, gzip", track::reply_class::unusable}}) {
        reply_view reply;
        reply.status = 200;
        reply.content_type = "application/json";
        reply.content_encoding = coding;
        const std::string body = good_body();
        reply.body = body;
        EXPECT_EQ(classify_reply(reply, {id, 0, seed}, now).what, what) << coding;
    }
}

TEST(Codec, AnEncodedErrorBodyIsNotProofsOwn) {
    reply_view reply;
    reply.status = 404;
    reply.content_encoding = "gzip";
    reply.body = current_error;
    EXPECT_EQ(classify_reply(reply, {id, 0, seed}, now).what, track::reply_class::server_error);
}

TEST(Codec, ComparesTheIdByteForByteAfterDecodingEscapes) {
    EXPECT_EQ(
        classify(200, R"({"merchant_transaction_id":"\u0035\u0035)" + id.substr(2) + R"(","status":"pending"})").what,
        track::reply_class::good);
    EXPECT_EQ(
        classify(200, R"({"merchant\u005ftransaction_id":")" + id + R"(","stat\u0075s":"pen\u0064ing"})").status,
        "pending");
    for (const std::string& other : {id + "0", id.substr(1), std::string(), " " + id, id + "\\u0000"}) {
        const track::poll_answer answer =
            classify(200, R"({"merchant_transaction_id":")" + other + R"(","status":"completed"})");
        EXPECT_EQ(answer.what, track::reply_class::unusable) << other;
        EXPECT_EQ(answer.error, wrong_id_error) << other;
        EXPECT_EQ(answer.status, "") << other;
    }
    std::string upper = id;
    for (char& c : upper) c = c == 'e' ? 'E' : c;
    EXPECT_EQ(
        classify(200, R"({"merchant_transaction_id":")" + upper + R"(","status":"completed"})").error, wrong_id_error);
}

struct broken_reply {
    std::string body;
    std::string why;
};

TEST(Codec, RefusesWhateverBreaksAGoodReply) {
    const std::string with_id = R"({"merchant_transaction_id":")" + id + R"(")";
    const std::vector<broken_reply> broken{
        {"{", "the body is not JSON"},
        {"null", "the body is not a JSON object"},
        {"[]", "the body is not a JSON object"},
        {"\"completed\"", "the body is not a JSON object"},
        {"{}", "merchant_transaction_id is missing"},
        {R"({"status":"completed"})", "merchant_transaction_id is missing"},
        {R"({"data":)" + good_body() + "}", "merchant_transaction_id is missing"},
        {R"({"merchant_transaction_id":5,"status":"completed"})", "merchant_transaction_id is not a string"},
        {R"({"merchant_transaction_id":null,"status":"completed"})", "merchant_transaction_id is not a string"},
        {with_id + "}", "status is missing"},
        {with_id + R"(,"status":null})", "status is not a string"},
        {with_id + R"(,"status":{"status":"completed"}})", "status is not a string"},
        {with_id + R"(,"status":"pending","status":"completed"})", "status stands twice"},
        {with_id + R"(,"status":"completed","\u0073tatus":"completed"})", "status stands twice"},
        {with_id + R"(,"status":"completed","merchant_transaction_id":")" + id + "\"}",
         "merchant_transaction_id stands twice"},
        {with_id + R"(,"status":""})", "status is empty"},
        {with_id + R"(,"status":")" + std::string(65, 'x') + "\"}", "status is too long"},
        {good_body("completed") + "x", "the body is not JSON"},
        {good_body("completed") + good_body("completed"), "the body is not JSON"},
        {good_body("completed") + std::string(1, '\0'), "the body is not JSON"},
        {"\xef\xbb\xbf\xef\xbb\xbf" + good_body("completed"), "the body is not JSON"}, // one is skipped
        {with_id + ",\"status\":\"completed\",\"x\":\"\xff\"}", "the body is not JSON"},
        {with_id + R"(,"status":"completed","x":NaN})", "the body is not JSON"},
        {with_id + R"(,"status":"completed",})", "the body is not JSON"},
        {with_id + R"(,"status":'completed'})", "the body is not JSON"},
    };
    for (const auto& [body, why] : broken) {
        const track::poll_answer answer = classify(200, body);
        EXPECT_EQ(answer.what, track::reply_class::unusable) << body;
        EXPECT_EQ(answer.error, "200 but " + why) << body;
        EXPECT_EQ(answer.status, "") << body;
        EXPECT_EQ(answer.body_hash, 0U) << body;
    }
}

TEST(Codec, EveryTruncationOfAGoodReplyIsUnusable) {
    for (std::size_t size = 0; size < current_generation.size(); ++size) {
        EXPECT_EQ(classify(200, current_generation.substr(0, size)).what, track::reply_class::unusable) << size;
    }
}

TEST(Codec, AllowsWhatItDoesNotLookAt) {
    const std::string with_id = R"({"merchant_transaction_id":")" + id + R"(","status":"pending")";
    for (const std::string& more :
         {std::string(R"(,"a":1,"a":2)"), std::string(R"(,"n":1e999)"),
          std::string(R"(,"n":123456789012345678901234567890)"),
          ",\"d\":" + std::string(100, '[') + std::string(100, ']'), std::string(R"(,"updated_at":5)"),
          std::string(R"(,"updated_at":"yesterday")"), std::string(R"(,"updated_at":null)")}) {
        const track::poll_answer answer = classify(200, with_id + more + "}");
        EXPECT_EQ(answer.what, track::reply_class::good) << more;
        EXPECT_FALSE(answer.updated_at) << more;
    }
    EXPECT_EQ(classify(200, " \r\n\t" + good_body() + "\r\n").what, track::reply_class::good);
    EXPECT_EQ(classify(200, good_body(std::string(track::max_status_length, 'x'))).what, track::reply_class::good);
}

TEST(Codec, RefusesNestingWithoutEnd) {
    const std::string deep = R"({"merchant_transaction_id":")" + id + R"(","status":"pending","d":)" +
                             std::string(30000, '[') + std::string(30000, ']') + "}";
    EXPECT_EQ(classify(200, deep).what, track::reply_class::unusable);
}

// --- Headers --------------------------------------------------------------------------------------------------------

TEST(Codec, ThrottlingSaysHowLong) {
    reply_view reply;
    reply.status = 429;
    reply.retry_after = "7";
    EXPECT_EQ(classify_reply(reply, {id, 0, seed}, now).retry_after, 7s);
    reply.retry_after = "Wed, 01 Apr 2026 09:00:42 GMT";
    reply.date = "Wed, 01 Apr 2026 09:00:00 GMT";
    const track::poll_answer relative = classify_reply(reply, {id, 0, seed}, now);
    EXPECT_EQ(relative.retry_after, 42s) << "relative to the reply's Date, not to our clock";
    EXPECT_EQ(relative.server_date, now - 1h);
    reply.retry_after = "";
    EXPECT_FALSE(classify_reply(reply, {id, 0, seed}, now).retry_after);
    reply.status = 503;
    reply.retry_after = "7";
    EXPECT_FALSE(classify_reply(reply, {id, 0, seed}, now).retry_after) << "only a 429 pauses everybody";
}

TEST(Codec, CleansTheRequestId) {
    reply_view reply;
    reply.status = 500;
    reply.request_id = "req\r\n\x1b[31m\x80 1";
    EXPECT_EQ(classify_reply(reply, {id, 0, seed}, now).request_id, "req[31m1");
    const std::string longer(300, 'r');
    reply.request_id = longer;
    EXPECT_EQ(classify_reply(reply, {id, 0, seed}, now).request_id, std::string(128, 'r'));
}

TEST(Codec, TakesTheRequestIdOfAFirstGenerationErrorBody) {
    EXPECT_EQ(classify(404, first_error).request_id, "req-9");
    reply_view reply;
    reply.status = 404;
    reply.body = first_error;
    reply.request_id = "from-header";
    EXPECT_EQ(classify_reply(reply, {id, 0, seed}, now).request_id, "from-header");
}

TEST(Codec, TheWordsOfARefusalAreForPeople) {
    const auto said = [](int status, const std::string& message) {
        return classify(status, R"({"error":"unauthorized","code":"invalid_token","message":")" + message + "\"}")
            .message;
    };
    EXPECT_EQ(said(401, "The client token is not valid"), "The client token is not valid");
    EXPECT_EQ(said(403, R"(Not\u001b[2J\nallowed)"), "Not[2Jallowed");
    EXPECT_EQ(said(401, std::string(500, 'x')).size(), 200U);
    EXPECT_EQ(said(500, "No such table"), "");
}

TEST(Codec, NeverQuotesTheBodyInAnError) {
    const std::string mail = "jane@example.com";
    for (const int status : {200, 201, 400, 401, 403, 404, 429, 500}) {
        for (const std::string& body :
             {R"({"error":")" + mail + "\"}", R"({"error":"x","code":")" + mail + "\"}", mail,
              "{\"a\":\"" + mail + "\"}", R"({"merchant_transaction_id":")" + mail + R"(","status":"x"})"}) {
            EXPECT_EQ(classify(status, body).error.find("jane"), std::string::npos) << status << " " << body;
        }
    }
}

// --- Properties -----------------------------------------------------------------------------------------------------

RC_GTEST_PROP(CodecProperty, OnlyAWhole200WithOurIdIsGood, (const std::string& body, const std::string& type)) {
    const int status = *rc::gen::inRange(0, 700);
    const track::poll_answer answer = classify(status, body, 0, type);
    RC_ASSERT(answer.what != track::reply_class::good);
    RC_ASSERT(answer.what != track::reply_class::unchanged);
    RC_ASSERT(answer.what != track::reply_class::no_reply);
    RC_ASSERT(!answer.error.empty());
    RC_ASSERT(answer.status.empty());
}

RC_GTEST_PROP(CodecProperty, OneDamagedByteNeverMakesAnotherTerminalWord, ()) {
    const auto at = *rc::gen::inRange<std::size_t>(0, current_generation.size());
    const auto byte = *rc::gen::arbitrary<char>();
    std::string damaged = current_generation;
    damaged[at] = byte;
    const track::poll_answer answer = classify(200, damaged);
    const bool settles = answer.what == track::reply_class::good && is_terminal(track::classify_status(answer.status));
    RC_ASSERT(!settles || answer.status == "completed");
}

RC_GTEST_PROP(CodecProperty, AGoodReplyIsVerbatim, (const std::string& extra)) {
    std::string escaped;
    for (const char c : extra) {
        if (c >= ' ' && c <= '~' && c != '"' && c != '\\') escaped += c;
    }
    const std::string body =
        R"({"x":")" + escaped + R"(",  "status" : "pending","merchant_transaction_id":")" + id + "\" }";
    const track::poll_answer answer = classify(200, body);
    RC_ASSERT(answer.what == track::reply_class::good);
    RC_ASSERT(answer.body == body);
    RC_ASSERT(classify(200, body, answer.body_hash).what == track::reply_class::unchanged);
}

} // namespace
} // namespace prooftrack::proof
