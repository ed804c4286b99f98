#include "observe/metrics.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace prooftrack::observe {
namespace {

using testing::HasSubstr;
using testing::Not;

/// Every accessor used once.
void use_everything(metrics& all) {
    for (const auto result : {"good", "unchanged", "throttled", "no_reply"}) all.polls(result).Increment();
    all.poll_duration().Observe(0.02);
    all.poll_lag().Observe(0.001);
    all.oldest_due().Set(3);
    all.set_last_good_reply(1'775'037'825);
    all.transactions("tracking", "pending").Set(7);
    all.transactions("tracking", "").Set(1);
    all.transitions("pending", "processing").Increment();
    all.detection().Observe(6);
    all.unknown_status_words().Increment();
    all.deliveries("shop", "delivered").Increment();
    all.delivery_backlog("shop").Set(4);
    all.deliveries_dead("shop").Set(0);
    all.oldest_undelivered("callback_url").Set(1.5);
    all.callback_paused("shop").Set(1);
    all.replay_events("shop").Increment();
    all.consumer_lag("ledger").Set(2);
    all.consumer_age("ledger").Set(2);
    all.commit().Observe(0.002);
    all.store_bytes("db").Set(4'096);
    all.loop_lag().Observe(0.0005);
    all.proof_up().Set(1);
    all.connections("idle", "h2").Set(2);
    all.tls_handshakes(true).Increment();
    all.clock_skew().Set(-0.5);
    all.config_last_reload_successful().Set(1);
    all.maintenance().Set(1);
    all.cluster_shards().Set(86);
    all.cluster_nodes("living").Set(3);
    all.cluster_unowned_shards().Set(2);
    all.cluster_takeovers().Increment();
    all.lease_remaining().Set(2.5);
    all.set_log_dropped(3);
}

TEST(Metrics, HasEveryNameOfTheContract) {
    metrics all("1.2.3");
    use_everything(all);
    const std::string text = all.serialize();
    for (const char* line :
         {"prooftrackd_polls_total{result=\"good\"} 1\n",
          "prooftrackd_poll_duration_seconds_count 1\n",
          "prooftrackd_poll_lag_seconds_count 1\n",
          "prooftrackd_oldest_due_seconds 3\n",
          "prooftrackd_last_good_reply_timestamp_seconds 1775037825\n",
          "prooftrackd_transactions{state=\"tracking\",status=\"pending\"} 7\n",
          "prooftrackd_transactions{state=\"tracking\",status=\"none\"} 1\n",
          "prooftrackd_transitions_total{from=\"pending\",to=\"processing\"} 1\n",
          "prooftrackd_detection_seconds_sum 6\n",
          "prooftrackd_deliveries_total{callback=\"shop\",result=\"delivered\"} 1\n",
          "prooftrackd_delivery_backlog{callback=\"shop\"} 4\n",
          "prooftrackd_deliveries_dead{callback=\"shop\"} 0\n",
          "prooftrackd_oldest_undelivered_seconds{callback=\"callback_url\"} 1.5\n",
          "prooftrackd_callback_paused{callback=\"shop\"} 1\n",
          "prooftrackd_commit_seconds_count 1\n",
          "prooftrackd_store_bytes{kind=\"db\"} 4096\n",
          "prooftrackd_store_bytes{kind=\"wal\"} 0\n",
          "prooftrackd_store_bytes{kind=\"free\"} 0\n",
          "prooftrackd_loop_lag_seconds_count 1\n",
          "prooftrackd_proof_up 1\n",
          "prooftrackd_connections{protocol=\"h2\",state=\"idle\"} 2\n",
          "prooftrackd_tls_handshakes_total{resumed=\"true\"} 1\n",
          "prooftrackd_clock_skew_seconds -0.5\n",
          "prooftrackd_config_last_reload_successful 1\n",
          "prooftrackd_log_dropped_total 3\n",
          "prooftrackd_maintenance 1\n",
          "prooftrackd_cluster_shards 86\n",
          "prooftrackd_cluster_nodes{state=\"living\"} 3\n",
          "prooftrackd_cluster_unowned_shards 2\n",
          "prooftrackd_cluster_takeovers_total 1\n",
          "prooftrackd_lease_remaining_seconds 2.5\n",
          "prooftrackd_build_info{version=\"1.2.3\"} 1\n"}) {
        EXPECT_THAT(text, HasSubstr(line));
    }
}

/// The value of a series, nullopt when it is not served.
std::optional<double> value_of(const std::string& text, const std::string& series) {
    const auto at = text.find("\n" + series + " ");
    if (at == std::string::npos) return std::nullopt;
    return std::stod(text.substr(at + 2 + series.size()));
}

// `increase()` sees nothing of a series that appears with its first value.
TEST(Metrics, CountersAndCountsAreThereBeforeTheyAreUsed) {
    metrics all("x");
    all.add_callback("shop");
    const std::string text = all.serialize();
    for (const char* series :
         {"prooftrackd_transitions_total{from=\"settled\",to=\"settled\"}",
          "prooftrackd_transitions_total{from=\"tracking\",to=\"abandoned\"}",
          "prooftrackd_transactions{state=\"tracking\",status=\"none\"}",
          "prooftrackd_transactions{state=\"overdue\",status=\"other\"}",
          "prooftrackd_polls_total{result=\"unauthorized\"}",
          "prooftrackd_deliveries_total{callback=\"shop\",result=\"dead\"}",
          "prooftrackd_deliveries_dead{callback=\"shop\"}", "prooftrackd_tls_handshakes_total{resumed=\"true\"}",
          "prooftrackd_unknown_status_words_total", "prooftrackd_log_dropped_total", "prooftrackd_maintenance"}) {
        EXPECT_EQ(value_of(text, series), 0.0) << series;
    }
}

TEST(Metrics, BeforeTheFirstGoodReplyItsAgeIsThatOfTheProcess) {
    metrics all("x");
    const std::string name = "prooftrackd_last_good_reply_timestamp_seconds";
    const std::string before = all.serialize();
    EXPECT_EQ(value_of(before, name), value_of(before, "process_start_time_seconds"));
    EXPECT_GT(value_of(before, name).value_or(0), 1e9);
    all.set_last_good_reply(1'775'037'825);
    EXPECT_EQ(value_of(all.serialize(), name), 1'775'037'825.0);
}

TEST(Metrics, WhatIsServedIsExactlyTheTable) {
    metrics all("x");
    use_everything(all);
    std::set<std::string> served;
    std::istringstream lines(all.serialize());
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# TYPE ")) served.insert(line.substr(7, line.find(' ', 7) - 7));
    }
    std::set<std::string> known;
    for (const metric_info& info : metric_table()) {
        EXPECT_TRUE(known.insert(std::string(info.name)).second) << info.name;
        EXPECT_TRUE(info.help.ends_with('.')) << info.name;
        EXPECT_EQ(info.kind == metric_kind::counter, info.name.ends_with("_total")) << info.name;
    }
    EXPECT_EQ(served, known);
}

TEST(Metrics, NoLabelCanHoldAnIdOrAUrl) {
    metrics all("x");
    all.polls("550e8400-e29b").Increment();
    all.transactions("tracking", "refunded by 550e8400").Set(1);
    all.transitions("x y", "https://a").Increment();
    all.delivery_backlog("https://shop.example:443").Set(1);
    all.deliveries("shop", "strange").Increment();
    all.consumer_lag("A B").Set(1);
    all.store_bytes("tmp").Set(1);
    const std::string text = all.serialize();
    EXPECT_THAT(text, Not(HasSubstr("550e8400")));
    EXPECT_THAT(text, Not(HasSubstr("https")));
    EXPECT_THAT(text, HasSubstr("prooftrackd_polls_total{result=\"other\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("prooftrackd_transactions{state=\"tracking\",status=\"other\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("prooftrackd_delivery_backlog{callback=\"other\"} 1\n"));
}

TEST(Metrics, TheNumberOfSeriesIsBounded) {
    metrics all("x");
    for (std::size_t i = 0; i < 2 * max_labelled_names; ++i) {
        all.delivery_backlog("c" + std::to_string(i)).Set(1);
        all.consumer_lag("c" + std::to_string(i)).Set(1);
    }
    const std::string text = all.serialize();
    const auto count = [&](const std::string& what) {
        std::size_t found = 0;
        for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
        return found;
    };
    EXPECT_EQ(count("prooftrackd_delivery_backlog{"), max_labelled_names + 1);
    EXPECT_EQ(count("prooftrackd_consumer_lag_events{"), max_labelled_names + 1);
}

TEST(Metrics, ARemovedNameLosesItsGauges) {
    metrics all("x");
    all.delivery_backlog("shop").Set(4);
    all.consumer_lag("ledger").Set(4);
    all.consumer_lag("other-one").Set(4);
    all.remove_callback("shop");
    all.remove_callback("never-there");
    all.remove_consumer("ledger");
    const std::string text = all.serialize();
    EXPECT_THAT(text, Not(HasSubstr("callback=\"shop\"")));
    EXPECT_THAT(text, Not(HasSubstr("ledger")));
    EXPECT_THAT(text, HasSubstr("other-one"));
}

TEST(Metrics, ACounterThatWasResolvedOnceStaysValid) {
    metrics all("x");
    auto& good = all.polls("good");
    for (int i = 0; i < 1'000; ++i) good.Increment();
    EXPECT_EQ(&good, &all.polls("good"));
    EXPECT_THAT(all.serialize(), HasSubstr("prooftrackd_polls_total{result=\"good\"} 1000\n"));
}

TEST(Metrics, DroppedLinesOnlyGrow) {
    metrics all("x");
    all.set_log_dropped(5);
    all.set_log_dropped(3);
    all.set_log_dropped(7);
    EXPECT_THAT(all.serialize(), HasSubstr("prooftrackd_log_dropped_total 7\n"));
}

TEST(Metrics, TheProcessReportsItsMemoryAndCpu) {
    metrics all("x");
    const std::string text = all.serialize();
    EXPECT_THAT(text, Not(HasSubstr("process_resident_memory_bytes 0\n")));
    EXPECT_THAT(text, Not(HasSubstr("process_start_time_seconds 0\n")));
    EXPECT_THAT(text, Not(HasSubstr("process_open_fds 0\n")));
}

bool has_promtool() { return std::system("command -v promtool >/dev/null 2>&1") == 0; }

TEST(Metrics, PromtoolFindsNothingToComplainAbout) {
    if (!has_promtool()) GTEST_SKIP() << "promtool (Debian's prometheus) is not installed";
    metrics all("1.2.3");
    use_everything(all);
    const std::string path = testing::TempDir() + "metrics_test.prom";
    std::ofstream(path) << all.serialize();
    const std::string command = "promtool check metrics <" + path + " >" + path + ".out 2>&1";
    const int status = std::system(command.c_str());
    std::ifstream in(path + ".out");
    const std::string output(std::istreambuf_iterator<char>(in), {});
    EXPECT_EQ(status, 0) << output;
    EXPECT_EQ(output, "");
    std::remove(path.c_str());
    std::remove((path + ".out").c_str());
}

TEST(AlertRules, HoldTheirOwnTests) {
    if (!has_promtool()) GTEST_SKIP() << "promtool (Debian's prometheus) is not installed";
    EXPECT_EQ(std::system("promtool check rules " PROOFTRACK_SOURCE_DIR "/conf/prometheus-alerts.yml >/dev/null"), 0);
    EXPECT_EQ(
        std::system("promtool test rules " PROOFTRACK_SOURCE_DIR
                    "/tests/unit/observe/prometheus-alerts.test.yml >/dev/null"),
        0);
}

/// Every word of the text that begins like one of our metrics.
std::set<std::string> metric_names_in(const std::string& path) {
    std::ifstream in(path);
    EXPECT_TRUE(in.good()) << path;
    const std::string text(std::istreambuf_iterator<char>(in), {});
    std::set<std::string> names;
    for (const std::string_view prefix : {"prooftrackd_", "process_"}) {
        for (auto at = text.find(prefix); at != std::string::npos; at = text.find(prefix, at + 1)) {
            if (at > 0 && (std::isalnum(static_cast<unsigned char>(text[at - 1])) != 0 || text[at - 1] == '_'))
                continue;
            const auto end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_", at);
            names.insert(text.substr(at, end - at));
        }
    }
    return names;
}

void expect_known_names(const std::set<std::string>& used) {
    for (const std::string& name : used) {
        bool is_known = false;
        for (const metric_info& info : metric_table()) {
            is_known = is_known || name == info.name;
            if (info.kind != metric_kind::histogram) continue;
            for (const char* suffix : {"_bucket", "_sum", "_count"})
                is_known = is_known || name == std::string(info.name) + suffix;
        }
        EXPECT_TRUE(is_known) << name;
    }
}

TEST(Dashboard, UsesOnlyMetricsThatThereAreAndShowsAllOfOurs) {
    const auto used = metric_names_in(PROOFTRACK_SOURCE_DIR "/conf/grafana-dashboard.json");
    expect_known_names(used);
    for (const metric_info& info : metric_table()) {
        const std::string name(info.name);
        const bool is_shown = used.contains(name) || used.contains(name + "_bucket") || used.contains(name + "_sum");
        EXPECT_TRUE(is_shown) << name << " is on no panel";
    }
}

TEST(AlertRules, UseOnlyMetricsThatThereAre) {
    const auto used = metric_names_in(PROOFTRACK_SOURCE_DIR "/conf/prometheus-alerts.yml");
    EXPECT_GE(used.size(), 10U);
    expect_known_names(used);
}

} // namespace
} // namespace prooftrack::observe
