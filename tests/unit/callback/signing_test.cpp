#include "callback/signing.hpp"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "callback/error.hpp"

namespace prooftrack::callback {
namespace {

using testing::HasSubstr;

constexpr std::string_view vector_secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr std::string_view vector_id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
constexpr std::int64_t vector_time = 1614265330;
constexpr std::string_view vector_body = "{\"test\": 2432232314}";
constexpr std::string_view vector_signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

std::vector<secret> keys(std::initializer_list<std::string_view> texts) {
    std::vector<secret> list;
    for (const auto text : texts) list.push_back(parse_webhook_secret(text).value());
    return list;
}

TEST(WebhookSigning, GivesThePublishedVector) {
    EXPECT_EQ(sign_webhook(keys({vector_secret}), vector_id, vector_time, vector_body), vector_signature);
}

TEST(WebhookSigning, SignsWithEverySecretNewestFirst) {
    const std::string other = std::string(make_webhook_secret().reveal());
    const auto both = sign_webhook(keys({other, vector_secret}), vector_id, vector_time, vector_body);
    EXPECT_THAT(both, testing::EndsWith(" " + std::string(vector_signature)));
    EXPECT_EQ(
        both, sign_webhook(keys({other}), vector_id, vector_time, vector_body) + " " + std::string(vector_signature));
    EXPECT_EQ(sign_webhook({}, vector_id, vector_time, vector_body), "");
}

TEST(WebhookSigning, AReceiverWithEitherSecretVerifiesDuringARotation) {
    const std::string fresh = std::string(make_webhook_secret().reveal());
    const auto signature = sign_webhook(keys({fresh, vector_secret}), "evt_1", 7, "{}");
    EXPECT_TRUE(verify_webhook(keys({vector_secret}), "evt_1", 7, "{}", signature));
    EXPECT_TRUE(verify_webhook(keys({fresh}), "evt_1", 7, "{}", signature));
    EXPECT_FALSE(verify_webhook(keys({make_webhook_secret().reveal()}), "evt_1", 7, "{}", signature));
}

TEST(WebhookSigning, VerificationFailsWhenAnythingDiffers) {
    const auto ours = keys({vector_secret});
    EXPECT_TRUE(verify_webhook(ours, vector_id, vector_time, vector_body, vector_signature));
    EXPECT_FALSE(verify_webhook(ours, "msg_other", vector_time, vector_body, vector_signature));
    EXPECT_FALSE(verify_webhook(ours, vector_id, vector_time + 1, vector_body, vector_signature));
    EXPECT_FALSE(verify_webhook(ours, vector_id, vector_time, "{\"test\": 2432232315}", vector_signature));
    EXPECT_FALSE(verify_webhook(ours, vector_id, vector_time, vector_body, ""));
    EXPECT_FALSE(verify_webhook(ours, vector_id, vector_time, vector_body, "v1,"));
    EXPECT_FALSE(verify_webhook(ours, vector_id, vector_time, vector_body, vector_signature.substr(0, 20)));
    EXPECT_FALSE(
        verify_webhook(ours, vector_id, vector_time, vector_body, "v2," + std::string(vector_signature.substr(3))));
    EXPECT_FALSE(verify_webhook({}, vector_id, vector_time, vector_body, vector_signature));
    EXPECT_TRUE(
        verify_webhook(ours, vector_id, vector_time, vector_body, "v1a,x junk  " + std::string(vector_signature)));
}

TEST(WebhookSigning, WhatIsSignedIsVerifiedAndAChangedByteIsNot) {
    EXPECT_TRUE(rc::check([](const std::string& id, std::int64_t time, const std::string& body) {
        const auto ours = keys({vector_secret});
        const auto signature = sign_webhook(ours, id, time, body);
        RC_ASSERT(verify_webhook(ours, id, time, body, signature));
        RC_ASSERT(!verify_webhook(ours, id, time, body + "x", signature));
    }));
}

TEST(WebhookSigning, AMessageIsFreshForFiveMinutesEitherWay) {
    const wall_time now{seconds(1'700'000'000)};
    EXPECT_TRUE(is_fresh_webhook(1'700'000'000, now));
    EXPECT_TRUE(is_fresh_webhook(1'700'000'300, now));
    EXPECT_TRUE(is_fresh_webhook(1'699'999'700, now));
    EXPECT_FALSE(is_fresh_webhook(1'700'000'301, now));
    EXPECT_FALSE(is_fresh_webhook(1'699'999'699, now));
    EXPECT_FALSE(is_fresh_webhook(std::numeric_limits<std::int64_t>::max(), now));
    EXPECT_FALSE(is_fresh_webhook(std::numeric_limits<std::int64_t>::min(), now));
}

TEST(WebhookSecret, TakesTwentyFourToSixtyFourBytes) {
    const auto error_of = [](const std::string& text) {
        const auto key = parse_webhook_secret(text);
        return key.has_error() ? key.error() : error_code();
    };
    EXPECT_EQ(error_of("whsec_" + std::string(32, 'A')), error_code()) << "24 bytes";
    EXPECT_EQ(error_of("whsec_" + std::string(30, 'A') + "=="), callback_error::secret_too_short) << "22 bytes";
    EXPECT_EQ(error_of("whsec_" + std::string(31, 'A') + "="), callback_error::secret_too_short) << "23 bytes";
    EXPECT_EQ(error_of("whsec_" + std::string(86, 'A') + "=="), error_code()) << "64 bytes";
    EXPECT_EQ(error_of("whsec_" + std::string(86, 'A')), error_code()) << "padding may be missing";
    EXPECT_EQ(error_of("whsec_" + std::string(87, 'A') + "="), callback_error::secret_too_long) << "65 bytes";
    EXPECT_EQ(error_of("whsec_"), callback_error::secret_too_short);
}

TEST(WebhookSecret, RefusesEachMistakeByNameAndSaysWhatToDo) {
    const std::string good(32, 'A');
    for (const std::string& text : {good, "whsec-" + good, "WHSEC_" + good, std::string()})
        EXPECT_EQ(parse_webhook_secret(text).error(), callback_error::secret_prefix) << text;
    for (const std::string& tail :
         {good + "!", good + " ", good + "=", good.substr(1) + "-", good.substr(3), good + "====", "=" + good,
          good.substr(2) + "="})
        EXPECT_EQ(parse_webhook_secret("whsec_" + tail).error(), callback_error::secret_base64) << tail;
    EXPECT_THAT(parse_webhook_secret("x").error().message(), HasSubstr("prooftrackctl secret new"));
    EXPECT_THAT(parse_webhook_secret("whsec_QUJD").error().message(), HasSubstr("prooftrackctl secret new"));
}

TEST(WebhookSecret, ANewOneParsesAndIsNeverTheSame) {
    const secret first = make_webhook_secret();
    const secret second = make_webhook_secret();
    EXPECT_EQ(parse_webhook_secret(first.reveal())->reveal().size(), 32U);
    EXPECT_NE(first.reveal(), second.reveal());
}

} // namespace
} // namespace prooftrack::callback
