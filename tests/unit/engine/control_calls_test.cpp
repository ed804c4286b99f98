// What users see of pausing, resuming, flushing and dismissing.

#include "use_case_world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class ControlCalls : public testing::Test {
  protected:
    use_case_world world_;

    template <class Value, class Call>
    api::outcome<Value> ask(Call call) {
        std::optional<api::outcome<Value>> answer;
        call(api::backend_handler<Value>([&](api::outcome<Value> done) { answer = std::move(done); }));
        world_.memory.pump();
        return std::move(answer.value());
    }
    api::outcome<std::string> pause(const std::string& name) {
        return ask<std::string>([&](auto handler) {
            world_.control->pause_callback(name, {7, 8}, std::move(handler));
        });
    }
    api::outcome<std::string> resume(const std::string& name) {
        return ask<std::string>([&](auto handler) {
            world_.control->resume_callback(name, {7, 8}, std::move(handler));
        });
    }
    api::outcome<std::uint64_t> flush(const std::string& name) {
        return ask<std::uint64_t>([&](auto handler) {
            world_.control->flush_callback(name, {7, 8}, std::move(handler));
        });
    }
    api::outcome<track::delivery_view> dismiss(std::uint64_t id, const std::string& note = "") {
        return ask<track::delivery_view>([&](auto handler) {
            world_.control->dismiss_delivery(delivery_id{id}, note, {7, 8}, std::move(handler));
        });
    }
    api::outcome<std::uint64_t> dismiss_dead(std::optional<std::string> callback) {
        return ask<std::uint64_t>([&](auto handler) {
            world_.control->dismiss_dead(std::move(callback), "told", {7, 8}, std::move(handler));
        });
    }
    template <class Value>
    static const api::problem& problem_of(const api::outcome<Value>& done) {
        return std::get<api::problem>(done);
    }
    void owe(std::uint64_t number, const std::string& callback, track::delivery_state state) {
        world_.disk.lanes[callback].callback = callback;
        track::delivery_view view{delivery_id{number},
                                  "evt_1",
                                  "transaction.completed",
                                  world_.id("t1"),
                                  callback,
                                  state,
                                  3,
                                  std::nullopt,
                                  "500",
                                  500,
                                  std::nullopt};
        world_.disk.rows.insert_or_assign(
            number, fake_disk::delivery_row{
                        std::move(view),
                        event_seq{1},
                        callback,
                        "",
                        "settled",
                        "completed",
                        nullptr,
                        world_.clock.now().wall,
                        {},
                        false});
    }
    std::map<std::string, std::string, std::less<>> last_audit() {
        return world_.log.of(observe::log_event_id::api_change).back().fields;
    }
};

TEST_F(ControlCalls, APauseIsAnsweredWithTheCallbackAsTheStatusShowsIt) {
    owe(7, "shop", track::delivery_state::pending);
    const std::string shown = std::get<std::string>(pause("shop"));
    EXPECT_THAT(shown, HasSubstr(R"({"name":"shop","state":"paused","backlog":1,)"));
    EXPECT_THAT(shown, HasSubstr("\"paused_since\":\"" + format_wall_time(world_.disk.pauses.at("shop")) + "\"}"));
    EXPECT_EQ(std::get<std::string>(pause("shop")), shown) << "asking again changes nothing";
    EXPECT_EQ(last_audit().at("action"), "pause callback");
    EXPECT_EQ(last_audit().at("callback"), "shop");
    EXPECT_EQ(last_audit().at("uid"), "7");
    const std::string resumed = std::get<std::string>(resume("shop"));
    EXPECT_THAT(resumed, HasSubstr(R"("state":"ok")"));
    EXPECT_THAT(resumed, HasSubstr(R"("paused_since":null})"));
    EXPECT_TRUE(world_.disk.pauses.empty());
    EXPECT_EQ(std::get<std::string>(resume("shop")), resumed);
    EXPECT_EQ(last_audit().at("action"), "resume callback");
}

TEST_F(ControlCalls, ACallbackThatNobodyKnowsIsRefused) {
    for (const char* name : {"nobody", "callback_url"}) {
        EXPECT_EQ(problem_of(pause(name)).code, api::problem_code::unknown_callback) << name;
        EXPECT_EQ(problem_of(resume(name)).code, api::problem_code::unknown_callback) << name;
        EXPECT_EQ(problem_of(flush(name)).code, api::problem_code::unknown_callback) << name;
        EXPECT_EQ(problem_of(dismiss_dead(name)).code, api::problem_code::unknown_callback) << name;
    }
    EXPECT_EQ(last_audit().at("result"), "unknown_callback");
    EXPECT_TRUE(world_.disk.pauses.empty());
}

TEST_F(ControlCalls, OneThatIsNotConfiguredIsKnownWhileItIsOwedSomethingOrPaused) {
    owe(7, "gone", track::delivery_state::pending);
    EXPECT_THAT(std::get<std::string>(pause("gone")), HasSubstr(R"("state":"unconfigured")"));
    world_.disk.rows.clear();
    const std::string resumed = std::get<std::string>(resume("gone"));
    EXPECT_THAT(resumed, HasSubstr(R"({"name":"gone","state":"unconfigured","backlog":0,)"));
    EXPECT_EQ(problem_of(resume("gone")).code, api::problem_code::unknown_callback);
}

TEST_F(ControlCalls, WhatIsPausedIsNeitherFlushedNorRetriedByHand) {
    owe(7, "shop", track::delivery_state::dead);
    pause("shop");
    const auto retry = [&] {
        return ask<std::monostate>(
            [&](auto handler) { world_.delivery->retry_delivery(delivery_id{7}, {}, std::move(handler)); });
    };
    const auto retry_dead = [&](std::optional<std::string> callback) {
        return ask<std::uint64_t>(
            [&](auto handler) { world_.delivery->retry_dead(std::move(callback), {}, std::move(handler)); });
    };
    for (const api::problem& refused :
         {problem_of(flush("shop")), problem_of(retry()), problem_of(retry_dead("shop")),
          problem_of(retry_dead(std::nullopt))}) {
        EXPECT_EQ(refused.code, api::problem_code::callback_paused);
        EXPECT_EQ(
            refused.detail, "callback 'shop' is paused and nothing was changed: `prooftrackctl resume shop` first");
    }
    resume("shop");
    EXPECT_EQ(std::get<std::uint64_t>(flush("shop")), 0U);
    EXPECT_EQ(std::get<std::uint64_t>(retry_dead("shop")), 1U);
}

TEST_F(ControlCalls, ADeadDeliveryIsDismissedAndNoOther) {
    owe(7, "shop", track::delivery_state::dead);
    owe(8, "shop", track::delivery_state::pending);
    const auto view = std::get<track::delivery_view>(dismiss(7, "told"));
    EXPECT_EQ(view.state, track::delivery_state::dismissed);
    EXPECT_EQ(view.note, "told");
    EXPECT_EQ(last_audit().at("action"), "dismiss delivery");
    EXPECT_EQ(last_audit().at("delivery"), "7");
    EXPECT_FALSE(last_audit().contains("note"));
    EXPECT_EQ(problem_of(dismiss(8)).code, api::problem_code::not_dead);
    EXPECT_THAT(problem_of(dismiss(8)).detail, HasSubstr("delivery 8 is pending"));
    EXPECT_EQ(problem_of(dismiss(9)).code, api::problem_code::unknown_delivery);
}

TEST_F(ControlCalls, AllDeadOnesAreDismissed) {
    owe(7, "shop", track::delivery_state::dead);
    owe(8, "gone", track::delivery_state::dead);
    EXPECT_EQ(std::get<std::uint64_t>(dismiss_dead("gone")), 1U);
    EXPECT_EQ(last_audit().at("callback"), "gone");
    EXPECT_EQ(std::get<std::uint64_t>(dismiss_dead(std::nullopt)), 1U);
    EXPECT_EQ(last_audit().at("callback"), "*");
    EXPECT_EQ(world_.disk.rows.at(7).view.note, "told");
}

} // namespace
} // namespace prooftrack::engine
