// What a caller gets who wants transactions tracked, what is stored and polled then, and what is logged.

#include "engine/tracking_calls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "use_case_world.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using observe::log_event_id;

const std::string lane = "https://pay.shop.example:443";
const std::string own_url = "https://pay.shop.example/hook";
const api::client_identity who{1'000, 77};

api::tracking_options with_metadata(const std::string& metadata) {
    api::tracking_options options;
    options.metadata = options.metadata_canonical = metadata;
    return options;
}
api::tracking_options with_url(const std::string& url) {
    api::tracking_options options;
    options.callback_url = url;
    return options;
}
api::tracking_options with_overdue(milliseconds after) {
    api::tracking_options options;
    options.overdue_after = after;
    return options;
}

class TrackingCalls : public testing::Test {
  protected:
    TrackingCalls() {
        world_.deliveries.reconfigure(callback_table({}, {{"*.shop.example"}, ""}));
        world_.memory.pump();
    }

    using fields = std::map<std::string, std::string, std::less<>>;

    api::outcome<api::tracked> track(const char* text, api::tracking_options options = {}) {
        std::optional<api::outcome<api::tracked>> done;
        world_.tracking->track({world_.id(text), std::move(options)}, who, [&](api::outcome<api::tracked> tracked) {
            done = std::move(tracked);
        });
        world_.memory.pump();
        return std::move(done).value();
    }
    api::outcome<api::import_summary> import(std::vector<api::import_line> lines) {
        std::optional<api::outcome<api::import_summary>> done;
        world_.tracking->import(
            std::move(lines), who, [&](api::outcome<api::import_summary> summary) { done = std::move(summary); });
        world_.memory.pump();
        return std::move(done).value();
    }
    api::import_line line(std::uint32_t number, const std::string& text, api::tracking_options options = {}) {
        return {number, {world_.id(text.c_str()), std::move(options)}, false};
    }
    std::vector<api::import_line> lines(std::uint32_t count) {
        std::vector<api::import_line> made;
        for (std::uint32_t i = 1; i <= count; ++i) made.push_back(line(i, "i" + std::to_string(i)));
        return made;
    }

    const fake_disk::transaction_row& stored(const char* text) const { return world_.disk.transactions.at(text); }
    bool is_polled(const char* text) const { return world_.polls.core().find(text).has_value(); }
    fields only_line(log_event_id event) const {
        const auto written = world_.log.of(event);
        EXPECT_EQ(written.size(), 1U);
        return written.empty() ? fields() : written.front().fields;
    }

    use_case_world world_;
};

TEST_F(TrackingCalls, ANewOneIsStoredPolledAuditedAndShown) {
    api::tracking_options options = with_metadata(R"({"order":7})");
    options.callback_url = own_url;
    options.overdue_after = 2h;
    const auto done = std::get<api::tracked>(track("t1", options));
    const wall_time now = world_.clock.now().wall;
    EXPECT_TRUE(done.created);
    EXPECT_EQ(done.transaction.id.str(), "t1");
    EXPECT_EQ(done.transaction.metadata, R"({"order":7})");
    EXPECT_EQ(done.transaction.callback_url, own_url);
    EXPECT_EQ(done.transaction.proof, "");
    EXPECT_EQ(done.transaction.facts.state, track::tracking_state::tracking);
    EXPECT_EQ(done.transaction.facts.tracked_at, now);
    EXPECT_EQ(done.transaction.facts.overdue_at, now + 2h);
    EXPECT_TRUE(done.transaction.next_poll_at.has_value()) << "its first poll is planned";
    EXPECT_EQ(stored("t1").metadata, R"({"order":7})");
    EXPECT_EQ(stored("t1").callback_url, own_url);
    EXPECT_EQ(stored("t1").callback_lane, lane);
    EXPECT_TRUE(is_polled("t1"));
    EXPECT_EQ(
        only_line(log_event_id::api_change), (fields{
                                                 {"action", "track"},
                                                 {"merchant_transaction_id", "t1"},
                                                 {"result", "done"},
                                                 {"uid", "1000"},
                                                 {"pid", "77"}}));
    EXPECT_EQ(only_line(log_event_id::transaction_tracked), (fields{{"merchant_transaction_id", "t1"}}));
}

TEST_F(TrackingCalls, ATraceIsKeptAndLoggedAndIsNoOption) {
    api::tracking_options options;
    options.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    EXPECT_TRUE(std::get<api::tracked>(track("t1", options)).created);
    EXPECT_EQ(stored("t1").traceparent, options.traceparent);
    EXPECT_EQ(
        only_line(log_event_id::transaction_tracked),
        (fields{{"merchant_transaction_id", "t1"}, {"traceparent", options.traceparent}}));
    EXPECT_FALSE(std::get<api::tracked>(track("t1")).created) << "the same without a trace is the same";
    EXPECT_EQ(stored("t1").traceparent, options.traceparent);
}

TEST_F(TrackingCalls, ItIsOverdueAfterTheConfiguredTimeUnlessItSaysOtherwise) {
    world_.config.poll.overdue_after = 5h;
    const auto done = std::get<api::tracked>(track("t1"));
    EXPECT_EQ(done.transaction.facts.overdue_at, world_.clock.now().wall + 5h);
}

TEST_F(TrackingCalls, TheSameOneAgainChangesNothing) {
    track("t1", with_metadata(R"({"order":7})"));
    const row_revision before = stored("t1").revision;
    world_.log.clear();
    const auto done = std::get<api::tracked>(track("t1", with_metadata(R"({"order":7})")));
    EXPECT_FALSE(done.created);
    EXPECT_EQ(done.transaction.metadata, R"({"order":7})");
    EXPECT_TRUE(done.transaction.next_poll_at.has_value());
    EXPECT_EQ(stored("t1").revision, before);
    EXPECT_TRUE(world_.log.lines().empty());
}

TEST_F(TrackingCalls, TheSameIdWithOtherOptionsIsRefusedAndKeepsItsOwn) {
    track("t1", with_metadata(R"({"order":7})"));
    world_.log.clear();
    const auto refused = std::get<api::problem>(track("t1", with_metadata(R"({"order":8})")));
    EXPECT_EQ(refused.code, api::problem_code::already_tracked);
    EXPECT_EQ(refused.detail, "'t1' is tracked with other options: `prooftrackctl get t1` shows them");
    EXPECT_EQ(stored("t1").metadata, R"({"order":7})");
    EXPECT_TRUE(world_.log.lines().empty());
}

TEST_F(TrackingCalls, WhatMayNotBeTrackedNowDoesNotReachTheStore) {
    world_.state.life = daemon_state::phase::stopping;
    const std::uint64_t before = world_.memory.operations();
    EXPECT_EQ(std::get<api::problem>(track("t1")).code, api::problem_code::unavailable);
    EXPECT_EQ(world_.memory.operations(), before);
    EXPECT_TRUE(world_.log.lines().empty());
}

TEST_F(TrackingCalls, AStoreThatIsFullTracksNothing) {
    world_.memory.set_full(true);
    const auto refused = std::get<api::problem>(track("t1"));
    EXPECT_EQ(refused.code, api::problem_code::store_unavailable);
    EXPECT_EQ(refused.detail, "the disk is full: nothing was changed; free some room and try again");
    EXPECT_FALSE(world_.disk.transactions.contains("t1"));
    EXPECT_FALSE(is_polled("t1"));
    EXPECT_TRUE(world_.log.lines().empty());
}

// ---- imports

TEST_F(TrackingCalls, AnImportRejectsALineByItsOptionsAndGoesOn) {
    std::vector<api::import_line> some = lines(2);
    some.insert(some.begin() + 1, line(9, "bad", with_url("https://elsewhere.example/hook")));
    const auto done = std::get<api::import_summary>(import(std::move(some)));
    EXPECT_EQ(done.created, 2U);
    EXPECT_EQ(done.existing, 0U);
    ASSERT_EQ(done.rejected.size(), 1U);
    EXPECT_EQ(done.rejected[0].line, 9U);
    EXPECT_EQ(done.rejected[0].code, api::problem_code::invalid_request);
    EXPECT_THAT(done.rejected[0].detail, testing::StartsWith("callback_url: "));
    EXPECT_FALSE(world_.disk.transactions.contains("bad"));
    EXPECT_TRUE(is_polled("i1"));
    EXPECT_TRUE(is_polled("i2"));
    EXPECT_EQ(
        only_line(log_event_id::api_change),
        (fields{{"action", "import"}, {"count", "2"}, {"result", "done"}, {"uid", "1000"}, {"pid", "77"}}));
    EXPECT_EQ(
        only_line(log_event_id::transaction_tracked),
        (fields{{"source", "import"}, {"created", "2"}, {"existing", "0"}, {"rejected", "1"}}));
}

TEST_F(TrackingCalls, AnImportOfNothingIsDone) {
    const std::uint64_t before = world_.memory.operations();
    const auto done = std::get<api::import_summary>(import({}));
    EXPECT_EQ(done.created + done.existing, 0U);
    EXPECT_EQ(world_.memory.operations(), before);
    EXPECT_EQ(only_line(log_event_id::api_change).at("count"), "0");
}

TEST_F(TrackingCalls, AnImportTakesAThousandLinesAtATime) {
    const std::uint64_t before = world_.memory.operations();
    EXPECT_EQ(std::get<api::import_summary>(import(lines(1'000))).created, 1'000U);
    EXPECT_EQ(world_.memory.operations() - before, 1U);
    EXPECT_EQ(std::get<api::import_summary>(import(lines(1'001))).existing, 1'000U);
    EXPECT_EQ(world_.memory.operations() - before, 3U);
}

TEST_F(TrackingCalls, ABareIdOfAnImportIsSatisfiedByOneWithWhateverOptions) {
    track("t1", with_metadata(R"({"order":7})"));
    std::vector<api::import_line> both{line(1, "t1"), line(2, "t1")};
    both[0].is_bare = true;
    const auto done = std::get<api::import_summary>(import(std::move(both)));
    EXPECT_EQ(done.created, 0U);
    EXPECT_EQ(done.existing, 1U);
    ASSERT_EQ(done.rejected.size(), 1U);
    EXPECT_EQ(done.rejected[0].line, 2U);
    EXPECT_EQ(done.rejected[0].code, api::problem_code::already_tracked);
    EXPECT_EQ(done.rejected[0].detail, "'t1' is tracked with other options: `prooftrackctl get t1` shows them");
    EXPECT_EQ(stored("t1").metadata, R"({"order":7})");
}

TEST_F(TrackingCalls, AnImportEndsWithADaemonThatStopsAndReportsWhatWasTaken) {
    std::optional<api::outcome<api::import_summary>> done;
    world_.tracking->import(
        lines(1'500), who, [&](api::outcome<api::import_summary> summary) { done = std::move(summary); });
    world_.state.life = daemon_state::phase::stopping;
    world_.memory.pump();
    const auto refused = std::get<api::problem>(std::move(done).value());
    EXPECT_EQ(refused.code, api::problem_code::unavailable);
    EXPECT_EQ(refused.members, std::vector{api::problem_member::number("taken", 1'000)});
    EXPECT_EQ(world_.disk.transactions.size(), 1'000U);
    EXPECT_EQ(
        only_line(log_event_id::api_change),
        (fields{{"action", "import"}, {"count", "1000"}, {"result", "unavailable"}, {"uid", "1000"}, {"pid", "77"}}));
    EXPECT_EQ(world_.log.count(log_event_id::transaction_tracked), 0U);
}

// ---- the id of a new session

class NewSessions : public TrackingCalls {
  protected:
    /// nullopt = it was taken.
    std::optional<api::problem> track_session(
        const char* text, api::tracking_options options = {}, std::optional<store::digest> session = {}) {
        std::optional<std::optional<api::problem>> done;
        start(
            world_.tracking->track_session(world_.id(text), std::move(options), session),
            [&](std::optional<api::problem> refused) { done = std::move(refused); });
        world_.memory.pump();
        return std::move(done).value();
    }
    static api::problem_code code_of(const std::optional<api::problem>& refused) { return refused.value().code; }
    /// One that settled with these options.
    void settle(const char* text, const std::string& metadata, std::optional<std::string> url = {}) {
        world_.add_settled(text);
        world_.disk.transactions.at(text).metadata = metadata;
        world_.disk.transactions.at(text).callback_url = std::move(url);
    }
    wall_time next_poll(const char* text) const {
        return world_.polls.live(world_.polls.core().find(text).value()).next_poll_at.value();
    }
};

TEST_F(NewSessions, ANewIdIsTrackedAndItsKeyRemembersIt) {
    const store::digest key{1};
    world_.disk.sessions[key] = {};
    EXPECT_EQ(track_session("t1", with_metadata(R"({"order":7})"), key), std::nullopt);
    EXPECT_EQ(stored("t1").metadata, R"({"order":7})");
    EXPECT_EQ(world_.disk.sessions.at(key).transaction, "t1");
    EXPECT_TRUE(is_polled("t1"));
    EXPECT_EQ(only_line(log_event_id::transaction_tracked), (fields{{"merchant_transaction_id", "t1"}}));
    EXPECT_EQ(world_.log.count(log_event_id::api_change), 0U) << "the session is what is audited";
}

TEST_F(NewSessions, ASessionThatExistsIsRecordedWhateverHasChangedMeanwhile) {
    world_.state.life = daemon_state::phase::stopping;
    EXPECT_EQ(track_session("t1", with_url("https://elsewhere.example:8443/hook")), std::nullopt);
    EXPECT_EQ(stored("t1").callback_lane, "https://elsewhere.example:8443");
}

TEST_F(NewSessions, AStoreThatCannotTakeItIsReported) {
    world_.memory.set_full(true);
    EXPECT_EQ(code_of(track_session("t1")), api::problem_code::store_unavailable);
    EXPECT_FALSE(is_polled("t1"));
}

TEST_F(NewSessions, OptionsThatSaySomethingMustBeThoseOfTheTrackedOne) {
    track("t1", with_metadata(R"({"order":7})"));
    EXPECT_EQ(track_session("t1", with_metadata(R"({"order":7})")), std::nullopt);
    EXPECT_EQ(track_session("t1"), std::nullopt) << "they say nothing";
    EXPECT_EQ(code_of(track_session("t1", with_metadata("{\"order\":8}"))), api::problem_code::already_tracked);
    EXPECT_EQ(code_of(track_session("t1", with_url(own_url))), api::problem_code::already_tracked);
    EXPECT_EQ(code_of(track_session("t1", with_overdue(3h))), api::problem_code::already_tracked);
    EXPECT_EQ(stored("t1").metadata, R"({"order":7})");
    EXPECT_EQ(stored("t1").callback_url, std::nullopt);
}

TEST_F(NewSessions, TheTrackedOneIsPolledSoon) {
    track("t1");
    world_.polls.step(track::started_event{});
    auto ticket = world_.polls.next_poll();
    ASSERT_TRUE(ticket);
    track::poll_answer reply;
    reply.what = track::reply_class::good;
    reply.status = "pending";
    reply.body_hash = 1;
    world_.polls.on_answer(std::move(*ticket), std::move(reply));
    world_.memory.pump();
    ASSERT_GT(next_poll("t1"), world_.clock.now().wall + 1s);
    EXPECT_EQ(track_session("t1"), std::nullopt);
    EXPECT_LE(next_poll("t1"), world_.clock.now().wall + 1s);
}

TEST_F(NewSessions, OptionsThatSaySomethingMustBeThoseOfTheSettledOne) {
    settle("t1", R"({ "b" : 1, "a" : 2 })", own_url);
    api::tracking_options options = with_metadata(R"({"a":2,"b":1})");
    options.callback_url = own_url;
    EXPECT_EQ(track_session("t1", options), std::nullopt) << "equal values, written otherwise";
    EXPECT_EQ(track_session("t1"), std::nullopt);
    options.callback_url = "https://pay.shop.example/other";
    EXPECT_EQ(code_of(track_session("t1", options)), api::problem_code::already_tracked);
    options.callback_url = own_url;
    options.metadata_canonical = R"({"a":3,"b":1})";
    const auto refused = track_session("t1", options);
    EXPECT_EQ(code_of(refused), api::problem_code::already_tracked);
    EXPECT_EQ(refused->detail, "'t1' is tracked with other options: `prooftrackctl get t1` shows them");
    EXPECT_TRUE(is_polled("t1")) << "a failed one may go on";
}

TEST_F(NewSessions, OptionsOfASettledOneThatCannotBeReadAreNotTheSame) {
    settle("t1", "{");
    EXPECT_EQ(code_of(track_session("t1", with_metadata("{\"a\":1}"))), api::problem_code::already_tracked);
}

TEST_F(NewSessions, AReadOfTheSettledOneThatFailsIsReported) {
    settle("t1", R"({"a":1})");
    world_.memory.fail_operation(3, store::store_error::failed); // after the adding, and the hint's read
    EXPECT_EQ(code_of(track_session("t1", with_metadata(R"({"a":1})"))), api::problem_code::store_unavailable);
}

TEST_F(NewSessions, ASettledOneThatIsPrunedMeanwhileIsNotTakenForTheSame) {
    settle("t1", R"({"a":1})");
    std::optional<std::optional<api::problem>> done;
    start(
        world_.tracking->track_session(world_.id("t1"), with_metadata(R"({"a":1})"), std::nullopt),
        [&](std::optional<api::problem> refused) { done = std::move(refused); });
    world_.step();
    world_.disk.transactions.clear();
    world_.memory.pump();
    EXPECT_EQ(code_of(std::move(done).value()), api::problem_code::already_tracked);
}

} // namespace
} // namespace prooftrack::engine
