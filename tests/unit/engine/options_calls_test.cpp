// Changing the options of a transaction: what holds afterwards, and what comes in between.

#include "engine/options_calls.hpp"

#include <gtest/gtest.h>

#include "use_case_world.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using observe::log_event_id;
using track::tracking_state;

const char* const own_url = "https://pay.shop.example/hook?token=secret";
const char* const lane = "https://pay.shop.example:443";
constexpr api::client_identity who{1000, 77};

api::options_patch with_metadata(const std::string& bytes) {
    api::options_patch patch;
    patch.metadata = api::options_patch::metadata_text{bytes, bytes};
    return patch;
}
api::options_patch with_url(std::optional<std::string> url) {
    api::options_patch patch;
    patch.sets_callback_url = true;
    patch.callback_url = std::move(url);
    return patch;
}

class OptionsCalls : public testing::Test {
  protected:
    using answer = std::optional<api::outcome<track::transaction_view>>;
    using fields = std::map<std::string, std::string, std::less<>>;

    OptionsCalls() { allow("*.shop.example"); }

    void allow(const std::string& host) { world_.deliveries.reconfigure(callback_table({}, {{host}, ""})); }
    void begin(api::options_patch patch, const char* id = "t1") {
        done_.reset();
        world_.options->set_options(
            world_.id(id), std::move(patch), who,
            [this](api::outcome<track::transaction_view> done) { done_ = std::move(done); });
    }
    std::string set(api::options_patch patch, const char* id = "t1") {
        begin(std::move(patch), id);
        world_.memory.pump();
        return word();
    }
    /// "ok", or the problem's code; "" = no answer yet.
    std::string word() const {
        if (!done_) return "";
        const auto* refused = std::get_if<api::problem>(&*done_);
        return refused == nullptr ? "ok" : std::string(api::word_of(refused->code));
    }
    const track::transaction_view& view() const { return std::get<track::transaction_view>(done_.value()); }
    const fake_disk::transaction_row& stored() const { return world_.disk.transactions.at("t1"); }
    void track(const std::string& metadata = "{}", std::optional<std::string> url = std::nullopt) {
        EXPECT_EQ(post(metadata, std::move(url)), "created");
    }
    std::string post(
        const std::string& metadata, std::optional<std::string> url = std::nullopt,
        std::optional<milliseconds> overdue_after = 2h) {
        api::tracking_options options;
        options.metadata = options.metadata_canonical = metadata;
        options.callback_url = std::move(url);
        options.overdue_after = overdue_after;
        std::string said;
        world_.tracking->track({world_.id("t1"), options}, who, [&](const api::outcome<api::tracked>& done) {
            const auto* refused = std::get_if<api::problem>(&done);
            if (refused != nullptr) said = api::word_of(refused->code);
            if (refused == nullptr) said = std::get<api::tracked>(done).created ? "created" : "existing";
        });
        world_.memory.pump();
        return said;
    }
    track::row_ref row() { return world_.polls.core().find("t1").value(); }
    void end_tracking() {
        world_.changes->untrack(world_.id("t1"), who, [](const api::outcome<track::transaction_view>&) {});
    }

    use_case_world world_;
    answer done_;
};

TEST_F(OptionsCalls, WhatIsGivenIsReplacedWholeAndTheRestStays) {
    track(R"({"a":1,"b":2})", own_url);
    EXPECT_EQ(set(with_metadata(R"({ "c" : 1.10 })")), "ok");
    EXPECT_EQ(view().metadata, R"({ "c" : 1.10 })");
    EXPECT_EQ(view().callback_url, own_url);
    EXPECT_EQ(stored().metadata, R"({ "c" : 1.10 })");
    EXPECT_EQ(stored().callback_lane, lane);
    EXPECT_TRUE(view().next_poll_at.has_value()) << "it is shown with what memory knows";
    EXPECT_EQ(set(with_url(std::nullopt)), "ok");
    EXPECT_EQ(view().metadata, R"({ "c" : 1.10 })");
    EXPECT_EQ(stored().callback_url, std::nullopt);
    EXPECT_EQ(stored().callback_lane, "");
    EXPECT_EQ(set(with_url("https://a.shop.example:8443/x")), "ok");
    EXPECT_EQ(stored().callback_lane, "https://a.shop.example:8443");
}

TEST_F(OptionsCalls, APostWithTheNewOptionsIsTheSameAndOneWithTheOldOnesIsNot) {
    track(R"({"a":1})", own_url);
    EXPECT_EQ(set(with_metadata(R"({"a":2})")), "ok");
    EXPECT_EQ(post(R"({"a":2})", own_url), "existing");
    EXPECT_EQ(post(R"({"a":1})", own_url), "already_tracked");
    EXPECT_EQ(post(R"({"a":2})", own_url, 3h), "already_tracked") << "it is overdue after the same time";
    EXPECT_EQ(set(with_url(std::nullopt)), "ok");
    EXPECT_EQ(post(R"({"a":2})"), "existing");
    EXPECT_EQ(post(R"({"a":2})", own_url), "already_tracked");
}

TEST_F(OptionsCalls, ATimeThatTheClockMovedIsStillTheSameOverdueAfter) {
    track(R"({"a":1})");
    track::tracking_facts& facts = world_.disk.transactions.at("t1").facts;
    facts.tracked_at += 5h;
    facts.overdue_at += 5h;
    EXPECT_EQ(set(with_metadata(R"({"a":2})")), "ok");
    EXPECT_EQ(post(R"({"a":2})"), "existing");
}

TEST_F(OptionsCalls, ItIsAuditedWithoutTheValues) {
    track();
    world_.log.clear();
    api::options_patch both = with_url(own_url);
    both.metadata = api::options_patch::metadata_text{R"({"name":"Jane"})", R"({"name":"Jane"})"};
    EXPECT_EQ(set(std::move(both)), "ok");
    ASSERT_EQ(world_.log.lines().size(), 1U);
    const fields expected{
        {"action", "set_options"},
        {"merchant_transaction_id", "t1"},
        {"result", "done"},
        {"uid", "1000"},
        {"pid", "77"}};
    EXPECT_EQ(world_.log.lines().front().event, log_event_id::api_change);
    EXPECT_EQ(world_.log.lines().front().fields, expected);
}

TEST_F(OptionsCalls, WhatCannotBeChangedIsRefused) {
    EXPECT_EQ(set(with_metadata("{}")), "unknown_transaction");
    track(R"({"a":1})", own_url);
    EXPECT_EQ(set(with_url("https://elsewhere.example/")), "invalid_request");
    allow("other.example");
    EXPECT_EQ(set(with_metadata(R"({"a":2})")), "ok") << "a URL that stays may be allowed no more";
    EXPECT_EQ(set(with_url(own_url)), "invalid_request");
    end_tracking();
    world_.memory.pump();
    EXPECT_EQ(set(with_metadata(R"({"a":3})")), "already_ended");
    EXPECT_EQ(stored().metadata, R"({"a":2})");
    EXPECT_EQ(world_.log.of(log_event_id::api_change).back().at("result"), "already_ended");
}

TEST_F(OptionsCalls, WhatHasSettledOrWasAbandonedCanBeChanged) {
    for (const tracking_state state : {tracking_state::settled, tracking_state::abandoned}) {
        world_.add_settled("t1");
        world_.disk.transactions.at("t1").facts.state = state;
        EXPECT_EQ(set(with_metadata(R"({"a":1})")), "ok") << to_string(state);
        EXPECT_EQ(view().facts.state, state);
    }
}

TEST_F(OptionsCalls, NothingIsChangedWhileItStartsOrTheDiskIsFull) {
    track(R"({"a":1})");
    world_.state.life = daemon_state::phase::stopping;
    EXPECT_EQ(set(with_metadata(R"({"a":2})")), "unavailable");
    world_.state.life = daemon_state::phase::running;
    world_.state.disk = track::store_state::full;
    EXPECT_EQ(set(with_metadata(R"({"a":2})")), "store_unavailable");
    EXPECT_EQ(stored().metadata, R"({"a":1})");
}

TEST_F(OptionsCalls, MemoryFollowsTheRevision) {
    track();
    EXPECT_EQ(set(with_metadata(R"({"a":2})")), "ok");
    EXPECT_EQ(world_.polls.core().revision(row()), stored().revision);
    end_tracking();
    world_.memory.pump();
    EXPECT_EQ(stored().facts.state, tracking_state::untracked) << "not stale";
}

TEST_F(OptionsCalls, AnEndThatIsOnItsWayIsWaitedFor) {
    track();
    end_tracking();
    EXPECT_EQ(set(with_metadata(R"({"a":2})")), "already_ended");
    EXPECT_EQ(stored().metadata, "{}");
}

TEST_F(OptionsCalls, ARowThatChangesBetweenTheTwoStepsIsReadAgain) {
    track();
    begin(with_metadata(R"({"a":2})"));
    end_tracking(); // behind its reading, before its writing
    world_.memory.pump();
    EXPECT_EQ(word(), "already_ended");
    EXPECT_EQ(stored().metadata, "{}");
}

TEST_F(OptionsCalls, AChangeThatIsJudgedBeforeTheNewOptionsAreDurableIsJudgedAgain) {
    track();
    begin(with_metadata(R"({"a":2})"));
    ASSERT_TRUE(world_.step()); // it was read, and the writing is called
    end_tracking();             // for the old revision
    world_.memory.pump();
    EXPECT_EQ(word(), "ok");
    EXPECT_EQ(stored().metadata, R"({"a":2})");
    EXPECT_EQ(stored().facts.state, tracking_state::untracked);
}

TEST_F(OptionsCalls, OneThatChangesAllTheTimeIsGivenUpAfterFiveTries) {
    track();
    const std::uint64_t before = world_.memory.operations();
    begin(with_metadata(R"({"a":2})"));
    while (word().empty()) {
        fake_disk::raise(world_.disk.transactions.at("t1"));
        ASSERT_TRUE(world_.step());
    }
    EXPECT_EQ(word(), "unavailable");
    EXPECT_EQ(world_.memory.operations() - before, 10U);
    EXPECT_EQ(stored().metadata, "{}");
}

} // namespace
} // namespace prooftrack::engine
