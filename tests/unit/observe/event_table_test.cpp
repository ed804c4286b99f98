#include "observe/event_table.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace prooftrack::observe {
namespace {

constexpr auto last_event = log_event_id::log_suppressed;

TEST(EventTable, EveryIdHasOneRowInTheOrderOfTheEnumeration) {
    const auto events = log_events();
    ASSERT_EQ(events.size(), static_cast<std::size_t>(last_event) + 1);
    for (std::size_t i = 0; i < events.size(); ++i) {
        EXPECT_EQ(events[i].id, static_cast<log_event_id>(i)) << events[i].name;
        EXPECT_EQ(&info_of(static_cast<log_event_id>(i)), &events[i]);
        EXPECT_EQ(find_log_event(events[i].name), &events[i]);
    }
    EXPECT_EQ(find_log_event("no.such"), nullptr);
}

TEST(EventTable, NamesAndMessageIdsAreUnique) {
    std::set<std::string_view> names;
    std::set<std::string_view> ids;
    std::size_t with_id = 0;
    for (const log_event_info& info : log_events()) {
        EXPECT_TRUE(names.insert(info.name).second) << info.name;
        if (info.message_id.empty()) continue;
        ++with_id;
        EXPECT_TRUE(ids.insert(info.message_id).second) << info.name;
        EXPECT_EQ(info.message_id.size(), 32U) << info.name;
        EXPECT_EQ(info.message_id.find_first_not_of("0123456789abcdef"), std::string_view::npos) << info.name;
        EXPECT_LE(info.level, log_level::warning) << info.name << ": nobody needs to act on it";
    }
    EXPECT_GE(with_id, 15U);
}

TEST(EventTable, RowsAreWellFormed) {
    for (const log_event_info& info : log_events()) {
        const auto dot = info.name.find('.');
        EXPECT_NE(dot, std::string_view::npos) << info.name;
        EXPECT_EQ(info.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_."), std::string_view::npos) << info.name;
        EXPECT_TRUE(info.meaning.ends_with('.')) << info.name;
        std::set<std::string_view> keys;
        for_each_word(info.keys, [&](std::string_view key) {
            EXPECT_TRUE(keys.insert(key).second) << info.name << " " << key;
            EXPECT_EQ(key.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos)
                << info.name << " " << key;
            EXPECT_FALSE(key == "ts" || (key == "level" && info.id != log_event_id::api_change)) << info.name;
        });
        if (info.repeat == "*") continue;
        for_each_word(
            info.repeat, [&](std::string_view key) { EXPECT_TRUE(keys.contains(key)) << info.name << " " << key; });
    }
}

TEST(EventTable, HasEveryNameOfTheContract) {
    constexpr std::array<std::string_view, 39> contract{
        "daemon.started",
        "daemon.stopping",
        "daemon.stopped",
        "config.reloaded",
        "config.refused",
        "config.warning",
        "config.restart_required",
        "config.insecure_file",
        "config.no_listener",
        "config.base_url_changed",
        "transaction.tracked",
        "transaction.status",
        "transaction.settled",
        "transaction.reversed",
        "poll.error",
        "poll.behind",
        "proof.throttled",
        "proof.unauthorized",
        "proof.forbidden",
        "proof.unreachable",
        "proof.recovered",
        "proof.unknown_status",
        "callback.delivered",
        "callback.failed",
        "callback.failing",
        "callback.recovered",
        "callback.dead",
        "daemon.clock_skew",
        "daemon.clock_jump",
        "daemon.heartbeat",
        "daemon.maintenance",
        "store.error",
        "store.recovered",
        "api.change",
        "api.request",
        "log.suppressed",
        "proof.token_changed",
        "proof.connected",
        "consumer.overtaken"};
    for (const auto name : contract) EXPECT_NE(find_log_event(name), nullptr) << name;
    EXPECT_EQ(find_log_event("api.request")->level, log_level::debug);
}

TEST(EventTable, TheManualHasEveryEvent) {
    std::ifstream in(PROOFTRACK_SOURCE_DIR "/daemon/man/prooftrackd-events.7.scd");
    ASSERT_TRUE(in.good());
    const std::string manual(std::istreambuf_iterator<char>(in), {});
    for (const log_event_info& info : log_events()) {
        EXPECT_THAT(manual, testing::HasSubstr("*" + std::string(info.name) + "*")) << "prooftrackd-events(7) lacks it";
    }
}

TEST(EventTable, ReportsUnknownKeys) {
    const std::vector<log_field> fields{{"error", "x"}, {"init_token", "x"}, {"merchant_transaction_id", "x"}};
    EXPECT_THAT(unregistered_keys(log_event_id::poll_error, fields), testing::ElementsAre("init_token"));
}

/// The journal catalog by MESSAGE_ID: the text behind the header lines.
std::map<std::string, std::string> read_catalog() {
    std::ifstream in(PROOFTRACK_SOURCE_DIR "/systemd/prooftrackd.catalog");
    EXPECT_TRUE(in.good());
    std::map<std::string, std::string> entries;
    std::string id;
    std::string line;
    while (std::getline(in, line)) {
        if (line.starts_with("-- ")) {
            id = line.substr(3);
            EXPECT_TRUE(entries.emplace(id, "").second) << id;
        } else if (!id.empty()) {
            entries[id] += line + "\n";
        }
    }
    return entries;
}

TEST(EventTable, TheCatalogHasAnEntryForEachMessageId) {
    const auto catalog = read_catalog();
    std::size_t expected = 0;
    for (const log_event_info& info : log_events()) {
        if (info.message_id.empty()) continue;
        ++expected;
        const auto entry = catalog.find(std::string(info.message_id));
        ASSERT_NE(entry, catalog.end()) << info.name;
        EXPECT_THAT(entry->second, testing::StartsWith("Subject: ")) << info.name;
        EXPECT_THAT(entry->second, testing::HasSubstr("Defined-By: prooftrackd\n")) << info.name;
        EXPECT_THAT(entry->second, testing::HasSubstr("What to do: ")) << info.name;
    }
    EXPECT_EQ(catalog.size(), expected);
}

TEST(EventTable, TheCatalogNamesOnlyFieldsThatTheEventHas) {
    const auto catalog = read_catalog();
    for (const log_event_info& info : log_events()) {
        if (info.message_id.empty()) continue;
        const std::string& text = catalog.at(std::string(info.message_id));
        for (std::size_t at = text.find("@PROOFTRACKD_"); at != std::string::npos;
             at = text.find("@PROOFTRACKD_", at + 1)) {
            const auto begin = at + std::string_view("@PROOFTRACKD_").size();
            std::string key = text.substr(begin, text.find('@', begin) - begin);
            std::transform(key.begin(), key.end(), key.begin(), [](unsigned char c) {
                return static_cast<char>(std::tolower(c));
            });
            bool is_known = false;
            for_each_word(info.keys, [&](std::string_view known) { is_known = is_known || known == key; });
            EXPECT_TRUE(is_known) << info.name << ": " << key;
        }
    }
}

TEST(LogLevel, NamesGoBothWays) {
    for (const char* name : {"critical", "error", "warning", "notice", "info", "debug"}) {
        const auto level = parse_log_level(name);
        ASSERT_TRUE(level) << name;
        EXPECT_EQ(to_string(*level), name);
    }
    EXPECT_FALSE(parse_log_level("warn"));
    EXPECT_FALSE(parse_log_level(""));
}

} // namespace
} // namespace prooftrack::observe
