#include <gtest/gtest.h>

#include <fmt/format.h>

#include "callback/signing.hpp"
#include "fixed_now.hpp"
#include "prooftrackctl/webhook_receiver.hpp"

namespace prooftrack::ctl {
namespace {

const std::int64_t seconds_now = now.time_since_epoch().count() / 1000;
const std::string body = R"({"id":"evt_1","type":"transaction.completed"})";

std::vector<secret> two_keys() {
    return {
        *callback::parse_webhook_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        *callback::parse_webhook_secret("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")};
}

received_request signed_by(const secret& key, std::int64_t timestamp, const std::string& id = "evt_1") {
    const std::vector<secret> keys{key};
    return {
        "POST",
        {{"webhook-id", id},
         {"webhook-timestamp", fmt::format("{}", timestamp)},
         {"webhook-signature", callback::sign_webhook(keys, id, timestamp, body)}},
        body};
}

TEST(WebhookReceiver, AnyOfTheSecretsMayHaveSigned) {
    for (const secret& key : two_keys()) {
        webhook_receiver receiver(two_keys(), 204);
        const receipt result = receiver.take(signed_by(key, seconds_now), now);
        EXPECT_EQ(result.status, 204);
        EXPECT_TRUE(result.is_new);
        EXPECT_EQ(result.reason, "");
    }
}

TEST(WebhookReceiver, RefusesWhatIsNotRight) {
    webhook_receiver receiver(two_keys(), 204);
    const auto status_of = [&receiver](const received_request& request) {
        const receipt result = receiver.take(request, now);
        EXPECT_FALSE(result.is_new);
        EXPECT_NE(result.reason, "");
        return result.status;
    };
    const received_request good = signed_by(two_keys()[0], seconds_now);
    received_request changed = good;
    changed.body += " ";
    EXPECT_EQ(status_of(changed), 401);
    changed = good;
    changed.headers["webhook-id"] = "evt_2";
    EXPECT_EQ(status_of(changed), 401);
    for (const char* header : {"webhook-id", "webhook-timestamp", "webhook-signature"}) {
        changed = good;
        changed.headers.erase(header);
        EXPECT_EQ(status_of(changed), 401);
    }
    changed = good;
    changed.headers["webhook-timestamp"] += "x";
    EXPECT_EQ(status_of(changed), 401);
    changed = good;
    changed.method = "GET";
    EXPECT_EQ(status_of(changed), 405);
    EXPECT_EQ(
        status_of(signed_by(
            *callback::parse_webhook_secret("whsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA="), seconds_now)),
        401);
}

TEST(WebhookReceiver, ATimestampMayBeFiveMinutesOff) {
    webhook_receiver receiver(two_keys(), 204);
    const secret key = two_keys()[0];
    EXPECT_EQ(receiver.take(signed_by(key, seconds_now - 300, "a"), now).status, 204);
    EXPECT_EQ(receiver.take(signed_by(key, seconds_now + 300, "b"), now).status, 204);
    EXPECT_EQ(receiver.take(signed_by(key, seconds_now - 301, "c"), now).status, 401);
    EXPECT_EQ(receiver.take(signed_by(key, seconds_now + 301, "d"), now).status, 401);
    EXPECT_EQ(receiver.take(signed_by(key, INT64_MAX, "e"), now).status, 401);
    EXPECT_EQ(receiver.take(signed_by(key, INT64_MIN, "f"), now).status, 401);
}

TEST(WebhookReceiver, ReportsAnEventOnceAndRemembersABoundedNumber) {
    webhook_receiver receiver(two_keys(), 204);
    const secret key = two_keys()[0];
    EXPECT_TRUE(receiver.take(signed_by(key, seconds_now, "first"), now).is_new);
    const receipt again = receiver.take(signed_by(key, seconds_now + 5, "first"), now);
    EXPECT_EQ(again.status, 204);
    EXPECT_FALSE(again.is_new);
    for (std::size_t i = 0; i < webhook_receiver::ids_kept; ++i)
        receiver.take(signed_by(key, seconds_now, fmt::format("{}", i)), now);
    EXPECT_TRUE(receiver.take(signed_by(key, seconds_now, "first"), now).is_new);
}

TEST(WebhookReceiver, AnAnswerThatAsksForARepeatShowsEachOne) {
    webhook_receiver receiver(two_keys(), 500);
    const auto request = signed_by(two_keys()[0], seconds_now);
    for (int i = 0; i < 2; ++i) {
        const receipt result = receiver.take(request, now);
        EXPECT_EQ(result.status, 500);
        EXPECT_TRUE(result.is_new);
    }
}

} // namespace
} // namespace prooftrack::ctl
