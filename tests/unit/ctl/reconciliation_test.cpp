#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/json_view.hpp"
#include "prooftrackctl/list_intake.hpp"
#include "prooftrackctl/reconcile_report.hpp"
#include "prooftrackctl/reconcile_source.hpp"
#include "prooftrackctl/reconcile_view.hpp"
#include "prooftrackctl/report_picture.hpp"
#include "support/made_up_source.hpp"

namespace prooftrack::ctl {
namespace {

using testing::HasSubstr;
using testing::Not;

struct outcome {
    difference_spool found;
    track::reconcile_summary summary;
    std::vector<std::string> of(track::difference kind) {
        std::vector<std::string> ids;
        found.each(kind, [&ids](std::string_view line) { ids.push_back(shown_difference_of(line).id); });
        return ids;
    }
};

void reconcile(
    outcome& into, const std::string& list, track::reconcile_source& source, const track::reconcile_period& period = {},
    std::size_t max_lines = 1000) {
    track::reconciliation work(into.found, period, max_lines);
    list_intake reader(work);
    reader.take(list);
    reader.finish();
    work.run(source, [](std::uint64_t) {});
    into.summary = work.summary();
}

using ids = std::vector<std::string>;

TEST(Reconcile, EveryClassOnceAndNothingElse) {
    made_up_source source;
    source.listed = {settled_as("fine", "completed"),        settled_as("reversed", "failed"),
                     settled_as("status", "failed"),         settled_as("amount", "completed"),
                     settled_as("credited", "failed"),       settled_as("missed", "completed"),
                     settled_as("undelivered", "completed"), still_pending("open"),
                     settled_as("extra", "completed"),       settled_as("agreed", "cancelled")};
    source.owed = {"undelivered", "undelivered", "extra", "nowhere"};
    source.former["reversed"] = {"completed"};
    outcome all;
    reconcile(
        all,
        "merchant_transaction_id,status,fiat_amount,credited\n"
        "fine,completed,100,true\nreversed,completed,100,true\nstatus,completed,100,\namount,completed,90,true\n"
        "credited,failed,100,true\nmissed,completed,100,false\nundelivered,completed,100,true\nopen,pending,,\n"
        "agreed,cancelled,100.00,false\nunknown,completed,5,true\n",
        source);
    EXPECT_EQ(all.of(track::difference::unknown_here), ids{"unknown"});
    EXPECT_EQ(all.of(track::difference::reversed_since), ids{"reversed"});
    EXPECT_EQ(all.of(track::difference::status_differs), ids{"status"});
    EXPECT_EQ(all.of(track::difference::amount_differs), ids{"amount"});
    EXPECT_EQ(all.of(track::difference::credited_but_not_completed), ids{"credited"});
    EXPECT_EQ(all.of(track::difference::completed_but_not_credited), ids{"missed"});
    EXPECT_EQ(all.of(track::difference::not_delivered), ids{"undelivered"});
    EXPECT_EQ(all.of(track::difference::still_open), ids{"open"});
    EXPECT_EQ(all.of(track::difference::here_but_not_given), ids{"extra"});
    EXPECT_EQ(all.summary.differing(), track::difference_count);
    EXPECT_EQ(all.summary.given, 10U);
    EXPECT_EQ(all.summary.here, 10U);
    EXPECT_EQ(all.summary.agreed, 2U);
    EXPECT_FALSE(all.summary.is_clean());
    // Only what contradicts costs a look into its history.
    EXPECT_EQ(source.asked_for_history, (ids{"reversed", "status", "credited", "missed"}));
    // Received by the list: fine, reversed, status, amount, credited, undelivered, unknown (currency not known).
    const auto& totals = all.summary.totals.by_currency();
    EXPECT_EQ(totals.at("EUR").given.amount.str(), "590");
    EXPECT_EQ(totals.at("EUR").here.amount.str(), "500.00"); // fine, amount, missed, undelivered, extra
    EXPECT_EQ(totals.at("").given.amount.str(), "5");
}

TEST(Reconcile, NothingDiffersIsClean) {
    made_up_source source;
    source.listed = {settled_as("a", "completed")};
    outcome all;
    reconcile(all, "merchant_transaction_id,fiat_amount\na,100\n", source);
    EXPECT_TRUE(all.summary.is_clean());
    EXPECT_EQ(not_compared(all.summary), "Not compared, as no line says it: status, credited.");
}

TEST(Reconcile, ARepeatedIdIsALineThatCannotBeRead) {
    made_up_source source;
    source.listed = {settled_as("a", "completed")};
    outcome all;
    reconcile(all, "merchant_transaction_id,status\na,completed\na,failed\n", source);
    EXPECT_EQ(all.summary.differing(), 0U);
    EXPECT_EQ(all.summary.unreadable, 1U);
    EXPECT_FALSE(all.summary.is_clean());
    ids lines;
    all.found.each_unreadable([&lines](std::string_view line) { lines.emplace_back(line); });
    EXPECT_EQ(lines, ids{R"({"line": 3, "error": "a stands in line 2 already"})"});
}

TEST(Reconcile, WhatALineThatCannotBeReadNamesIsNotMissingInTheList) {
    for (const std::string list :
         {"merchant_transaction_id,status,fiat_amount,credited\na,completed,\"1,234.50\",true\n",
          "merchant_transaction_id,status,fiat_amount,credited\na,completed,1,234.50,true\n",
          "order,fiat_amount,merchant_transaction_id\nA 1,1,234.50,a\n", "merchant_transaction_id,credited\na\n",
          "order,merchant_transaction_id\na\n", "{\"fiat_amount\":\"1,234.50\",\"merchant_transaction_id\":\"a\"}\n",
          "{\"credited\":7,\"merchant_transaction_id\":\"a\"}\n", "merchant_transaction_id,status\na,comp\"leted\n",
          "{\"merchant_transaction_id\":\"a\",}\n"}) {
        made_up_source source;
        source.listed = {settled_as("a", "completed"), settled_as("b", "completed")};
        outcome all;
        reconcile(all, list, source);
        EXPECT_EQ(all.of(track::difference::here_but_not_given), ids{"b"}) << list;
        EXPECT_EQ(all.summary.unreadable, 1U) << list;
        EXPECT_EQ(all.summary.here, 2U) << list;
        EXPECT_FALSE(all.summary.is_clean());
    }
}

TEST(Reconcile, TheNumberOfIdsInLinesThatCannotBeReadIsBounded) {
    made_up_source source;
    outcome all;
    const std::string list = "merchant_transaction_id,credited\na,?\nb,?\n";
    reconcile(all, list, source, {}, 2);
    EXPECT_EQ(all.summary.unreadable, 2U);
    EXPECT_THROW(reconcile(all, list + "c,?\n", source, {}, 2), command_failure);
}

TEST(Reconcile, WhatThePagesMissedIsLookedUpBeforeItIsCalledUnknown) {
    made_up_source source;
    source.missed.emplace("a", settled_as("a", "completed"));
    outcome all;
    reconcile(all, "merchant_transaction_id\na\nb\n", source);
    EXPECT_EQ(all.of(track::difference::unknown_here), ids{"b"});
    EXPECT_EQ(all.summary.agreed, 1U);
}

TEST(Reconcile, AnIdThatThePagesHaveTwiceCountsOnce) {
    made_up_source source;
    source.listed = {settled_as("a", "completed"), settled_as("a", "completed")};
    outcome all;
    reconcile(all, "merchant_transaction_id\na\n", source);
    EXPECT_TRUE(all.summary.is_clean());
    EXPECT_EQ(all.summary.here, 1U);
}

TEST(Reconcile, ThePeriodBoundsWhatTheListShouldHave) {
    made_up_source source;
    source.listed = {
        settled_as("march", "completed"), settled_as("april", "completed"), settled_as("may", "completed"),
        settled_as("late", "completed")};
    source.listed[0].tracked_at = "2026-03-31T23:59:59.999Z";
    source.listed[1].tracked_at = "2026-04-01T00:00:00.000Z";
    source.listed[2].tracked_at = "2026-05-01T00:00:00.000Z";
    source.listed[3].tracked_at = "2026-03-01T00:00:00.000Z";
    outcome all;
    reconcile(all, "merchant_transaction_id\nlate\n", source, {"2026-04-01T00:00:00.000Z", "2026-05-01T00:00:00.000Z"});
    EXPECT_EQ(all.of(track::difference::here_but_not_given), ids{"april"});
    EXPECT_EQ(all.summary.agreed, 1U); // given, so compared whatever its time
    EXPECT_EQ(all.summary.totals.by_currency().at("EUR").here.payments, 2U);
}

TEST(Reconcile, TheNumberOfLinesIsBounded) {
    made_up_source source;
    outcome all;
    const std::string list = "merchant_transaction_id\na\nb\n";
    EXPECT_NO_THROW(reconcile(all, list, source, {}, 2));
    EXPECT_THROW(reconcile(all, list, source, {}, 1), command_failure);
}

TEST(Reconcile, TheNumberOfDaysIsBounded) {
    made_up_source source;
    const auto first = *parse_wall_time("2010-01-01T00:00:00Z");
    for (std::size_t i = 0; i < track::reconcile_summary::max_days + 5; ++i) {
        track::known_transaction one = settled_as("id-" + std::to_string(i), "completed");
        one.tracked_at = format_wall_time(first + std::chrono::hours(24 * i));
        source.listed.push_back(one);
    }
    outcome all;
    reconcile(all, "merchant_transaction_id\n", source);
    EXPECT_EQ(all.summary.days.size(), track::reconcile_summary::max_days);
    EXPECT_EQ(all.summary.here, track::reconcile_summary::max_days + 5);
}

TEST(ReconcileSource, ReadsTheApisTransactions) {
    const auto known = known_transaction_of(json_view::parse(
        R"({"merchant_transaction_id":"a","state":"settled","status":"completed","metadata":{"status":"x"},)"
        R"("tracked_at":"2026-04-01T00:00:00.000Z","settled_at":"2026-04-01T01:00:00.000Z",)"
        R"("proof":{"fiat_amount" : 1.10,"fiat_currency":"EUR","status":"completed"}})"));
    EXPECT_EQ(known.id, "a");
    EXPECT_EQ(known.state, track::tracking_state::settled);
    EXPECT_EQ(known.fiat_amount, "1.10");
    EXPECT_EQ(known.fiat_currency, "EUR");
    const auto bare = known_transaction_of(
        json_view::parse(R"({"merchant_transaction_id":"b","state":"tracking","status":null,"proof":null})"));
    EXPECT_EQ(bare.status, std::nullopt);
    EXPECT_EQ(bare.fiat_amount, std::nullopt);
    EXPECT_THROW(
        known_transaction_of(json_view::parse(R"({"merchant_transaction_id":"b","state":"sleeping"})")),
        command_failure);
    EXPECT_THROW(known_transaction_of(json_view::parse(R"({"state":"settled"})")), command_failure);
}

TEST(ReconcileSource, FormerStatusesAreTheReversalsAlone) {
    EXPECT_EQ(
        former_statuses_of(json_view::parse(
            R"({"changes":[{"from_state":null,"to_state":"tracking","from_status":null,"to_status":null},)"
            R"({"from_state":"tracking","to_state":"settled","from_status":"processing","to_status":"failed"},)"
            R"({"from_state":"settled","to_state":"settled","from_status":"failed","to_status":"completed"},)"
            R"({"from_state":"settled","to_state":"settled","from_status":"completed","to_status":"failed"}],)"
            R"("deliveries":[]})")),
        (ids{"failed", "completed"}));
    EXPECT_TRUE(former_statuses_of(json_view::parse("{}")).empty());
}

TEST(ReconcileJson, ADifferenceAndASummaryAreOneLineEach) {
    made_up_source source;
    source.listed = {settled_as("a", "completed", "1.10")};
    outcome all;
    reconcile(
        all, "merchant_transaction_id,fiat_amount,credited\na,1.2,yes\n", source, {"2026-04-01T00:00:00.000Z", ""});
    ids lines;
    all.found.each(track::difference::amount_differs, [&lines](std::string_view line) { lines.emplace_back(line); });
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_THAT(
        lines[0],
        HasSubstr(R"({"class": "amount_differs", "merchant_transaction_id": "a", "line": 2, "given": {"status": null, )"
                  R"("fiat_amount": "1.2", "fiat_currency": null, "credited": true}, "here": {"state": "settled", )"
                  R"("status": "completed", "fiat_amount": "1.10", "fiat_currency": "EUR", )"));
    EXPECT_FALSE(json_view::parse(lines[0])["what_to_do"].text().empty());
    const std::string summary = track::render_summary(all.summary, {"2026-04-01T00:00:00.000Z", ""});
    EXPECT_EQ(summary.find('\n'), std::string::npos);
    const json_view parsed = json_view::parse(summary)["summary"];
    EXPECT_EQ(parsed["differences"]["amount_differs"].text(), "1");
    EXPECT_EQ(parsed["differences"].members().size(), track::difference_count);
    const json_view euros = parsed["totals"].elements().at(0);
    EXPECT_EQ(euros["fiat_currency"].text(), "EUR");
    EXPECT_EQ(euros["difference"].text(), "0.10");
    EXPECT_EQ(euros["given"]["fiat_amount"].text(), "1.2");
    EXPECT_EQ(parsed["since"].text(), "2026-04-01T00:00:00.000Z");
    EXPECT_TRUE(parsed["until"].is_null());
}

std::string page_of(outcome& all, report_facts facts = {}) {
    std::string page;
    write_report([&page](std::string_view piece) { page += piece; }, all.found, all.summary, facts);
    return page;
}

TEST(ReconcileReport, EscapesWhatComesFromOutside) {
    EXPECT_EQ(html_text("<a href=\"x\" title='y'>&"), "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;");
    EXPECT_EQ(html_text("\x1b[31m"), "\\x1b[31m");
    EXPECT_EQ(html_text("\xff"), "\\xff");
    made_up_source source;
    source.listed = {settled_as("a", "<script>alert(1)</script>", "<b>1</b>")};
    source.listed[0].fiat_currency = "<i>";
    outcome all;
    reconcile(all, "merchant_transaction_id,status,credited\na,</td><img src=x>,yes\nb,,<svg onload=x>\n", source);
    report_facts facts;
    facts.list_name = "</title><script src=//x>";
    const std::string page = page_of(all, facts);
    for (const char* bad : {"<script", "<img", "<i>", "<b>", "<svg onload", "</title><script"}) {
        EXPECT_THAT(page, Not(HasSubstr(bad)));
    }
    EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;"));
    EXPECT_THAT(page, HasSubstr("&lt;/td&gt;&lt;img src=x&gt;"));
}

TEST(ReconcileReport, IsSelfContainedAndSaysWhatItIsAbout) {
    made_up_source source;
    source.listed = {settled_as("a", "completed"), settled_as("b", "failed")};
    outcome all;
    reconcile(all, "merchant_transaction_id,fiat_amount\na,90\n", source);
    report_facts facts;
    facts.list_name = "april.csv";
    facts.list_sha256 = std::string(64, 'd');
    facts.period = {"2026-04-01T00:00:00.000Z", "2026-05-01T00:00:00.000Z"};
    facts.made = *parse_wall_time("2026-05-02T10:00:00Z");
    const std::string page = page_of(all, facts);
    for (const char* outside : {"http:", "https:", "src=", "href=", "url(", "@import", "<link", "<script"}) {
        EXPECT_THAT(page, Not(HasSubstr(outside)));
    }
    for (const char* part :
         {"<!DOCTYPE html>", "april.csv", "Made 2026-05-02T10:00:00.000Z", "from 2026-04-01T00:00:00.000Z to before",
          "<svg", "@media print", "There are differences.", "<td>EUR</td>", "-10.00", "amount_differs",
          "<code>prooftrackctl explain</code>", "Content-Security-Policy", "</html>"}) {
        EXPECT_THAT(page, HasSubstr(part));
    }
    EXPECT_THAT(page, HasSubstr(std::string(64, 'd')));
}

TEST(ReconcileReport, WhatALineMayHideIsNotToBeCredited) {
    for (const bool closed : {true, false}) {
        made_up_source source;
        source.listed = {settled_as("b", "completed"), settled_as("a", "completed")};
        outcome all;
        reconcile(
            all, std::string("merchant_transaction_id,status\na,\"completed") + (closed ? "\"x" : "") + "\nb,failed\n",
            source);
        const std::string hidden(track::advice_on_hidden);
        EXPECT_EQ(all.of(track::difference::here_but_not_given), closed ? ids{} : ids{"b"});
        EXPECT_EQ(page_of(all).find(hidden) == std::string::npos, closed);
        EXPECT_THAT(page_of(all), Not(HasSubstr("find its order and credit it")));
    }
}

TEST(DifferenceSpool, GivesWhatIsKnownHereBackLastComeFirst) {
    difference_spool spool;
    ids wanted;
    // Lines of several lengths, some longer than what is read at once, and more of them than that.
    for (std::size_t i = 0; i < 700; ++i) {
        const std::string id = std::to_string(i) + std::string(i % 100 == 50 ? 70'000 : i % 90, 'x');
        const track::known_transaction known = settled_as(id, "completed");
        track::kept_line given;
        given.id = id;
        spool.on_difference({track::difference::here_but_not_given, std::nullopt, nullptr, &known, false});
        spool.on_difference({track::difference::unknown_here, i, &given, nullptr, false});
        wanted.push_back(id);
    }
    const auto ids_of = [&spool](track::difference kind) {
        ids all;
        spool.each(kind, [&all](std::string_view line) { all.push_back(shown_difference_of(line).id); });
        return all;
    };
    EXPECT_EQ(ids_of(track::difference::unknown_here), wanted);
    std::reverse(wanted.begin(), wanted.end());
    EXPECT_EQ(ids_of(track::difference::here_but_not_given), wanted);
    const track::known_transaction late = settled_as("late", "completed");
    spool.on_difference({track::difference::here_but_not_given, std::nullopt, nullptr, &late, false});
    wanted.insert(wanted.begin(), "late");
    EXPECT_EQ(ids_of(track::difference::here_but_not_given), wanted); // again, and with what came since
    EXPECT_TRUE(ids_of(track::difference::still_open).empty());
}

TEST(ReconcileReport, ACleanMonthSaysSo) {
    made_up_source source;
    source.listed = {settled_as("a", "completed")};
    outcome all;
    reconcile(all, "merchant_transaction_id\na\n", source);
    EXPECT_THAT(page_of(all), HasSubstr("Nothing differs."));
}

TEST(ReconcileReport, TheNumberOfRowsIsBoundedAndThePageSaysSo) {
    made_up_source source;
    for (int i = 0; i < 5; ++i) source.listed.push_back(settled_as("id-" + std::to_string(i), "completed"));
    outcome all;
    reconcile(all, "merchant_transaction_id\na b\n", source);
    const auto rows = [](const std::string& page) {
        std::size_t count = 0;
        for (std::size_t at = page.find("class=\"id\""); at != std::string::npos;
             at = page.find("class=\"id\"", at + 1))
            ++count;
        return count;
    };
    report_facts facts;
    facts.max_rows = 6;
    EXPECT_EQ(rows(page_of(all, facts)), 5U);
    EXPECT_THAT(page_of(all, facts), Not(HasSubstr("more rows")));
    facts.max_rows = 3;
    EXPECT_EQ(rows(page_of(all, facts)), 3U);
    EXPECT_THAT(page_of(all, facts), HasSubstr("3 more rows are not on this page"));
}

TEST(ReportPicture, HasABarForEachDayAndForSpansWhenThereAreMany) {
    const auto bars = bars_of({{"2026-02-27", {3, 0}}, {"2026-03-02", {1, 2}}, {"no date", {9, 9}}});
    ASSERT_EQ(bars.size(), 4U); // with the days on which nothing happened
    EXPECT_EQ(bars[0].agreed, 3U);
    EXPECT_EQ(bars[1].first_day, "2026-02-28");
    EXPECT_EQ(bars[1].agreed + bars[1].differing, 0U);
    EXPECT_EQ(bars[3].last_day, "2026-03-02");
    EXPECT_EQ(bars[3].differing, 2U);

    const auto weeks = bars_of({{"2026-01-01", {1, 0}}, {"2026-12-31", {0, 7}}});
    EXPECT_LE(weeks.size(), max_picture_bars);
    EXPECT_EQ(weeks.front().first_day, "2026-01-01");
    EXPECT_EQ(weeks.back().last_day, "2026-12-31");
    EXPECT_EQ(weeks.back().differing, 7U);
    EXPECT_TRUE(bars_of({}).empty());
    EXPECT_EQ(draw_bars({}), "");
}

TEST(ReportPicture, OneDifferenceAmongThousandsIsSeen) {
    const std::string picture = draw_bars(bars_of({{"2026-04-01", {100'000, 1}}}));
    EXPECT_THAT(picture, HasSubstr(R"(<rect class="differing")"));
    EXPECT_THAT(picture, HasSubstr(R"(height="2.00")"));
    EXPECT_THAT(picture, HasSubstr("2026-04-01: 100,000 agree, 1 differ"));
    EXPECT_THAT(draw_bars(bars_of({{"2026-04-01", {5, 0}}})), Not(HasSubstr("rect class=\"differing\"")));
}

} // namespace
} // namespace prooftrack::ctl
