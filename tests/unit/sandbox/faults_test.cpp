#include "sandbox/faults.hpp"

#include <gtest/gtest.h>

#include "sandbox/script_document.hpp"

namespace prooftrack::sandbox {
namespace {

constexpr std::string_view poll_path = "/widget/transactions/a";

steady_time at(milliseconds since_start) { return steady_time(std::chrono::hours(1)) + since_start; }

fault make(fault_kind kind) {
    fault made;
    made.kind = kind;
    return made;
}

TEST(Faults, ACountIsUsedUp) {
    fault_list faults;
    auto twice = make(fault_kind::close);
    twice.count = 2;
    ASSERT_TRUE(faults.turn_on(twice, at({})));
    EXPECT_TRUE(faults.take(poll_path, at({}), false));
    EXPECT_TRUE(faults.take(poll_path, at({}), false));
    EXPECT_FALSE(faults.take(poll_path, at({}), false));
    EXPECT_TRUE(faults.empty());
}

TEST(Faults, OnlyTheirPathIsStruck) {
    fault_list faults;
    auto one = make(fault_kind::close);
    one.path = "/widget/transactions/b";
    ASSERT_TRUE(faults.turn_on(one, at({})));
    EXPECT_FALSE(faults.take(poll_path, at({}), false));
    EXPECT_TRUE(faults.take("/widget/transactions/b", at({}), false));
}

TEST(Faults, TheNewestThatFitsStrikes) {
    fault_list faults;
    ASSERT_TRUE(faults.turn_on(make(fault_kind::close), at({})));
    ASSERT_TRUE(faults.turn_on(make(fault_kind::garbage), at({})));
    EXPECT_EQ(faults.take(poll_path, at({}), false)->kind, fault_kind::garbage);
}

TEST(Faults, TheSameKindAndPathReplaces) {
    fault_list faults;
    for (int status = 500; status < 510; ++status) {
        auto one = make(fault_kind::status);
        one.http_status = status;
        ASSERT_TRUE(faults.turn_on(one, at({})));
    }
    EXPECT_EQ(faults.all().size(), 1U);
    EXPECT_EQ(faults.take(poll_path, at({}), false)->http_status, 509);
}

TEST(Faults, ADelayGoesTogetherWithAnother) {
    fault_list faults;
    auto slow = make(fault_kind::delay);
    slow.delay = milliseconds(70);
    ASSERT_TRUE(faults.turn_on(slow, at({})));
    ASSERT_TRUE(faults.turn_on(make(fault_kind::truncate), at({})));
    EXPECT_EQ(faults.take_delay(poll_path, at({})), milliseconds(70));
    EXPECT_EQ(faults.take(poll_path, at({}), false)->kind, fault_kind::truncate);
}

TEST(Faults, TheyEndByThemselvesAfterFor) {
    fault_list faults;
    auto brief = make(fault_kind::close);
    brief.lasts = seconds(3);
    ASSERT_TRUE(faults.turn_on(brief, at({})));
    EXPECT_TRUE(faults.take(poll_path, at(milliseconds(2999)), false));
    EXPECT_FALSE(faults.take(poll_path, at(milliseconds(3000)), false));
}

TEST(Faults, TheirNumberIsBounded) {
    fault_list faults;
    for (std::size_t index = 0; index <= fault_list::most_faults; ++index) {
        auto one = make(fault_kind::close);
        one.path = "/widget/transactions/" + std::to_string(index);
        EXPECT_EQ(faults.turn_on(one, at({})), index < fault_list::most_faults);
    }
}

TEST(ScriptDocument, ReadsTheContractsExamples) {
    const auto change = parse_transaction_change(R"({"script": [{"after": "2s", "status": "processing"}]})");
    ASSERT_TRUE(change);
    ASSERT_EQ(change->script.size(), 1U);
    EXPECT_EQ(change->script[0].after, seconds(2));
    const auto faults = parse_faults(
        R"({"kind": "status", "status": 429, "retry_after": "3s", "count": 10, "path": "/widget/transactions/"})");
    ASSERT_TRUE(faults);
    EXPECT_EQ(faults->at(0).http_status, 429);
    EXPECT_EQ(faults->at(0).retry_after, "3");
    EXPECT_EQ(faults->at(0).count, 10U);
    EXPECT_EQ(faults->at(0).path, "/widget/transactions/");
}

TEST(ScriptDocument, NamesWhatIsWrong) {
    const auto message = [](std::string_view text) {
        const auto parsed = parse_script_document(text);
        return parsed ? std::string("accepted") : parsed.error().message;
    };
    EXPECT_NE(message(R"({"transaction": {}})").find("\"transaction\""), std::string::npos);
    EXPECT_NE(message(R"({"transactions": {"a/b": "pending"}})").find("a/b"), std::string::npos);
    EXPECT_NE(message(R"({"faults": [{"kind": "explode"}]})").find("kind"), std::string::npos);
    EXPECT_NE(message(R"({"faults": [{"kind": "refuse"}]})").find("refuse"), std::string::npos);
    EXPECT_NE(
        message(R"({"sessions": {"script": [{"after": 2, "status": "failed"}]}})").find("after"), std::string::npos);
    EXPECT_NE(message("[").find("not JSON"), std::string::npos);
    EXPECT_EQ(message(R"({"transactions": {"a": "failed"}, "faults": [], "users": {"u": "verified"}})"), "accepted");
}

} // namespace
} // namespace prooftrack::sandbox
