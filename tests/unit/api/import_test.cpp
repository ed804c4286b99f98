#include "router_fixture.hpp"

#include "api/import_reader.hpp"

namespace prooftrack::api {
namespace {

class Import : public router_test {
  protected:
    api_response import(std::string body) {
        return ask("POST", "/v1/transactions", std::move(body), "application/x-ndjson");
    }
};

TEST_F(Import, TakesObjectsStringsAndBareIds) {
    const auto response =
        import("{\"merchant_transaction_id\":\"a\",\"metadata\":{\"k\": 1}}\n\"b\"\r\n  c  \n\n   \nd");
    EXPECT_EQ(response.body, R"({"created":4,"existing":0,"rejected":[]})");
    ASSERT_EQ(backend_.last_import.size(), 4U);
    EXPECT_EQ(backend_.last_import[0].request.options.metadata, "{\"k\": 1}");
    EXPECT_EQ(backend_.last_import[1].request.id.str(), "b");
    EXPECT_EQ(backend_.last_import[2].request.id.str(), "c");
    EXPECT_EQ(backend_.last_import[2].line, 3U);
    EXPECT_EQ(backend_.last_import[3].line, 6U);
    EXPECT_FALSE(backend_.last_import[0].is_bare);
    for (std::size_t i = 1; i < 4; ++i) EXPECT_TRUE(backend_.last_import[i].is_bare) << i;
}

TEST_F(Import, RejectsLineByLineAndMergesTheBackends) {
    backend_.import_rejections = {{2, problem_code::already_tracked, "with other options"}};
    const auto body = json_of(import("bad id\nb\n{\"merchant_transaction_id\":\"c\",\"x\":1}\n{\n\"d\" e\n[]\ng"));
    EXPECT_EQ(body.at("created").as_int64(), 1);
    const auto& rejected = body.at("rejected").as_array();
    ASSERT_EQ(rejected.size(), 6U);
    const std::vector<std::int64_t> lines{1, 2, 3, 4, 5, 6};
    for (std::size_t i = 0; i < lines.size(); ++i) {
        EXPECT_EQ(rejected[i].at("line").as_int64(), lines[i]);
        EXPECT_EQ(rejected[i].at("code").as_string(), i == 1 ? "already_tracked" : "invalid_request");
        EXPECT_FALSE(rejected[i].at("detail").as_string().empty());
    }
}

TEST_F(Import, WithoutAUsableLineCallsNothingOfTheBackend) {
    EXPECT_EQ(import("").body, R"({"created":0,"existing":0,"rejected":[]})");
    EXPECT_EQ(import("\n \n").body, R"({"created":0,"existing":0,"rejected":[]})");
    EXPECT_EQ(json_of(import("a b")).at("rejected").as_array().size(), 1U);
    EXPECT_TRUE(backend_.calls.empty());
}

TEST_F(Import, TakesAHundredThousandLinesAndNotOneMore) {
    std::string body;
    for (int i = 0; i < 100'000; ++i) body += fmt::format("id-{}\n\n", i);
    EXPECT_EQ(json_of(import(body)).at("created").as_int64(), 100'000);
    backend_.calls.clear();
    EXPECT_EQ(problem_of(import(body + "one-more")), "413 too_large");
    EXPECT_TRUE(backend_.calls.empty());
}

TEST_F(Import, LetsTheLoopTurnBetweenSlices) {
    std::string body;
    for (int i = 0; i < 2'000; ++i) body += fmt::format("id-{}\n", i);
    request_head head;
    head.may_change = true;
    head.method = "POST";
    head.target = "/v1/transactions";
    head.content_type = "application/x-ndjson";
    head.has_body = true;
    bool answered = false;
    router_.handle({head, body}, [&](const api_response&) { answered = true; });
    int turns = 0;
    while (!answered && turns < 100) turns += static_cast<int>(loop_.poll_one());
    EXPECT_GE(turns, 5);
    EXPECT_TRUE(answered);
}

TEST_F(Import, RejectsALineThatIsTooLongWithoutParsingIt) {
    const auto body =
        json_of(import("{\"merchant_transaction_id\":\"" + std::string(max_import_line_bytes, 'a') + "\"}\nok"));
    EXPECT_EQ(body.at("created").as_int64(), 1);
    EXPECT_EQ(body.at("rejected").at(0).at("code").as_string(), "too_large");
}

TEST_F(Import, AFailureHalfWaySaysWhatWasTaken) {
    problem half;
    half.code = problem_code::store_unavailable;
    half.detail = "the disk is full: repeat later";
    half.members = {problem_member::number("taken", 1000)};
    backend_.refuse_with = half;
    const auto response = import("a\nb");
    EXPECT_EQ(problem_of(response), "503 store_unavailable");
    EXPECT_EQ(json_of(response).at("taken").as_int64(), 1000);
}

TEST_F(Import, HasItsOwnBodyLimit) {
    request_head head;
    head.may_change = true;
    head.method = "POST";
    head.target = "/v1/transactions?x";
    EXPECT_EQ(router_.body_limit(head), max_body_bytes);
    head.content_type = "application/x-ndjson; charset=utf-8";
    EXPECT_EQ(router_.body_limit(head), max_import_bytes);
    head.target = "/v1/hints";
    EXPECT_EQ(router_.body_limit(head), max_body_bytes);
}

TEST(ImportReader, ReadsAtMostTheLinesOfASlice) {
    import_reader reader("a\nb\nc\n");
    EXPECT_TRUE(reader.read_slice(2));
    EXPECT_FALSE(reader.read_slice(2));
    EXPECT_EQ(reader.take_lines().size(), 3U);
    EXPECT_FALSE(import_reader("").read_slice(1));
}

} // namespace
} // namespace prooftrack::api
