#include <gtest/gtest.h>

#include "fixed_now.hpp"
#include "prooftrackctl/progress.hpp"
#include "prooftrackctl/status_view.hpp"
#include "prooftrackctl/text.hpp"
#include "prooftrackctl/top_screen.hpp"

namespace prooftrack::ctl {
namespace {

top_facts busy_facts() {
    top_facts facts;
    facts.status =
        R"({"version":"0.1.0","uptime_seconds":3720,"transactions":{"by_state":{"tracking":12345,"settled":20,
         "overdue":0},"by_status":{"processing":12000,"pending":345}},
        "polls":{"per_second":61.25,"in_flight":3,"lag_p99_seconds":0.012,"oldest_due_seconds":0},
        "proof":{"health":"unauthorized","since":"2026-04-01T09:00:00.000Z",
        "detail":"401 invalid_token, a very long detail that does not fit on a narrow screen at all"},
        "callbacks":[{"name":"backend","state":"ok","backlog":0,"oldest_undelivered_seconds":0,"dead":0},
        {"name":"a-callback-with-a-very-long-name-that-never-ends-00000000000000","state":"failing","backlog":12,
        "oldest_undelivered_seconds":95.2,"dead":1}],
        "store":{"state":"ok","bytes":44040192,"wal_bytes":1048576,"free_bytes":5368709120},"events":{"first_seq":1,
        "last_seq":42,"log_id":"0f3a"}})";
    for (int i = 0; i < 40; ++i) {
        facts.events.push_back(
            R"({"id":"evt_1","seq":)" + std::to_string(i + 1) +
            R"(,"type":"transaction.completed","timestamp":"2026-04-01T09:59:00.000Z",)"
            R"("data":{"merchant_transaction_id":"550e8400-e29b-41d4-a716-446655440000","status":"completed",)"
            R"("previous_status":"processing"}})");
        facts.poll_rates.push_back(i);
    }
    return facts;
}

std::string without_escapes(const std::string& text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '\x1b') {
            at = text.find('m', at);
        } else {
            out += text[at];
        }
    }
    return out;
}

TEST(StatusView, ShowsMaintenanceWithItsNote) {
    const std::string mark = R"({"on":true,"since":"2026-04-01T08:00:00.000Z","note":"Proof\u001b moves"})";
    const std::string body = R"({"version":"1","maintenance":)" + mark + "}";
    const std::string shown = format_status(json_view::parse(body), look{}, now);
    EXPECT_NE(
        shown.find("maintenance   on for 2h: nothing is polled, nothing delivered (Proof\\x1b moves)"),
        std::string::npos)
        << shown;
    EXPECT_EQ(
        format_status(json_view::parse(R"({"version":"1","maintenance":null})"), look{}, now).find("maintenance"),
        std::string::npos);
    EXPECT_EQ(maintenance_line(json_view::parse("null"), look{}, now), "off");
    const std::string just_begun = R"({"on":true,"since":")" + format_wall_time(now) + R"(","note":""})";
    EXPECT_EQ(maintenance_line(json_view::parse(just_begun), look{}, now), "on: nothing is polled, nothing delivered");
}

TEST(StatusView, ACheckIsContentOnlyWhenReadyAndProofIsOk) {
    const auto reasons = [](const std::string& ready, const std::string& status) {
        return reasons_against(json_view::parse(ready), json_view::parse(status));
    };
    const std::string fine = R"({"ok":true,"reasons":[]})";
    using all = std::vector<std::string>;
    EXPECT_EQ(reasons(fine, R"({"proof":{"health":"ok","detail":"not asked yet"}})"), all{});
    EXPECT_EQ(reasons(fine, R"({"proof":{"health":"ok"},"maintenance":{"on":true}})"), all{});
    EXPECT_EQ(reasons(fine, R"({"proof":{"health":"throttled","detail":"429"}})"), all{"Proof is throttled: 429"});
    EXPECT_EQ(reasons(fine, R"({"proof":{"health":"forbidden","detail":null}})"), all{"Proof is forbidden"});
    EXPECT_EQ(reasons(R"({"reasons":["stopping"]})", R"({"proof":{"health":"ok"}})"), all{"not ready: stopping"});
}

TEST(TopScreen, FitsEverySizeExactly) {
    look colours;
    colours.colour = true;
    for (const std::size_t columns : {1U, 20U, 40U, 80U, 160U, 300U}) {
        for (const std::size_t rows : {1U, 5U, 24U, 50U}) {
            const auto lines = top_lines(busy_facts(), colours, {columns, rows}, now);
            ASSERT_EQ(lines.size(), rows);
            for (const std::string& line : lines) EXPECT_LE(display_width(without_escapes(line)), columns) << line;
        }
    }
}

TEST(TopScreen, ShowsTheNewestEventsFirstAndTroubleOnTop) {
    top_facts facts = busy_facts();
    facts.trouble = "cannot connect: nobody listens";
    const auto lines = top_lines(facts, {}, {160, 40}, now);
    EXPECT_TRUE(lines.front().starts_with("cannot connect"));
    std::string all;
    for (const std::string& line : lines) all += line + "\n";
    EXPECT_LT(all.find("    40  "), all.find("    39  "));
    EXPECT_NE(all.find("61.2"), std::string::npos);
    EXPECT_NE(all.find("12,345 tracking"), std::string::npos);
}

TEST(TopScreen, AFrameNeverClearsTheScreenFirst) {
    const std::string frame = top_frame({"a", "b"});
    EXPECT_EQ(
        frame, "\x1b[?2026h\x1b[H"
               "a\x1b[K\r\nb\x1b[K\x1b[J\x1b[?2026l");
}

TEST(TopScreen, SparklineScalesToItsLargestValue) {
    EXPECT_EQ(sparkline({0, 1, 2, 4}, 3, {}), "\xE2\x96\x82\xE2\x96\x84\xE2\x96\x88");
    EXPECT_EQ(sparkline({0, 0}, 5, {}), "\xE2\x96\x81\xE2\x96\x81");
    EXPECT_EQ(sparkline({}, 5, {}), "");
}

TEST(Progress, FitsTheLine) {
    look ascii;
    ascii.utf8 = false;
    ascii.width = 80;
    EXPECT_EQ(
        progress_line(50, 100, "1,000 lines", ascii), "[####################....................]  50 %  1,000 lines");
    EXPECT_EQ(progress_line(7, 0, "7 lines", ascii), "7 lines");
    ascii.width = 20;
    EXPECT_EQ(progress_line(150, 100, "9 lines", ascii), "100 %  9 lines");
}

TEST(StatusView, AFailingCallbackSaysWhyAndWhenItIsTriedNext) {
    const std::string text = format_status(
        json_view::parse(R"({"proof":{"health":"ok","since":null,"detail":null},"callbacks":[{"name":"backend",
        "state":"failing","backlog":12,"oldest_undelivered_seconds":95,"dead":0,
        "failing_since":"2026-04-01T09:58:00.000Z","last_error":"500","next_try_at":"2026-04-01T10:00:12.000Z"}]})"),
        {}, now, 0);
    EXPECT_NE(text.find("backend fails since 2026-04-01T09:58:00.000Z; next try in 12s: 500\n"), std::string::npos)
        << text;
}

TEST(StatusView, BeforeItWasAskedProofIsNotOk) {
    const std::string text = format_status(
        json_view::parse(R"({"proof":{"health":"ok","since":null,"detail":"not asked yet"},"callbacks":[]})"), {}, now,
        0);
    EXPECT_NE(text.find("not asked yet"), std::string::npos) << text;
    EXPECT_EQ(text.find("ok"), std::string::npos) << text;
}

} // namespace
} // namespace prooftrack::ctl
