// What users see of single calls: waiting, imports, audit lines, deliveries, tests of callbacks, consumers.

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
    /// As `tell`, and keeps what the call gives.
    template <class Value>
    api::backend_handler<Value> keep(std::optional<api::outcome<Value>>& to) {
        return [&to](api::outcome<Value> done) { to = std::move(done); };
    }
    template <class Value>
    static const api::problem& problem_of(const std::optional<api::outcome<Value>>& done) {
        return std::get<api::problem>(done.value());
    }
    /// Delivery `number` of this lane, in this state.
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
        if (state == track::delivery_state::pending) view.next_attempt_at = world_.clock.now().wall;
        world_.disk.rows.insert_or_assign(
            number, fake_disk::delivery_row{
                        std::move(view), event_seq{1}, callback, "", "settled", "completed", nullptr,
                        world_.clock.now().wall, {}, false});
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

TEST_F(Calls, ATestOfACallbackShowsTheStatusIfThereWasOne) {
    std::optional<api::outcome<api::callback_test_result>> done;
    const auto test = [&](scripted_reply reply) {
        world_.notifier.answer_with([reply](const callback::delivery_job&) { return reply; });
        world_.delivery->test_callback("shop", {}, keep(done));
        world_.clock.run_for(1s);
        return std::get<api::callback_test_result>(done.value());
    };
    const api::callback_test_result taken = test(reply_delivered(7ms));
    EXPECT_EQ(taken.status, 200);
    EXPECT_EQ(taken.duration, 7ms);
    EXPECT_EQ(taken.error, "");
    EXPECT_EQ(test(reply_failed(503)).status, 503);
    const api::callback_test_result unreachable = test(reply_failed(0));
    EXPECT_EQ(unreachable.status, std::nullopt);
    EXPECT_EQ(unreachable.error, "connect: Connection refused");
    scripted_reply command = reply_delivered();
    command.outcome.status = 0;
    EXPECT_EQ(test(command).status, 0) << "a command's exit status";
}

TEST_F(Calls, ATestOfAnUnknownCallbackSaysWhichOne) {
    std::optional<api::outcome<api::callback_test_result>> done;
    world_.delivery->test_callback("nobody", {}, keep(done));
    EXPECT_EQ(problem_of(done).detail, "no [[callback]] has the name 'nobody'");
    EXPECT_TRUE(world_.notifier.attempts().empty());
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

// ---- lookups

TEST_F(Calls, AWaitThatIsCancelledBeforeItHasLookedIsNotAnswered) {
    world_.lookup->cancel(wait_for("t1")); // which is not tracked: it would be answered with its look
    world_.memory.pump();
    EXPECT_EQ(result_.word, "");
    EXPECT_TRUE(result_.is_released());
    EXPECT_EQ(world_.lookup->next_wake(), std::nullopt);
}

TEST_F(Calls, AHistoryShowsTheChangesAndTheDeliveriesAsTheyStand) {
    std::optional<api::outcome<track::transaction_history>> done;
    world_.lookup->history(world_.id("t1"), keep(done));
    world_.memory.pump();
    EXPECT_EQ(problem_of(done).code, api::problem_code::unknown_transaction);
    world_.track("t1");
    end("t1");
    owe(7, "gone", track::delivery_state::pending);
    world_.lookup->history(world_.id("t1"), keep(done));
    world_.memory.pump();
    const auto& shown = std::get<track::transaction_history>(done.value());
    ASSERT_FALSE(shown.changes.empty());
    EXPECT_EQ(shown.changes.back().to_state, track::tracking_state::untracked);
    ASSERT_EQ(shown.deliveries.size(), 1U);
    EXPECT_EQ(shown.deliveries[0].last_error, "callback not configured");
    EXPECT_EQ(shown.deliveries[0].next_attempt_at, std::nullopt);
}

// ---- deliveries

TEST_F(Calls, AListOfDeliveriesShowsThemAsTheyStand) {
    owe(7, "gone", track::delivery_state::pending);
    owe(8, "gone", track::delivery_state::dead);
    std::optional<api::outcome<track::delivery_page>> done;
    world_.delivery->deliveries({}, keep(done));
    world_.memory.pump();
    std::map<std::uint64_t, std::string> errors;
    for (const track::delivery_view& view : std::get<track::delivery_page>(done.value()).deliveries)
        errors[value_of(view.id)] = view.last_error;
    EXPECT_EQ(errors, (std::map<std::uint64_t, std::string>{{7, "callback not configured"}, {8, "500"}}));
}

TEST_F(Calls, AnUnknownDeliveryIsNotSentAgain) {
    std::optional<api::outcome<std::monostate>> done;
    world_.delivery->retry_delivery(delivery_id{7}, {}, keep(done));
    world_.memory.pump();
    EXPECT_EQ(problem_of(done).code, api::problem_code::unknown_delivery);
    EXPECT_EQ(problem_of(done).detail, "there is no delivery 7: `prooftrackctl deliveries` lists them");
    const auto logged = world_.log.of(observe::log_event_id::api_change);
    ASSERT_EQ(logged.size(), 1U);
    EXPECT_EQ(logged[0].at("action"), "retry delivery");
    EXPECT_EQ(logged[0].at("delivery"), "7");
    EXPECT_EQ(logged[0].at("result"), "unknown_delivery");
}

TEST_F(Calls, TheDeadOfAllOrOfOneCallbackAreSentAgain) {
    std::optional<api::outcome<std::uint64_t>> done;
    const auto retry = [&](std::optional<std::string> callback) {
        world_.delivery->retry_dead(std::move(callback), {}, keep(done));
        world_.memory.pump();
        return std::get<std::uint64_t>(done.value());
    };
    owe(7, "gone", track::delivery_state::dead);
    EXPECT_EQ(retry("shop"), 0U) << "it is configured, and has none";
    EXPECT_EQ(world_.disk.rows.at(7).view.state, track::delivery_state::dead);
    EXPECT_EQ(retry(std::nullopt), 1U);
    EXPECT_EQ(world_.disk.rows.at(7).view.state, track::delivery_state::pending);
    const auto logged = world_.log.of(observe::log_event_id::api_change);
    ASSERT_EQ(logged.size(), 2U);
    EXPECT_EQ(logged[0].at("callback"), "shop");
    EXPECT_EQ(logged[1].at("callback"), "*");
    EXPECT_EQ(logged[1].at("result"), "done");
}

TEST_F(Calls, TheDeadOfACallbackThatIsNotConfiguredAreSentAgainWhileItHasDeliveries) {
    owe(7, "gone", track::delivery_state::dead);
    owe(8, "left", track::delivery_state::pending);
    world_.disk.lanes["empty"].callback = "empty";
    std::optional<api::outcome<std::uint64_t>> done;
    const auto retry = [&](const char* callback) {
        world_.delivery->retry_dead(callback, {}, keep(done));
        world_.memory.pump();
    };
    retry("left");
    EXPECT_EQ(std::get<std::uint64_t>(done.value()), 0U);
    for (const char* unknown : {"empty", "nobody"}) {
        retry(unknown);
        EXPECT_EQ(problem_of(done).code, api::problem_code::unknown_callback) << unknown;
        EXPECT_EQ(problem_of(done).detail, std::string("no [[callback]] has the name '") + unknown + "'");
    }
    EXPECT_EQ(world_.disk.rows.at(7).view.state, track::delivery_state::dead);
    retry("gone");
    EXPECT_EQ(std::get<std::uint64_t>(done.value()), 1U);
    EXPECT_EQ(world_.disk.rows.at(7).view.state, track::delivery_state::pending);
}

// ---- consumers

TEST_F(Calls, AConsumerIsMadeMovedListedAndDeleted) {
    world_.add_event(1);
    world_.add_event(2);
    std::optional<api::outcome<std::pair<bool, track::consumer_view>>> made;
    world_.consumer->put_consumer("ledger", event_seq{1}, {}, keep(made));
    world_.memory.pump();
    EXPECT_TRUE((std::get<std::pair<bool, track::consumer_view>>(made.value()).first));
    std::optional<api::outcome<track::consumer_view>> moved;
    world_.consumer->acknowledge("ledger", event_seq{2}, keep(moved));
    world_.memory.pump();
    EXPECT_EQ(std::get<track::consumer_view>(moved.value()).seq, event_seq{2});
    std::optional<api::outcome<std::vector<track::consumer_view>>> all;
    world_.consumer->consumers(keep(all));
    world_.memory.pump();
    const auto& listed = std::get<std::vector<track::consumer_view>>(all.value());
    ASSERT_EQ(listed.size(), 1U);
    EXPECT_EQ(listed[0].name, "ledger");
    EXPECT_EQ(world_.consumer->wall_now(), world_.clock.now().wall);
    world_.consumer->delete_consumer("ledger", {}, keep(moved));
    world_.memory.pump();
    EXPECT_TRUE(world_.disk.consumers.empty());
    EXPECT_EQ(world_.log.count(observe::log_event_id::api_change), 2U) << "made and deleted; moving is reading";
}

TEST_F(Calls, WhatIsWrongWithAConsumersCallIsSaid) {
    std::optional<api::outcome<track::consumer_view>> done;
    world_.consumer->acknowledge("ledger", event_seq{0}, keep(done));
    world_.memory.pump();
    EXPECT_EQ(problem_of(done).code, api::problem_code::unknown_consumer);
    EXPECT_EQ(problem_of(done).detail, "there is no consumer 'ledger': `prooftrackctl consumers add ledger` makes it");
    world_.consumer->delete_consumer("ledger", {}, keep(done));
    world_.memory.pump();
    EXPECT_EQ(problem_of(done).code, api::problem_code::unknown_consumer);
    std::optional<api::outcome<std::pair<bool, track::consumer_view>>> made;
    world_.consumer->put_consumer("ledger", event_seq{1}, {}, keep(made));
    world_.memory.pump();
    EXPECT_EQ(problem_of(made).code, api::problem_code::invalid_request);
    EXPECT_EQ(problem_of(made).detail, "seq is beyond the last event");
    EXPECT_TRUE(world_.disk.consumers.empty());
}

} // namespace
} // namespace prooftrack::engine
