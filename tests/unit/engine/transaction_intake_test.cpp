// What may be tracked now, and the row that it becomes.

#include "engine/transaction_intake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/digests.hpp"
#include "support/virtual_time.hpp"

namespace prooftrack::engine {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using namespace std::chrono_literals;

class TransactionIntake : public testing::Test {
  protected:
    TransactionIntake() { state_.life = daemon_state::phase::running; }

    std::optional<api::problem> check(std::optional<std::string> url = {}) const {
        api::tracking_options options;
        options.callback_url = std::move(url);
        return intake_.check(options);
    }
    /// Of a callback_url that is refused.
    std::string refusal_of(const std::string& url) const {
        const auto refused = check(url);
        if (!refused) return "";
        EXPECT_EQ(refused->code, api::problem_code::invalid_request);
        EXPECT_THAT(refused->detail, StartsWith("callback_url: "));
        return refused->detail;
    }

    virtual_clock clock_;
    config::configuration config_;
    callback_table callbacks_{{}, {{"*.shop.example", "localhost"}, ""}};
    daemon_state state_;
    transaction_intake intake_{{clock_, config_, callbacks_, state_}};
};

TEST_F(TransactionIntake, OnlyADaemonThatRunsTakesAny) {
    EXPECT_EQ(check(), std::nullopt);
    for (const auto life : {daemon_state::phase::loading, daemon_state::phase::stopping}) {
        state_.life = life;
        const auto refused = check();
        ASSERT_TRUE(refused);
        EXPECT_EQ(refused->code, api::problem_code::unavailable);
        EXPECT_EQ(refused->detail, "the daemon is starting or stopping: try again in a moment");
    }
}

TEST_F(TransactionIntake, AFullDiskTakesNone) {
    state_.disk = track::store_state::full;
    const auto refused = check();
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->code, api::problem_code::store_unavailable);
    EXPECT_EQ(refused->detail, "the disk is full: nothing was changed; free some room and try again");
    state_.disk = track::store_state::ok;
    EXPECT_EQ(check(), std::nullopt);
}

TEST_F(TransactionIntake, AStoreThatIsAwayTakesNone) {
    state_.disk = track::store_state::unreachable;
    const auto refused = check();
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->code, api::problem_code::store_unavailable);
    EXPECT_TRUE(refused->detail.starts_with("PostgreSQL cannot be reached: nothing was changed")) << refused->detail;
}

TEST_F(TransactionIntake, ACallbackUrlIsOfAnAllowedHostAndEncryptedOrLocal) {
    EXPECT_EQ(check("https://pay.shop.example/hook"), std::nullopt);
    EXPECT_EQ(check("http://localhost:8080/hook"), std::nullopt);
    EXPECT_NE(refusal_of("no url"), "");
    EXPECT_THAT(refusal_of("http://pay.shop.example/hook"), HasSubstr("use https"));
    EXPECT_THAT(refusal_of("https://elsewhere.example/hook"), HasSubstr("allow_hosts of [callback_url]"));
}

TEST_F(TransactionIntake, ARowHasTheOptionsAndTheTimeAndTheLaneOfItsUrl) {
    api::track_request request{*transaction_id::parse("t1"), {}};
    request.options.metadata = R"({ "order" : 7 })";
    request.options.metadata_canonical = R"({"order":7})";
    request.options.callback_url = "https://pay.shop.example/hook";
    request.options.overdue_after = 2h;
    const auto row = std::get<track::new_transaction>(intake_.take(request));
    EXPECT_EQ(row.id.str(), "t1");
    EXPECT_EQ(row.metadata, R"({ "order" : 7 })") << "as it came";
    EXPECT_EQ(row.callback_url, "https://pay.shop.example/hook");
    EXPECT_EQ(row.callback_lane, "https://pay.shop.example:443");
    EXPECT_EQ(row.now, clock_.now().wall);
    EXPECT_EQ(row.overdue_after, 2h);
    EXPECT_EQ(row.options_digest, options_digest(request.options, 2h));
}

TEST_F(TransactionIntake, WithoutATimeOfItsOwnTheConfiguredOneHolds) {
    config_.poll.overdue_after = 5h;
    const auto row = std::get<track::new_transaction>(intake_.take({*transaction_id::parse("t1"), {}}));
    EXPECT_EQ(row.overdue_after, 5h);
    EXPECT_EQ(row.callback_url, std::nullopt);
    EXPECT_EQ(row.callback_lane, "");
    EXPECT_EQ(row.options_digest, options_digest({}, 5h)) << "the same as when the request says five hours";
}

TEST_F(TransactionIntake, WhatIsRefusedBecomesNoRow) {
    state_.life = daemon_state::phase::loading;
    const auto taken = intake_.take({*transaction_id::parse("t1"), {}});
    EXPECT_EQ(std::get<api::problem>(taken).code, api::problem_code::unavailable);
}

} // namespace
} // namespace prooftrack::engine
