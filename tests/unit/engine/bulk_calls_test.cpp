// Ending the tracking of many: who matches, what comes in between, and what a failure leaves.

#include "engine/bulk_calls.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "use_case_world.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using observe::log_event_id;
using testing::ElementsAre;
using testing::IsEmpty;
using track::tracking_state;

constexpr api::client_identity who{1000, 77};

track::transaction_query in_state(tracking_state state) {
    track::transaction_query query;
    query.state = state;
    return query;
}

class BulkCalls : public testing::Test {
  protected:
    using answer = std::optional<api::outcome<api::untrack_summary>>;

    void begin(track::transaction_query filter, bool is_dry_run = false) {
        done_.reset();
        world_.bulk->untrack_matching(
            {std::move(filter), is_dry_run}, who,
            [this](api::outcome<api::untrack_summary> done) { done_ = std::move(done); });
    }
    /// "matched/untracked", or the problem's code and what was done.
    std::string end(track::transaction_query filter, bool is_dry_run = false) {
        begin(std::move(filter), is_dry_run);
        world_.memory.pump();
        return said();
    }
    std::string said() const {
        if (!done_) return "";
        if (const auto* refused = std::get_if<api::problem>(&*done_)) {
            const api::problem_member& done = refused->members.back();
            return fmt::format(
                "{} {} {}", api::word_of(refused->code), done.name(), std::get<std::uint64_t>(done.value()));
        }
        const auto& all = std::get<api::untrack_summary>(*done_);
        return fmt::format("{}/{}", all.matched, all.untracked);
    }
    void add(int count) {
        std::vector<api::import_line> lines;
        for (int i = 0; i < count; ++i)
            lines.push_back({static_cast<std::uint32_t>(i + 1), {world_.id(name(i).c_str()), {}}, true});
        world_.tracking->import(std::move(lines), who, [](const api::outcome<api::import_summary>&) {});
        world_.memory.pump();
        world_.log.clear();
    }
    static std::string name(int number) { return fmt::format("i{}", number); }
    const track::tracking_facts& stored(int number) const { return world_.disk.transactions.at(name(number)).facts; }
    std::size_t untracked() const {
        std::size_t count = 0;
        for (const auto& [id, row] : world_.disk.transactions)
            count += row.facts.state == tracking_state::untracked ? 1 : 0;
        return count;
    }
    /// The audit lines: action, id or count, result.
    std::vector<std::string> audited() const {
        std::vector<std::string> lines;
        for (const recorded_log::line& one : world_.log.of(log_event_id::api_change))
            lines.push_back(fmt::format(
                "{} {}{} {} {}", one.at("action"), one.at("merchant_transaction_id"), one.at("count"), one.at("result"),
                one.at("uid")));
        return lines;
    }

    use_case_world world_;
    answer done_;
};

TEST_F(BulkCalls, EachThatMatchesIsEndedAndAuditedAsByADelete) {
    add(2);
    std::string waited;
    world_.lookup->get(world_.id("i0"), 1h, [&](const api::outcome<track::transaction_view>& done) {
        waited = to_string(std::get<track::transaction_view>(done).facts.state);
    });
    EXPECT_EQ(end(in_state(tracking_state::tracking)), "2/2");
    EXPECT_EQ(untracked(), 2U);
    EXPECT_EQ(world_.polls.core().size(), 0U);
    EXPECT_EQ(waited, "untracked");
    EXPECT_THAT(audited(), ElementsAre("untrack i1 done 1000", "untrack i0 done 1000", "untrack_matching 2 done 1000"));
    EXPECT_EQ(world_.log.count(log_event_id::transaction_untracked), 2U);
    EXPECT_EQ(end(in_state(tracking_state::tracking)), "0/0") << "a repeat is safe";
}

TEST_F(BulkCalls, ADryRunCountsAndChangesNothing) {
    add(1'001);
    EXPECT_EQ(end({}, true), "1001/0");
    EXPECT_EQ(untracked(), 0U);
    EXPECT_THAT(audited(), IsEmpty());
}

TEST_F(BulkCalls, WhatHasEndedNeverMatches) {
    add(1);
    world_.add_settled("s");
    EXPECT_EQ(end({}), "1/1");
    EXPECT_EQ(world_.disk.transactions.at("s").facts.state, tracking_state::settled);
}

TEST_F(BulkCalls, GoesSliceBySlice) {
    add(600);
    begin({});
    std::vector<std::size_t> after_each_commit;
    while (said().empty()) {
        world_.memory.commit();
        after_each_commit.push_back(untracked());
        while (world_.memory.answer_one()) {
        }
    }
    EXPECT_EQ(said(), "600/600");
    EXPECT_THAT(after_each_commit, ElementsAre(0U, 250U, 250U, 500U, 500U, 600U));
}

TEST_F(BulkCalls, OneThatIsAnotherOneByNowIsLookedAtAgain) {
    add(2);
    track::transaction_query filter;
    filter.metadata = {{"order", "A"}};
    for (int i = 0; i < 2; ++i) world_.disk.transactions.at(name(i)).metadata = R"({"order":"A"})";
    api::options_patch patch;
    patch.metadata = api::options_patch::metadata_text{R"({"order":"B"})", R"({"order":"B"})"};
    world_.options->set_options(world_.id("i0"), patch, who, [](const api::outcome<track::transaction_view>&) {});
    begin(filter); // reads both; the new options of one are written before its end
    world_.memory.pump();
    EXPECT_EQ(said(), "1/1");
    EXPECT_EQ(stored(0).state, tracking_state::tracking);
    EXPECT_EQ(stored(1).state, tracking_state::untracked);
}

TEST_F(BulkCalls, AnEndThatIsOnItsWayIsWaitedForAndIsNotOurs) {
    add(2);
    begin({});
    world_.changes->untrack(world_.id("i0"), who, [](const api::outcome<track::transaction_view>&) {});
    world_.memory.pump();
    EXPECT_EQ(said(), "1/1");
    EXPECT_EQ(untracked(), 2U);
}

TEST_F(BulkCalls, AStaleOneIsJudgedAnew) {
    add(1);
    begin({});
    ASSERT_TRUE(world_.step()); // the list
    world_.memory.fail_operation(1, store::store_error::stale);
    world_.memory.pump();
    EXPECT_EQ(said(), "1/1");
    EXPECT_EQ(untracked(), 1U);
}

TEST_F(BulkCalls, WhatIsNotLoadedYetIsGivenUpAfterFiveLooks) {
    add(1);
    world_.disk.add_one({world_.id("s"), "{}", std::nullopt, "", world_.clock.now().wall, 24h, {}});
    EXPECT_EQ(end({}), "unavailable untracked 1");
    EXPECT_THAT(audited(), ElementsAre("untrack i0 done 1000", "untrack_matching 1 unavailable 1000"));
}

TEST_F(BulkCalls, AFailureHalfWaySaysHowManyAreDone) {
    add(600);
    begin({});
    world_.memory.fail_operation(1 + 250 + 1 + 7, store::store_error::full); // in the second slice
    world_.memory.pump();
    EXPECT_EQ(said(), "store_unavailable untracked 499") << "the others of the slice were recorded";
    EXPECT_EQ(untracked(), 499U);
    EXPECT_EQ(audited().size(), 500U);
    EXPECT_EQ(audited().back(), "untrack_matching 499 store_unavailable 1000");
    EXPECT_EQ(end({}), "101/101") << "a repeat ends the rest";
}

} // namespace
} // namespace prooftrack::engine
