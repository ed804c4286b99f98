// What users see of single calls: waiting, imports, audit lines, tests of callbacks.

#include "use_case_world.hpp"

#include <gtest/gtest.h>

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;

class Calls : public testing::Test {
  protected:
    call_result result_; ///< outlives the world
    use_case_world world_;

    api::wait_id wait_for(const char* text) {
        return world_.lookup->get(world_.id(text), 10s, world_.tell<track::transaction_view>(result_));
    }
    void end(const char* text) {
        world_.changes->untrack(world_.id(text), {}, [](const api::outcome<track::transaction_view>&) {});
        world_.memory.pump();
    }
    std::vector<std::string> lines_and_words(const std::function<void()>& act) {
        std::vector<std::string> seen;
        world_.log.on_line = [&](const recorded_log::line& line) {
            seen.push_back(
                line.event == observe::log_event_id::api_change ? "audit " + line.at("result")
                                                                : "line " + line.at("merchant_transaction_id"));
            if (!result_.word.empty()) seen.emplace_back("reported too early");
        };
        act();
        world_.memory.pump();
        world_.log.on_line = {};
        seen.push_back(result_.word);
        return seen;
    }
};

TEST_F(Calls, AWaitIsAnsweredByTheEnd) {
    world_.track("t1");
    wait_for("t1");
    world_.memory.pump();
    EXPECT_EQ(result_.word, "");
    end("t1");
    EXPECT_EQ(result_.word, "ok");
    EXPECT_TRUE(result_.is_released());
    EXPECT_EQ(world_.lookup->next_wake(), std::nullopt);
}

TEST_F(Calls, AWaitIsAnsweredAtOnceByAnEndThatIsThere) {
    world_.track("t1");
    end("t1");
    wait_for("t1");
    world_.memory.pump();
    EXPECT_EQ(result_.word, "ok");
}

TEST_F(Calls, AWaitForAnIdThatIsNotTrackedIsRefused) {
    wait_for("t1");
    world_.memory.pump();
    EXPECT_EQ(result_.word, "unknown_transaction");
}

TEST_F(Calls, AWaitIsAnsweredWhenItsTimeIsOver) {
    world_.track("t1");
    wait_for("t1");
    EXPECT_EQ(world_.lookup->next_wake(), world_.clock.now().steady + 10s);
    world_.memory.pump();
    world_.clock.run_for(10s);
    world_.lookup->on_wake(world_.clock.now());
    world_.memory.pump();
    EXPECT_EQ(result_.word, "ok");
}

TEST_F(Calls, ACancelledWaitIsNeverAnswered) {
    world_.track("t1");
    world_.lookup->cancel(wait_for("t1"));
    end("t1");
    EXPECT_EQ(result_.word, "");
    EXPECT_TRUE(result_.is_released());
}

TEST_F(Calls, AnAuditLineComesBeforeItsEffectsAndTheAnswerLast) {
    const auto track = [this] { world_.tracking->track(world_.request("t1"), {}, world_.tell<api::tracked>(result_)); };
    EXPECT_EQ(lines_and_words(track), (std::vector<std::string>{"audit done", "line t1", "ok"}));
    result_.word.clear();
    EXPECT_EQ(lines_and_words(track), (std::vector<std::string>{"ok"})) << "nothing was changed";
    result_.word.clear();
    const auto poll = [this] { world_.changes->poll_now(world_.id("t2"), {}, world_.tell<std::monostate>(result_)); };
    EXPECT_EQ(lines_and_words(poll), (std::vector<std::string>{"audit unknown_transaction", "unknown_transaction"}));
}

TEST_F(Calls, AnImportCountsWhatIsThereAndRejectsWhatIsTrackedOtherwise) {
    world_.track("t0");
    std::vector<api::import_line> lines;
    const auto add = [&](const char* text, bool is_bare, milliseconds overdue) {
        api::track_request request = world_.request(text);
        if (!is_bare) request.options.overdue_after = overdue;
        lines.push_back({static_cast<std::uint32_t>(lines.size() + 1), std::move(request), is_bare});
    };
    add("t0", true, {});
    add("t0", false, 1h);
    add("t1", false, 1h);
    std::optional<api::import_summary> done;
    world_.tracking->import(std::move(lines), {}, [&](api::outcome<api::import_summary> summary) {
        done = std::get<api::import_summary>(std::move(summary));
    });
    world_.memory.pump();
    ASSERT_TRUE(done);
    EXPECT_EQ(done->created, 1U);
    EXPECT_EQ(done->existing, 1U);
    ASSERT_EQ(done->rejected.size(), 1U);
    EXPECT_EQ(done->rejected.front().line, 2U);
    EXPECT_EQ(done->rejected.front().code, api::problem_code::already_tracked);
}

TEST_F(Calls, AnImportThatFailsHalfWayReportsWhatWasTaken) {
    std::vector<api::import_line> lines;
    for (std::uint32_t i = 1; i <= 1'500; ++i)
        lines.push_back({i, world_.request(("i" + std::to_string(i)).c_str()), true});
    std::optional<api::problem> failed;
    world_.tracking->import(std::move(lines), {}, [&](api::outcome<api::import_summary> summary) {
        failed = std::get<api::problem>(std::move(summary));
    });
    world_.memory.fail_operation(2, store::store_error::full);
    world_.memory.pump();
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->members, std::vector{api::problem_member::number("taken", 1'000)});
    const auto logged = world_.log.of(observe::log_event_id::api_change);
    ASSERT_EQ(logged.size(), 1U);
    EXPECT_EQ(logged[0].at("count"), "1000") << "what was taken stays";
    EXPECT_EQ(logged[0].at("result"), "store_unavailable");
}

TEST_F(Calls, ASessionsIdThatIsTrackedOtherwiseIsPolledAndRefused) {
    world_.track("t1");
    api::tracking_options options;
    options.metadata = options.metadata_canonical = R"({"order":"B"})";
    std::optional<std::optional<api::problem>> done;
    const auto tell = [&](std::optional<api::problem> refused) { done = std::move(refused); };
    start(world_.tracking->track_session(world_.id("t1"), options, std::nullopt), tell);
    world_.memory.pump();
    ASSERT_TRUE(done && *done);
    EXPECT_EQ((*done)->code, api::problem_code::already_tracked);
    start(world_.tracking->track_session(world_.id("t1"), {}, std::nullopt), tell);
    world_.memory.pump();
    EXPECT_EQ(*done, std::nullopt) << "options that say nothing contradict nothing";
}

TEST_F(Calls, ATestOfACallbackReportsWhatTheReceiverAnswered) {
    world_.delivery->test_callback("shop", {}, world_.tell<api::callback_test_result>(result_));
    EXPECT_EQ(result_.word, "");
    world_.clock.run_for(1s);
    EXPECT_EQ(result_.word, "ok");
    world_.delivery->test_callback("nobody", {}, world_.tell<api::callback_test_result>(result_));
    EXPECT_EQ(result_.word, "unknown_callback");
    EXPECT_EQ(world_.log.count(observe::log_event_id::api_change), 2U);
}

TEST_F(Calls, ATestOfACallbackEndsWithItsOwner) {
    world_.delivery->test_callback("shop", {}, world_.tell<api::callback_test_result>(result_));
    world_.delivery.reset();
    world_.clock.run_for(1s);
    EXPECT_EQ(result_.word, "");
    EXPECT_TRUE(result_.is_released());
}

TEST_F(Calls, ALogLevelIsAuditedWhenThereIsSuchALevel) {
    world_.operation->set_log_level("loud", {}, world_.tell<std::monostate>(result_));
    EXPECT_EQ(result_.word, "invalid_request");
    world_.operation->set_log_level("debug", {}, world_.tell<std::monostate>(result_));
    EXPECT_EQ(result_.word, "ok");
    EXPECT_EQ(world_.log.count(observe::log_event_id::api_change), 1U);
}

} // namespace
} // namespace prooftrack::engine
