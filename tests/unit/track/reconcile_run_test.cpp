// A list against what is known here: who is compared with what, what is counted, and the JSON of it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/made_up_source.hpp"
#include "track/reconcile_run.hpp"

namespace prooftrack::track {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

using texts = std::vector<std::string>;

struct noted_findings final : reconcile_findings {
    void on_difference(const found_difference& found) override {
        differences.push_back(
            std::string(to_string(found.kind)) + " " + (found.given != nullptr ? found.given->id : found.known->id));
        places.push_back(found.at);
        EXPECT_EQ(found.at.has_value(), found.given != nullptr);
        json.push_back(render_difference(found));
    }
    void on_unreadable(std::uint64_t line, std::string_view why) override {
        unreadable.push_back(render_unreadable(line, why));
    }
    texts differences;
    std::vector<std::optional<std::size_t>> places;
    texts json;
    texts unreadable;
};

struct ReconcileRun : testing::Test {
    noted_findings found;
    made_up_source source;
    std::size_t seen = 0;

    reconcile_summary run(
        const std::vector<merchant_line>& list, const reconcile_period& period = {}, const texts& unreadable = {}) {
        reconciliation work(found, period, 100);
        for (const merchant_line& line : list) EXPECT_TRUE(work.take(line));
        for (const std::string& id : unreadable) EXPECT_TRUE(work.take_unreadable({99, "bad", {id}, false}));
        work.run(source, [this](std::uint64_t number) { seen = number; });
        return work.summary();
    }
};

TEST_F(ReconcileRun, EachIsReportedOnceInItsClass) {
    source.listed = {settled_as("fine", "completed"),        settled_as("reversed", "failed"),
                     settled_as("status", "failed"),         settled_as("amount", "completed"),
                     settled_as("credited", "failed"),       settled_as("missed", "completed"),
                     settled_as("undelivered", "completed"), still_pending("open"),
                     settled_as("extra", "completed"),       settled_as("undelivered", "completed")};
    source.owed = {"undelivered", "extra", "nowhere"};
    source.former["reversed"] = {"completed"};
    const reconcile_summary summary = run(
        {{2, "fine", {"completed", "100", "EUR", true}},
         {3, "reversed", {"completed", "100", {}, true}},
         {4, "status", {"completed", {}, {}, {}}},
         {5, "amount", {"completed", "90", {}, true}},
         {6, "credited", {"failed", "100", {}, true}},
         {7, "missed", {"completed", "100", {}, false}},
         {8, "undelivered", {"completed", "100", {}, true}},
         {9, "open", {"pending", {}, {}, {}}},
         {10, "unknown", {"completed", "5", "USD", {}}}});
    EXPECT_THAT(
        found.differences,
        UnorderedElementsAre(
            "unknown_here unknown", "reversed_since reversed", "status_differs status", "amount_differs amount",
            "credited_but_not_completed credited", "completed_but_not_credited missed", "not_delivered undelivered",
            "still_open open", "here_but_not_given extra"));
    EXPECT_THAT(found.places, testing::Contains(std::optional<std::size_t>(8))); // unknown, the last of the list
    EXPECT_THAT(source.asked_for_history, ElementsAre("reversed", "status", "credited", "missed"));
    EXPECT_EQ(seen, 10U);
    EXPECT_EQ(summary.given, 9U);
    EXPECT_EQ(summary.here, 9U);
    EXPECT_EQ(summary.agreed, 1U);
    EXPECT_EQ(summary.differing(), 9U);
    for (std::size_t i = 0; i < difference_count; ++i) EXPECT_EQ(summary.of(static_cast<difference>(i)), 1U) << i;
    EXPECT_EQ(summary.with_status, 9U);
    EXPECT_EQ(summary.with_amount, 7U);
    EXPECT_EQ(summary.with_credited, 6U);
    EXPECT_FALSE(summary.is_clean());
    const auto& totals = summary.totals.by_currency();
    // Received by the list: fine, reversed, status (without an amount), amount, credited, undelivered.
    EXPECT_EQ(totals.at("EUR").given.amount.str(), "490");
    EXPECT_EQ(totals.at("EUR").given.payments, 6U);
    EXPECT_EQ(totals.at("EUR").here.amount.str(), "500.00"); // fine, amount, missed, undelivered, extra
    EXPECT_EQ(totals.at("USD").given.amount.str(), "5");
    EXPECT_EQ(summary.days.at("2026-04-07").agreed, 1U);
    EXPECT_EQ(summary.days.at("2026-04-07").differing, 7U);
    EXPECT_EQ(summary.days.at("2026-04-08").differing, 1U);
}

TEST_F(ReconcileRun, NothingIsClean) {
    source.listed = {settled_as("a", "completed")};
    EXPECT_TRUE(run({{1, "a", {}}}).is_clean());
    EXPECT_THAT(found.differences, IsEmpty());
}

TEST_F(ReconcileRun, WhatTheSourceMissedIsLookedUp) {
    source.missed.emplace("a", settled_as("a", "failed"));
    EXPECT_EQ(run({{1, "a", {}}, {2, "b", {}}}).agreed, 1U);
    EXPECT_THAT(found.differences, ElementsAre("unknown_here b"));
}

TEST_F(ReconcileRun, ThePeriodIsFromItsFirstMomentToBeforeItsLast) {
    for (const char* id : {"before", "first", "last", "given"}) source.listed.push_back(settled_as(id, "completed"));
    source.listed[0].tracked_at = "2026-03-31T23:59:59.999Z";
    source.listed[1].tracked_at = "2026-04-01T00:00:00.000Z";
    source.listed[2].tracked_at = "2026-05-01T00:00:00.000Z";
    source.listed[3].tracked_at = "2026-03-01T00:00:00.000Z";
    const reconcile_period april{"2026-04-01T00:00:00.000Z", "2026-05-01T00:00:00.000Z"};
    const reconcile_summary summary = run({{1, "given", {}}}, april);
    EXPECT_THAT(found.differences, ElementsAre("here_but_not_given first"));
    EXPECT_EQ(summary.here, 2U);
    EXPECT_TRUE(reconcile_period{}.contains("1970-01-01T00:00:00.000Z"));
}

TEST_F(ReconcileRun, ALineThatCannotBeReadHidesItsIdAndOneThatRepeatsIsSuchALine) {
    source.listed = {settled_as("a", "completed"), settled_as("b", "completed"), settled_as("c", "completed")};
    const reconcile_summary summary = run({{2, "a", {}}, {3, "a", {"failed", {}, {}, {}}}}, {}, {"b"});
    EXPECT_THAT(found.differences, ElementsAre("here_but_not_given c"));
    EXPECT_THAT(
        found.unreadable,
        ElementsAre(R"({"line": 3, "error": "a stands in line 2 already"})", R"({"line": 99, "error": "bad"})"));
    EXPECT_EQ(summary.unreadable, 2U);
    EXPECT_EQ(summary.given, 1U);
    EXPECT_EQ(summary.here, 3U);
}

TEST_F(ReconcileRun, TellsARepetitionAndWhatTheListDoesNotHave) {
    reconciliation work(found, {"2026-04-01T00:00:00.000Z", ""}, 100);
    ASSERT_TRUE(work.take({2, "a", {}}));
    ASSERT_TRUE(work.take_unreadable({3, "bad", {"b"}, false}));
    EXPECT_EQ(work.repetition({2, "a", {}}), "");
    EXPECT_EQ(work.repetition({4, "a", {}}), "a stands in line 2 already");
    EXPECT_EQ(work.repetition({4, "b", {}}), "");
    EXPECT_FALSE(work.is_not_given(settled_as("a", "completed")));
    EXPECT_FALSE(work.is_not_given(settled_as("b", "completed")));
    EXPECT_TRUE(work.is_not_given(settled_as("c", "completed")));
    known_transaction early = settled_as("d", "completed");
    early.tracked_at = "2026-03-31T23:59:59.999Z";
    EXPECT_FALSE(work.is_not_given(early));
}

TEST_F(ReconcileRun, WhileALineMayHideIdsNoCreditIsAdvised) {
    source.listed = {settled_as("a", "completed"), settled_as("b", "completed"), still_pending("c")};
    for (const bool hides : {false, true}) {
        noted_findings noted;
        reconciliation work(noted, {}, 100);
        ASSERT_TRUE(work.take({2, "a", {"failed", {}, {}, {}}}));
        ASSERT_TRUE(work.take({3, "a", {}})); // a repetition hides nothing
        ASSERT_TRUE(work.take_unreadable({4, "bad", {}, hides}));
        ASSERT_TRUE(work.take_unreadable({5, "bad", {"d"}, false}));
        EXPECT_EQ(work.hides_ids(), hides);
        work.run(source, [](std::uint64_t) {});
        EXPECT_THAT(noted.differences, ElementsAre("status_differs a", "here_but_not_given b", "here_but_not_given c"));
        for (std::size_t i = 0; i < 3; ++i) {
            const bool warns = noted.json[i].find(std::string(advice_on_hidden)) != std::string::npos;
            EXPECT_EQ(warns, hides && i > 0) << noted.json[i];
        }
        EXPECT_EQ(noted.json[1].find("find its order and credit it") == std::string::npos, hides);
    }
}

TEST_F(ReconcileRun, TheNumberOfIdsIsBounded) {
    reconciliation work(found, {}, 2);
    EXPECT_TRUE(work.take({1, "a", {}}));
    EXPECT_TRUE(work.take({2, "b", {}}));
    EXPECT_FALSE(work.take({3, "c", {}}));
    EXPECT_EQ(work.summary().given, 2U);
    EXPECT_EQ(work.list().capacity(), 2U);
    EXPECT_TRUE(work.take_unreadable({4, "bad", {"x", "y"}, false}));
    EXPECT_TRUE(work.take_unreadable({5, "bad", {"x"}, false}));
    EXPECT_FALSE(work.take_unreadable({6, "bad", {"z"}, false}));
    EXPECT_EQ(work.summary().unreadable, 2U);
}

TEST_F(ReconcileRun, TheNumberOfDaysIsBounded) {
    const auto first = *parse_wall_time("2010-01-01T00:00:00Z");
    for (std::size_t i = 0; i < reconcile_summary::max_days + 5; ++i) {
        source.listed.push_back(settled_as("id-" + std::to_string(i), "completed"));
        source.listed.back().tracked_at = format_wall_time(first + std::chrono::hours(24 * i));
    }
    source.listed.push_back(source.listed.front()); // of a day that is there
    const reconcile_summary summary = run({});
    EXPECT_EQ(summary.days.size(), reconcile_summary::max_days);
    EXPECT_EQ(summary.days.at("2010-01-01").differing, 2U);
    EXPECT_EQ(summary.here, reconcile_summary::max_days + 6);
}

TEST_F(ReconcileRun, TheJsonOfADifferenceHasBothSides) {
    source.listed = {settled_as("a", "completed", "1.10"), still_pending("b")};
    run({{2, "a", {{}, "1.2", {}, true}}, {3, "c", {"completed", {}, "EUR", false}}});
    ASSERT_EQ(found.json.size(), 3U);
    EXPECT_THAT(
        found.json[0],
        HasSubstr(R"({"class": "amount_differs", "merchant_transaction_id": "a", "line": 2, "given": {"status": null, )"
                  R"("fiat_amount": "1.2", "fiat_currency": null, "credited": true}, "here": {"state": "settled", )"
                  R"("status": "completed", "fiat_amount": "1.10", "fiat_currency": "EUR", "tracked_at": )"
                  R"("2026-04-07T08:00:00.000Z", "settled_at": "2026-04-07T09:00:00.000Z"}, "what_to_do": ")"));
    EXPECT_THAT(
        found.json[1],
        HasSubstr(R"({"class": "here_but_not_given", "merchant_transaction_id": "b", "line": null, "given": null, )"
                  R"("here": {"state": "tracking", "status": "pending", "fiat_amount": null, "fiat_currency": null, )"
                  R"("tracked_at": "2026-04-08T08:00:00.000Z", "settled_at": null}, )"));
    EXPECT_THAT(
        found.json[2], HasSubstr(R"("line": 3, "given": {"status": "completed", "fiat_amount": null, )"
                                 R"("fiat_currency": "EUR", "credited": false}, "here": null, "what_to_do": ")"));
}

TEST_F(ReconcileRun, TheJsonOfASummaryHasEveryClass) {
    source.listed = {settled_as("a", "completed", "1.10")};
    const reconcile_period since{"2026-04-01T00:00:00.000Z", ""};
    EXPECT_EQ(
        render_summary(run({{2, "a", {{}, "1.2", {}, true}}}, since, {"x"}), since),
        R"({"summary": {"given": 1, "here": 1, "agreed": 0, "differing": 1, "unreadable": 1, "differences": )"
        R"({"unknown_here": 0, "reversed_since": 0, "status_differs": 0, "amount_differs": 1, )"
        R"("credited_but_not_completed": 0, "completed_but_not_credited": 0, "not_delivered": 0, "still_open": 0, )"
        R"("here_but_not_given": 0}, "compared": {"status": 0, "fiat_amount": 1, "credited": 1}, "totals": )"
        R"([{"fiat_currency": "EUR", "given": {"payments": 1, "fiat_amount": "1.2", "without_amount": 0}, "here": )"
        R"({"payments": 1, "fiat_amount": "1.10", "without_amount": 0}, "difference": "0.10"}], )"
        R"("since": "2026-04-01T00:00:00.000Z", "until": null}})");
}

TEST(TakesWordBack, OnlyBetweenTwoTerminalWords) {
    constexpr auto settled = tracking_state::settled;
    EXPECT_TRUE(takes_word_back(settled, "completed", settled, "failed"));
    EXPECT_FALSE(takes_word_back(settled, "completed", settled, "completed"));
    EXPECT_FALSE(takes_word_back(settled, "", settled, "failed"));
    EXPECT_FALSE(takes_word_back(tracking_state::tracking, "pending", settled, "failed"));
    EXPECT_FALSE(takes_word_back(settled, "completed", tracking_state::untracked, "failed"));
    EXPECT_FALSE(takes_word_back(std::nullopt, "completed", settled, "failed"));
}

} // namespace
} // namespace prooftrack::track
