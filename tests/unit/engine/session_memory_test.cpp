#include <gtest/gtest.h>

#include "engine/session_memory.hpp"
#include "engine/session_text.hpp"
#include "first_time.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;

store::digest key_of(int number) {
    store::digest key{};
    key[0] = static_cast<std::uint8_t>(number);
    key[1] = static_cast<std::uint8_t>(number >> 8);
    return key;
}

kept_answer reply_of(std::size_t bytes) { return keep_secret({201, "", std::string(bytes, 'x'), ""}); }

TEST(SessionMemory, IsBoundedByNumber) {
    session_memory memory({.entries = 3, .bytes = 1U << 20U, .largest = 1000, .age = 1h});
    for (int i = 0; i < 5; ++i) memory.keep(key_of(i), {}, reply_of(10), first_time + i * 1s);
    EXPECT_EQ(memory.size(), 3U);
    EXPECT_EQ(memory.find(key_of(1), first_time + 5s), nullptr);
    EXPECT_NE(memory.find(key_of(2), first_time + 5s), nullptr);
}

TEST(SessionMemory, IsBoundedByBytesAndForgetsTheOldestFirst) {
    session_memory memory({.entries = 1000, .bytes = 10'000, .largest = 4'000, .age = 1h});
    for (int i = 0; i < 100; ++i) {
        memory.keep(key_of(i), {}, reply_of(3'000), first_time);
        EXPECT_LE(memory.bytes(), 10'000U);
    }
    EXPECT_EQ(memory.size(), 2U);
    EXPECT_NE(memory.find(key_of(99), first_time), nullptr);
    memory.keep(key_of(100), {}, reply_of(4'001), first_time);
    EXPECT_EQ(memory.find(key_of(100), first_time), nullptr) << "too long to be kept";
    EXPECT_EQ(memory.size(), 2U) << "and nobody made room for it";
}

TEST(SessionMemory, FindsNothingPastItsAgeAlsoWhenNobodyCame) {
    session_memory memory({.entries = 10, .bytes = 1U << 20U, .largest = 1000, .age = 1h});
    memory.keep(key_of(1), {}, reply_of(10), first_time);
    memory.keep(key_of(2), {}, reply_of(10), first_time + 10min);
    EXPECT_EQ(memory.next_wake(), first_time + 1h);
    EXPECT_NE(memory.find(key_of(1), first_time + 59min), nullptr);
    EXPECT_EQ(memory.find(key_of(1), first_time + 1h), nullptr);
    memory.forget_old(first_time + 1h);
    EXPECT_EQ(memory.size(), 1U);
    EXPECT_EQ(memory.next_wake(), first_time + 1h + 10min);
    memory.forget_old(first_time + 2h);
    EXPECT_EQ(memory.size(), 0U);
    EXPECT_EQ(memory.bytes(), 0U);
    EXPECT_EQ(memory.next_wake(), std::nullopt);
}

TEST(SessionMemory, AKeyThatComesAgainIsAsOldAsItsNewestAnswer) {
    session_memory memory({.entries = 10, .bytes = 1U << 20U, .largest = 1000, .age = 1h});
    memory.keep(key_of(1), {}, api::problem{}, first_time);
    memory.keep(key_of(2), {}, reply_of(10), first_time + 1min);
    memory.keep(key_of(1), {}, reply_of(20), first_time + 30min);
    EXPECT_EQ(memory.size(), 2U);
    memory.forget_old(first_time + 1h + 1min);
    EXPECT_EQ(memory.find(key_of(2), first_time), nullptr);
    ASSERT_NE(memory.find(key_of(1), first_time), nullptr);
    EXPECT_TRUE(std::holds_alternative<kept_reply>(memory.find(key_of(1), first_time)->answer));
    memory.forget(key_of(1));
    memory.forget(key_of(7));
    EXPECT_EQ(memory.bytes(), 0U);
}

session_reading read(int status, std::string body, bool is_own_error = false) {
    proof::proof_reply reply;
    reply.status = status;
    reply.body = std::move(body);
    reply.is_own_error = is_own_error;
    return read_session_reply(reply);
}

TEST(SessionText, ReadsTheIdOfAWholeObjectOnce) {
    const auto made = read(200, R"({"a":1,"merchant_transaction_id" : "03b22d25d523a5285","a":1e999})");
    EXPECT_EQ(made.outcome, session_outcome::made);
    EXPECT_EQ(made.id->str(), "03b22d25d523a5285");
    for (const char* body :
         {"", "{}", "[]", R"({"merchant_transaction_id":7})", R"({"merchant_transaction_id":"a/b"})",
          R"({"merchant_transaction_id":"a","merchant_transaction_id":"a"})",
          R"({"merchant_transaction_id":"a","merchant_transaction_id":null})", R"({"merchant_transaction_id":"a"} x)",
          R"({"data":{"merchant_transaction_id":"a"}})"}) {
        EXPECT_EQ(read(200, body).outcome, session_outcome::unknown) << body;
    }
}

TEST(SessionText, ARefusalIsA4xxOfProofsOwnWithoutAnId) {
    const std::string error = R"({"error":"invalid_request"})";
    EXPECT_EQ(read(400, error, true).outcome, session_outcome::refused);
    EXPECT_EQ(read(499, error, true).outcome, session_outcome::refused);
    EXPECT_EQ(read(400, error, false).outcome, session_outcome::unknown);
    EXPECT_EQ(read(408, error, true).outcome, session_outcome::unknown);
    EXPECT_EQ(read(500, error, true).outcome, session_outcome::unknown);
    EXPECT_EQ(read(422, R"({"error":"x","merchant_transaction_id":null})", true).outcome, session_outcome::refused);
    EXPECT_EQ(read(422, R"({"error":"x","merchant_transaction_id":""})", true).outcome, session_outcome::refused);
    EXPECT_EQ(read(422, R"({"error":"x","merchant_transaction_id":7})", true).outcome, session_outcome::unknown);
    EXPECT_EQ(read(422, R"({"error":"x","merchant_transaction_id":"a"})", true).outcome, session_outcome::made);
}

} // namespace
} // namespace prooftrack::engine
