#include "sandbox/session.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace prooftrack::sandbox {
namespace {

constexpr std::string_view first_body =
    R"({"partner_user_id":"u","user_email":"a@b.example","currency":"USDT","fiat_currency":"EUR",)"
    R"("fiat_amount":"10.10"})";
constexpr std::string_view current_body =
    R"({"partner_user_id":"u","user_email":"a@b.example","currency":"USDT","network":"BEP20","amount":"7.50"})";

/// "accepted", or Proof's code.
std::string outcome(const session_rules& rules, std::string_view body) {
    const auto parsed = parse_session_request(rules, body);
    const auto* failure = std::get_if<proof_failure>(&parsed);
    return failure == nullptr ? "accepted" : std::string(failure->code);
}

boost::json::object answer(const session_rules& rules, std::string_view body) {
    const auto parsed = parse_session_request(rules, body);
    return boost::json::parse(format_session(std::get<session_order>(parsed), {"id", "v2:00", "token"}, "https://x"))
        .as_object();
}

TEST(Session, EachGenerationTakesItsOwnBody) {
    const session_rules first{api_generation::first, false};
    const session_rules current{api_generation::current, false};
    const session_rules either{api_generation::first, true};
    EXPECT_EQ(outcome(first, first_body), "accepted");
    EXPECT_EQ(outcome(first, current_body), "invalid_request");
    EXPECT_EQ(outcome(current, current_body), "accepted");
    EXPECT_EQ(outcome(current, first_body), "invalid_request");
    EXPECT_EQ(outcome(either, first_body), "accepted");
    EXPECT_EQ(outcome(either, current_body), "accepted");
}

TEST(Session, TheReplyHasItsGenerationsFields) {
    const auto first = answer({api_generation::first, true}, first_body);
    EXPECT_EQ(first.at("init_token_type").as_string(), "sdk_customer_token");
    EXPECT_EQ(first.at("fiat_amount").as_string(), "10.10");
    EXPECT_FALSE(first.contains("networks"));
    const auto current = answer({api_generation::first, true}, current_body);
    EXPECT_EQ(current.at("init_token_type").as_string(), "sdk_partner_authorization");
    EXPECT_EQ(current.at("amount").as_string(), "7.50");
    EXPECT_EQ(current.at("network").as_string(), "BEP20");
    for (const char* name :
         {"networks", "currencies", "fix_currency", "fix_network", "fix_amount", "fiat_currencies", "fix_fiat_currency",
          "fix_fiat_amount", "lang", "theme", "redirect_url"}) {
        EXPECT_TRUE(current.contains(name)) << name;
    }
}

TEST(Session, WhatProofRefusesIsRefused) {
    const session_rules rules;
    const auto with = [](std::string_view change) {
        auto members = boost::json::parse(boost::json::string_view(first_body)).as_object();
        const auto changes = boost::json::parse(boost::json::string_view(change)).as_object();
        for (const auto& [key, value] : changes) members.insert_or_assign(key, value);
        return boost::json::serialize(members);
    };
    EXPECT_EQ(outcome(rules, "{}"), "invalid_request");
    EXPECT_EQ(outcome(rules, "nonsense"), "invalid_request");
    EXPECT_EQ(outcome(rules, with(R"({"currency":"BTC"})")), "unsupported_currency");
    EXPECT_EQ(outcome(rules, with(R"({"fiat_currency":"GBP"})")), "currency_not_allowed");
    EXPECT_EQ(outcome(rules, with(R"({"network":"SOL"})")), "wallet_not_supported");
    EXPECT_EQ(outcome(rules, with(R"({"crypto_amount":"1"})")), "invalid_request");
    EXPECT_EQ(outcome(rules, with(R"({"fiat_amount":10.10})")), "invalid_request");
    EXPECT_EQ(outcome(rules, with(R"({"fiat_amount":"0.00"})")), "invalid_request");
    EXPECT_EQ(outcome(rules, with(R"({"type":"steal"})")), "invalid_request");
    EXPECT_EQ(outcome(rules, with(R"({"type":"sell","something_new":[1]})")), "accepted");
}

} // namespace
} // namespace prooftrack::sandbox
