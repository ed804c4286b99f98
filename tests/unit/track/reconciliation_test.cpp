#include <gtest/gtest.h>

#include <set>
#include <string>

#include "track/reconciliation.hpp"

namespace prooftrack::track {
namespace {

known_facts settled(std::string_view status) {
    known_facts known;
    known.state = tracking_state::settled;
    known.status = status;
    known.fiat_amount = "100.00";
    known.fiat_currency = "EUR";
    return known;
}

known_facts open(tracking_state state = tracking_state::tracking) {
    known_facts known;
    known.state = state;
    known.status = "pending";
    return known;
}

merchant_belief credited(bool value) {
    merchant_belief belief;
    belief.credited = value;
    return belief;
}

merchant_belief says(std::string_view status) {
    merchant_belief belief;
    belief.status = status;
    return belief;
}

TEST(Reconciliation, WhatIsNotSaidIsNotCompared) {
    for (const char* status : {"completed", "failed", "cancelled"})
        EXPECT_EQ(compare({}, settled(status)), std::nullopt);
}

TEST(Reconciliation, AgreementInEverythingIsNoDifference) {
    EXPECT_EQ(compare({"completed", "100", "eur", true}, settled("completed")), std::nullopt);
    EXPECT_EQ(compare({"cancelled", "100.00", "EUR", false}, settled("cancelled")), std::nullopt);
}

TEST(Reconciliation, AnotherStatusDiffersInCaseToo) {
    EXPECT_EQ(compare(says("failed"), settled("completed")), difference::status_differs);
    EXPECT_EQ(compare(says("Completed"), settled("completed")), difference::status_differs);
    EXPECT_EQ(compare(says("completed"), open()), difference::status_differs);
    known_facts unanswered;
    EXPECT_EQ(compare(says("pending"), unanswered), difference::status_differs);
}

TEST(Reconciliation, AmountsAreDecimals) {
    const auto given = [](std::string_view amount) {
        merchant_belief belief;
        belief.fiat_amount = amount;
        return belief;
    };
    EXPECT_EQ(compare(given("100"), settled("completed")), std::nullopt);
    EXPECT_EQ(compare(given("100.000"), settled("completed")), std::nullopt);
    EXPECT_EQ(compare(given("100.01"), settled("completed")), difference::amount_differs);
    EXPECT_EQ(compare(given("100.000000000000000001"), settled("completed")), difference::amount_differs);
    known_facts odd = settled("completed");
    odd.fiat_amount = "1e2"; // a number, but none that is compared
    EXPECT_EQ(compare(given("100"), odd), difference::amount_differs);
    EXPECT_EQ(compare(given("0"), odd), difference::amount_differs);
}

TEST(Reconciliation, AnAmountThatProofDoesNotGiveDiffersOnceItIsCompleted) {
    merchant_belief belief;
    belief.fiat_amount = "100";
    known_facts known = settled("completed");
    known.fiat_amount.reset();
    EXPECT_EQ(compare(belief, known), difference::amount_differs);
    belief.fiat_amount = "0";
    EXPECT_EQ(compare(belief, known), difference::amount_differs) << "none is not zero";
    belief.fiat_amount = "100";
    known = open();
    EXPECT_EQ(compare(belief, known), difference::still_open);
    known.fiat_amount = "90";
    EXPECT_EQ(compare(belief, known), difference::amount_differs);
}

TEST(Reconciliation, AnAmountThatProofLeavesOutOfAnUnpaidEndHidesNothing) {
    for (const char* status : {"failed", "cancelled"}) {
        known_facts known = settled(status);
        known.fiat_amount.reset();
        known.fiat_currency.reset();
        EXPECT_EQ(compare({status, "100", "EUR", false}, known), std::nullopt);
        EXPECT_EQ(compare({status, "100", "EUR", true}, known), difference::credited_but_not_completed);
        known.fiat_amount = "90";
        EXPECT_EQ(compare({status, "100", "EUR", false}, known), difference::amount_differs);
    }
}

TEST(Reconciliation, CurrenciesAreComparedWhenTheyAreGiven) {
    merchant_belief belief;
    belief.fiat_currency = "USD";
    EXPECT_EQ(compare(belief, settled("completed")), difference::amount_differs);
    belief.fiat_currency = "Eur";
    EXPECT_EQ(compare(belief, settled("completed")), std::nullopt);
    belief.fiat_currency = "EURO";
    EXPECT_EQ(compare(belief, settled("completed")), difference::amount_differs);
    EXPECT_EQ(compare(belief, open()), difference::still_open);
    known_facts unnamed = settled("completed");
    unnamed.fiat_currency.reset();
    EXPECT_EQ(compare(belief, unnamed), difference::amount_differs);
    known_facts named = open();
    named.fiat_currency = "EUR";
    EXPECT_EQ(compare(belief, named), difference::amount_differs) << "given before the end";
    belief.fiat_currency = "eur";
    EXPECT_EQ(compare(belief, named), difference::still_open);
}

TEST(Reconciliation, TheFirstThatFitsIsReported) {
    known_facts known = settled("failed");
    known.owed = true;
    known.former_statuses = {"completed"};
    EXPECT_EQ(compare({"completed", "1", "USD", true}, known), difference::reversed_since);
    known.former_statuses = {};
    EXPECT_EQ(compare({"completed", "1", "USD", true}, known), difference::status_differs);
    EXPECT_EQ(compare({"failed", "1", "EUR", true}, known), difference::amount_differs);
    EXPECT_EQ(compare({"failed", "100", "USD", true}, known), difference::amount_differs);
    EXPECT_EQ(compare({"failed", "100", "EUR", true}, known), difference::credited_but_not_completed);
    EXPECT_EQ(compare({"failed", "100", "EUR", false}, known), difference::not_delivered);
}

TEST(Reconciliation, CreditFollowsCompletedAlone) {
    EXPECT_EQ(compare(credited(true), settled("completed")), std::nullopt);
    EXPECT_EQ(compare(credited(false), settled("completed")), difference::completed_but_not_credited);
    EXPECT_EQ(compare(credited(true), settled("failed")), difference::credited_but_not_completed);
    EXPECT_EQ(compare(credited(true), settled("cancelled")), difference::credited_but_not_completed);
    EXPECT_EQ(compare(credited(false), settled("failed")), std::nullopt);
    EXPECT_EQ(compare(credited(true), open()), difference::credited_but_not_completed);
    EXPECT_EQ(compare(credited(true), open(tracking_state::untracked)), difference::credited_but_not_completed);
}

TEST(Reconciliation, WhatIsOwedComesBehindEveryContradiction) {
    known_facts owed = settled("completed");
    owed.owed = true;
    EXPECT_EQ(compare({}, owed), difference::not_delivered);
    EXPECT_EQ(compare(credited(true), owed), difference::not_delivered);
    EXPECT_EQ(compare(credited(false), owed), difference::completed_but_not_credited);
    known_facts late = open(tracking_state::overdue);
    late.owed = true;
    EXPECT_EQ(compare({}, late), difference::not_delivered);
}

TEST(Reconciliation, EveryStateButSettledIsStillOpen) {
    for (const auto state :
         {tracking_state::tracking, tracking_state::overdue, tracking_state::not_found, tracking_state::rejected,
          tracking_state::abandoned, tracking_state::untracked}) {
        EXPECT_EQ(compare({}, open(state)), difference::still_open);
        EXPECT_EQ(compare(says("pending"), open(state)), difference::still_open);
    }
}

TEST(Reconciliation, AReversalExplainsWhatWasRightBefore) {
    known_facts known = settled("failed");
    known.former_statuses = {"completed"};
    EXPECT_EQ(compare(says("completed"), known), difference::reversed_since);
    EXPECT_EQ(compare(credited(true), known), difference::reversed_since);
    // The status was corrected, the credit was not taken back.
    EXPECT_EQ(compare({"failed", {}, {}, true}, known), difference::reversed_since);
    // It was never cancelled.
    EXPECT_EQ(compare(says("cancelled"), known), difference::status_differs);
    EXPECT_EQ(compare(credited(false), known), std::nullopt);
    EXPECT_EQ(compare(says("failed"), known), std::nullopt);
    // What is wrong now was wrong before, and what was right then is right still.
    EXPECT_EQ(compare({"cancelled", {}, {}, false}, known), difference::status_differs);
    known.former_statuses = {"cancelled"};
    EXPECT_EQ(compare({"completed", {}, {}, false}, known), difference::status_differs);
    EXPECT_EQ(compare({"completed", {}, {}, true}, known), difference::status_differs);

    known = settled("completed");
    known.former_statuses = {"failed"};
    EXPECT_EQ(compare(credited(false), known), difference::reversed_since);
    known.former_statuses = {};
    EXPECT_EQ(compare(credited(false), known), difference::completed_but_not_credited);
}

TEST(Reconciliation, FormerStatusesAreAskedForOnlyWhenTheyMayMatter) {
    EXPECT_TRUE(needs_former_statuses(says("completed"), settled("failed")));
    EXPECT_TRUE(needs_former_statuses(credited(true), settled("failed")));
    EXPECT_TRUE(needs_former_statuses(credited(false), settled("completed")));
    EXPECT_FALSE(needs_former_statuses(says("failed"), settled("failed")));
    EXPECT_FALSE(needs_former_statuses({}, settled("failed")));
    EXPECT_FALSE(needs_former_statuses(credited(true), open()));
    merchant_belief amount;
    amount.fiat_amount = "1";
    EXPECT_FALSE(needs_former_statuses(amount, settled("completed")));
}

TEST(Reconciliation, EachClassHasItsWordAndSaysWhatToDo) {
    std::set<std::string_view> words;
    for (std::size_t i = 0; i < difference_count; ++i) {
        const auto kind = static_cast<difference>(i);
        words.insert(to_string(kind));
        for (const known_facts& known : {settled("completed"), settled("failed"), open()})
            EXPECT_FALSE(advice_on(kind, nullptr, &known).empty()) << to_string(kind);
    }
    EXPECT_EQ(words.size(), difference_count);
    EXPECT_FALSE(advice_on(difference::unknown_here, nullptr, nullptr).empty());
    const known_facts back = settled("failed");
    const known_facts after_all = settled("completed");
    EXPECT_NE(
        advice_on(difference::reversed_since, nullptr, &back),
        advice_on(difference::reversed_since, nullptr, &after_all));
}

TEST(Reconciliation, TheAdviceFollowsWhatWasCredited) {
    const auto advice = [](difference kind, const merchant_belief& belief, const known_facts& known) {
        return advice_on(kind, &belief, &known);
    };
    const auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
    constexpr const char* credit = "credit it, once";
    constexpr const char* take_back = "take the credit back";
    for (const auto kind : {difference::reversed_since, difference::status_differs}) {
        // What agrees is left alone.
        const auto done = advice(kind, {"failed", {}, {}, true}, settled("completed"));
        EXPECT_FALSE(has(done, credit)) << done;
        const auto never = advice(kind, {"completed", {}, {}, false}, settled("failed"));
        EXPECT_FALSE(has(never, take_back)) << never;
        for (const auto& text : {done, never}) EXPECT_TRUE(has(text, "orrect the list")) << text;
        // What contradicts is named.
        EXPECT_TRUE(has(advice(kind, {"completed", {}, {}, true}, settled("failed")), take_back));
        EXPECT_TRUE(has(advice(kind, {"failed", {}, {}, false}, settled("completed")), credit));
    }
    // The list's status is right already.
    EXPECT_FALSE(has(advice(difference::reversed_since, {"failed", {}, {}, true}, settled("failed")), "the list"));
    EXPECT_TRUE(has(advice(difference::status_differs, {"completed", {}, {}, true}, open()), "hold it back"));
    EXPECT_TRUE(has(advice(difference::amount_differs, {"failed", "1", {}, true}, settled("failed")), take_back));
    EXPECT_FALSE(has(advice(difference::amount_differs, {"completed", "1", {}, false}, settled("completed")), credit));
}

TEST(Reconciliation, WhatToDoDependsOnWhatIsKnown) {
    const auto advice = [](difference kind, const known_facts& known) { return advice_on(kind, nullptr, &known); };
    const auto begins = [](std::string_view text, std::string_view with) { return text.starts_with(with); };
    for (const auto kind : {difference::still_open, difference::status_differs}) {
        for (const auto state : {tracking_state::tracking, tracking_state::overdue})
            EXPECT_TRUE(begins(advice(kind, open(state)), "Not ended yet. Wait"));
        for (const auto state : {tracking_state::abandoned, tracking_state::untracked})
            EXPECT_TRUE(begins(advice(kind, open(state)), "Its tracking ended before the payment did."));
        for (const auto state : {tracking_state::not_found, tracking_state::rejected})
            EXPECT_TRUE(begins(advice(kind, open(state)), "Proof does not know this id."));
    }
    EXPECT_TRUE(begins(advice(difference::status_differs, settled("failed")), "Correct the list:"));
    EXPECT_TRUE(begins(advice(difference::reversed_since, settled("completed")), "Proof completed it after all:"));
    EXPECT_TRUE(begins(advice(difference::reversed_since, settled("failed")), "Proof took its word back:"));
    const auto credited_early = difference::credited_but_not_completed;
    EXPECT_TRUE(begins(advice(credited_early, settled("failed")), "Credited without a completed payment:"));
    EXPECT_TRUE(begins(advice(credited_early, open()), "Credited before the payment was completed:"));
    const auto not_given = difference::here_but_not_given;
    EXPECT_TRUE(begins(advice(not_given, settled("completed")), "A completed payment that the list does not have:"));
    EXPECT_TRUE(begins(advice(not_given, settled("cancelled")), "Nothing was paid."));
    EXPECT_TRUE(begins(advice(not_given, open()), "Not ended yet, and the list does not have it."));
}

TEST(ReconcileTotals, WhatCountsAsReceived) {
    EXPECT_TRUE(counts_as_received({}));
    EXPECT_TRUE(counts_as_received(says("completed")));
    EXPECT_FALSE(counts_as_received(says("failed")));
    EXPECT_TRUE(counts_as_received({"failed", {}, {}, true}));
    EXPECT_FALSE(counts_as_received({"completed", {}, {}, false}));
}

TEST(ReconcileTotals, AreExactByCurrency) {
    reconcile_totals totals;
    totals.add_given("EUR", "0.1");
    totals.add_given("eur", "0.2");
    totals.add_here("EUR", "0.30");
    totals.add_here("USD", "7");
    totals.add_here("USD", std::nullopt);
    totals.add_here("USD", "seven");
    const auto& by = totals.by_currency();
    ASSERT_EQ(by.size(), 2U);
    EXPECT_EQ(by.at("EUR").given.amount, by.at("EUR").here.amount);
    EXPECT_EQ(by.at("EUR").given.payments, 2U);
    EXPECT_EQ(by.at("USD").here.amount.str(), "7");
    EXPECT_EQ(by.at("USD").here.payments, 3U);
    EXPECT_EQ(by.at("USD").here.without_amount, 2U);
    EXPECT_EQ(by.at("USD").given.payments, 0U);
}

TEST(ReconcileTotals, CurrenciesAreInUpperCase) {
    reconcile_totals totals;
    totals.add_given("zar", "1"); // the first and the last letter
    totals.add_here("ZAR", "1");
    totals.add_here("", "1");
    ASSERT_EQ(totals.by_currency().size(), 2U);
    EXPECT_EQ(totals.by_currency().at("ZAR").difference(), "0");
    EXPECT_EQ(totals.by_currency().at("").here.payments, 1U);
}

TEST(ReconcileTotals, ASideWithoutAnyAmountHasNoDifference) {
    reconcile_totals totals;
    totals.add_given("EUR", "5");
    EXPECT_EQ(totals.by_currency().at("EUR").difference(), "5"); // nothing is completed here, and that is known
    totals.add_here("EUR", std::nullopt);
    EXPECT_EQ(totals.by_currency().at("EUR").difference(), std::nullopt);
    totals.add_here("EUR", "7.5");
    EXPECT_EQ(totals.by_currency().at("EUR").difference(), "-2.5");
    totals.add_given("USD", std::nullopt);
    EXPECT_EQ(totals.by_currency().at("USD").difference(), std::nullopt);
}

TEST(ReconcileTotals, TheNumberAndTheLengthOfCurrenciesAreBounded) {
    reconcile_totals totals;
    for (int i = 0; i < 200; ++i) totals.add_here("C" + std::to_string(i), "1");
    totals.add_here("ONEMORE", "5");
    totals.add_given("TWOMORE", "5");
    totals.add_here("C0", "1");
    const auto& by = totals.by_currency();
    EXPECT_EQ(by.size(), 201U);
    EXPECT_EQ(by.at("C0").here.amount.str(), "2");
    const currency_totals& other = by.at("(other)");
    EXPECT_EQ(other.here.payments, 1U);
    EXPECT_EQ(other.given.payments, 1U);
    EXPECT_EQ(other.here.without_amount, 1U); // two currencies are not added up
    EXPECT_TRUE(other.here.amount.is_zero());

    reconcile_totals longer;
    longer.add_here(std::string(16, 'A'), "1");
    longer.add_here(std::string(17, 'A'), "1");
    EXPECT_EQ(longer.by_currency().count("(other)"), 1U);
    EXPECT_EQ(longer.by_currency().size(), 2U);
}

} // namespace
} // namespace prooftrack::track
