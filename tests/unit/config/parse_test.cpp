#include "config/parse.hpp"

#include <algorithm>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"

namespace prooftrack::config {
namespace {

using testing::HasSubstr;

constexpr std::string_view least = "[proof]\nbase_url = \"https://proof.example\"\n";

configuration_outcome parse(std::string_view text) { return parse_configuration(text, "test.toml"); }

configuration accepted(std::string_view text) {
    auto outcome = parse(text);
    if (const auto* mistakes = std::get_if<config_mistakes>(&outcome)) {
        for (const auto& mistake : *mistakes) ADD_FAILURE() << format_mistake(mistake);
        return {};
    }
    return std::get<configuration_reading>(outcome).value;
}

/// Every mistake as its line.
std::vector<std::string> refused(std::string_view text, const config_surroundings& surroundings = {}) {
    const auto outcome = parse_configuration(text, "test.toml", surroundings);
    std::vector<std::string> lines;
    if (const auto* mistakes = std::get_if<config_mistakes>(&outcome)) {
        for (const auto& mistake : *mistakes) lines.push_back(format_mistake(mistake));
    }
    return lines;
}

/// The one mistake of a file that starts with a good [proof].
std::string only_mistake(const std::string& rest) {
    const auto lines = refused(std::string(least) + rest);
    EXPECT_EQ(lines.size(), 1U) << rest;
    for (std::size_t i = 1; i < lines.size(); ++i) ADD_FAILURE() << lines[i];
    return lines.empty() ? std::string() : lines.front();
}

constexpr std::string_view least_webhook =
    "[[callback]]\nname = \"a\"\nurl = \"https://shop.example/x\"\nsecret_file = \"/s\"\n";
std::string with_webhook(const std::string& rest) { return std::string(least_webhook) + rest; }

TEST(ParseConfiguration, OnlyTheBaseUrlIsRequired) {
    const configuration config = accepted(least);
    EXPECT_EQ(config.proof.base_url, "https://proof.example");
    configuration defaults;
    defaults.proof.base_url = "https://proof.example";
    EXPECT_EQ(config, defaults);
}

constexpr const char* every_key = R"(
stop_timeout = "3s"
[proof]
base_url = "https://proof.example/sandbox"
token_file = "/t"
ca_file = "/ca"
connections = 7
connect_timeout = "1s"
request_timeout = "250ms"
max_reply_bytes = 4096
http = "1.1"
[poll]
interval = ["50ms", "1s"]
max_rate = 100
backoff = ["100ms", "2s"]
not_found_grace = "0s"
overdue_after = "2h"
tail_interval = "5m"
give_up_after = "0s"
probe_interval = "1s"
verify_after = []
[store]
path = "/x/y.db"
retention = "0s"
consumer_retention = "7d"
[api]
socket = "/run/p.sock"
mode = "666"
group = "shop"
admin_group = "adm"
max_clients = 6000
[metrics]
listen = "[::1]:9464"
allow_remote = true
[log]
level = "debug"
format = "json"
[[callback]]
name = "unix-one_1"
url = "http+unix:///run/shop.sock:/hooks?x=1"
headers_file = "/h"
events = ["transaction.updated", "*ed"]
timeout = "2s"
max_in_flight = 1
retry_schedule = ["1ms"]
[[callback]]
name = "ledger"
command = ["/usr/bin/env", "credit"]
[network]
plain_http_hosts = ["receiver", "10.0.0.5"]
[callback_url]
allow_hosts = ["shop.example", "*.shop.example", "10.0.0.1", "[::1]", "unix:/run/shop.sock"]
secret_file = "/s"
)";

TEST(ParseConfiguration, ReadsEveryKey) {
    const configuration config = accepted(every_key);

    EXPECT_EQ(config.stop_timeout, seconds(3));
    EXPECT_EQ(config.proof.base_url, "https://proof.example/sandbox");
    EXPECT_EQ(config.proof.token_file, "/t");
    EXPECT_EQ(config.proof.ca_file, "/ca");
    EXPECT_EQ(config.proof.connections, 7U);
    EXPECT_EQ(config.proof.connect_timeout, seconds(1));
    EXPECT_EQ(config.proof.request_timeout, milliseconds(250));
    EXPECT_EQ(config.proof.max_reply_bytes, 4096U);
    EXPECT_EQ(config.proof.http, "1.1");
    EXPECT_EQ(config.poll.interval, std::pair(milliseconds(50), milliseconds(1000)));
    EXPECT_EQ(config.poll.max_rate, 100U);
    EXPECT_EQ(config.poll.backoff, std::pair(milliseconds(100), milliseconds(2000)));
    EXPECT_EQ(config.poll.not_found_grace, seconds(0));
    EXPECT_EQ(config.poll.overdue_after, std::chrono::hours(2));
    EXPECT_EQ(config.poll.tail_interval, std::chrono::minutes(5));
    EXPECT_EQ(config.poll.give_up_after, seconds(0));
    EXPECT_EQ(config.poll.probe_interval, seconds(1));
    EXPECT_TRUE(config.poll.verify_after.empty());
    EXPECT_EQ(config.store.path, "/x/y.db");
    EXPECT_EQ(config.store.retention, seconds(0));
    EXPECT_EQ(config.store.consumer_retention, std::chrono::days(7));
    EXPECT_EQ(config.api.socket, "/run/p.sock");
    EXPECT_EQ(config.api.mode, 0666U);
    EXPECT_EQ(config.api.group, "shop");
    EXPECT_EQ(config.api.admin_group, "adm");
    EXPECT_EQ(config.api.max_clients, 6000U);
    EXPECT_EQ(config.metrics.listen, "[::1]:9464");
    EXPECT_TRUE(config.metrics.allow_remote);
    EXPECT_EQ(config.log.level, "debug");
    EXPECT_EQ(config.log.format, "json");
    ASSERT_EQ(config.callbacks.size(), 2U);
    EXPECT_EQ(config.callbacks[0].name, "unix-one_1");
    EXPECT_EQ(config.callbacks[0].url, "http+unix:///run/shop.sock:/hooks?x=1");
    EXPECT_EQ(config.callbacks[0].headers_file, "/h");
    EXPECT_THAT(config.callbacks[0].events, testing::ElementsAre("transaction.updated", "*ed"));
    EXPECT_EQ(config.callbacks[0].timeout, seconds(2));
    EXPECT_EQ(config.callbacks[0].max_in_flight, 1U);
    EXPECT_THAT(config.callbacks[0].retry_schedule, testing::ElementsAre(milliseconds(1)));
    EXPECT_THAT(config.callbacks[1].command, testing::ElementsAre("/usr/bin/env", "credit"));
    EXPECT_THAT(config.network.plain_http_hosts, testing::ElementsAre("receiver", "10.0.0.5"));
    EXPECT_EQ(config.callback_url.allow_hosts.size(), 5U);
    EXPECT_EQ(config.callback_url.secret_file, "/s");
}

TEST(ParseConfiguration, ASyntaxErrorStandsAlone) {
    const auto lines = refused("bogus = 1\n[proof\nbase_url = 5\n");
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_THAT(lines[0], testing::StartsWith("test.toml:2:7: not TOML: "));
}

TEST(ParseConfiguration, BytesThatAreNoTomlAreASyntaxError) {
    for (const std::string& text :
         {std::string("\xFF\xFE"), std::string("a = \"\xC0\xAF\"\n"), std::string("\0", 1),
          "a = " + std::string(8'000, '['), "a = " + std::string(8'000, '{'), std::string(8'000, '['),
          std::string("[[[a]]]\n"), std::string("[a..b]"), std::string("a."), std::string("["), std::string("[["),
          std::string("= 1"), "a = \"" + std::string(8'000, 'x')}) {
        EXPECT_THAT(refused(text), testing::ElementsAre(HasSubstr("not TOML"))) << text.substr(0, 20);
    }
}

TEST(ParseConfiguration, TheLengthOfALineBoundsTheDepthOfAKey) {
    std::string deep = "a";
    while (deep.size() + 2 + 4 <= max_line_bytes) deep += ".a";
    EXPECT_THAT(refused(std::string(least) + deep + " = 1\n"), testing::ElementsAre(HasSubstr("proof.a: unknown key")));
    EXPECT_THAT(
        refused(std::string(least) + deep + deep + " = 1\n"),
        testing::ElementsAre(HasSubstr("test.toml:3:1: a line has at most 8192 bytes")));
    EXPECT_THAT(refused(std::string(least) + "#" + std::string(max_line_bytes - 1, 'x')), testing::IsEmpty());
    EXPECT_THAT(refused(std::string(least) + "#" + std::string(max_line_bytes, 'x')), testing::SizeIs(1));
}

TEST(ParseConfiguration, AKeyTwiceIsASyntaxError) {
    const auto lines = refused("[proof]\nbase_url = \"https://a\"\nbase_url = \"https://b\"\n");
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_THAT(lines[0], HasSubstr("not TOML"));
}

TEST(ParseConfiguration, EveryMistakeIsReportedAtOnceInTheOrderOfTheFile) {
    const auto lines = refused(R"(stop_timeout = 5
[proof]
base_ulr = "https://proof.example"
connections = "64"
[poll]
interval = ["10s", "5s"]
[[callback]]
url = "https://shop.example/x"
)");
    ASSERT_EQ(lines.size(), 7U);
    EXPECT_EQ(lines[0], "test.toml:1:16: stop_timeout: a duration needs a unit: write \"5s\" (ms, s, m, h, d)");
    EXPECT_EQ(lines[1], "test.toml:2:1: proof.base_url: is required: where Proof is, as in \"https://proof.example\"");
    EXPECT_EQ(lines[2], "test.toml:3:1: proof.base_ulr: unknown key; did you mean proof.base_url?");
    EXPECT_EQ(lines[3], "test.toml:4:15: proof.connections: expected a whole number without quotes, found a text");
    EXPECT_EQ(
        lines[4],
        "test.toml:6:12: poll.interval: the first must not be longer than the second: write [\"5s\", \"10s\"]");
    EXPECT_THAT(lines[5], HasSubstr("test.toml:7:1: callback.name: is required"));
    EXPECT_THAT(lines[6], HasSubstr("test.toml:7:1: callback.secret_file: is required"));
}

TEST(ParseConfiguration, AnUnknownKeyNamesTheNearestOne) {
    const auto outcome = parse(std::string(least) + "conections = 5\n");
    const auto& mistakes = std::get<config_mistakes>(outcome);
    ASSERT_EQ(mistakes.size(), 1U);
    EXPECT_EQ(mistakes[0].key, "proof.conections");
    EXPECT_EQ(mistakes[0].nearest, "proof.connections");
    EXPECT_EQ(mistakes[0].line, 3U);
    EXPECT_EQ(mistakes[0].column, 1U);
    EXPECT_THAT(
        only_mistake("[pol]\ninterval = 5\n"), HasSubstr("test.toml:3:2: pol: unknown table; did you mean poll?"));
    EXPECT_THAT(only_mistake("[[calback]]\nname = 5\n"), HasSubstr("calback: unknown table; did you mean callback?"));
    EXPECT_THAT(
        only_mistake("[log]\nretention = \"1d\"\n"),
        HasSubstr("log.retention: unknown key; did you mean store.retention?"));
    EXPECT_THAT(only_mistake("[log]\nxxxxxxxxxxxxxx = 1\n"), HasSubstr("unknown key; the nearest valid one is log."));
    EXPECT_THAT(refused("stop_timeot = \"5s\"\n" + std::string(least)).at(0), HasSubstr("did you mean stop_timeout?"));
    EXPECT_THAT(
        refused("interval = [\"5s\", \"5s\"]\n" + std::string(least)).at(0), HasSubstr("did you mean poll.interval?"));
}

TEST(ParseConfiguration, AKeyThatWasRemovedSaysWhyAndWhatToDo) {
    EXPECT_THAT(
        refused(std::string(least) + "pipeline_depth = 16\n"),
        testing::ElementsAre(testing::AllOf(
            HasSubstr("test.toml:3:1: proof.pipeline_depth: is gone"), HasSubstr("HTTP/1.1 pipelining"),
            HasSubstr("remove the line"))));
    EXPECT_THAT(only_mistake("[poll]\npipeline_depth = 1\n"), HasSubstr("unknown key")) << "never was there";
}

TEST(ParseConfiguration, TheKeysOfOneTableAreNotThoseOfAnother) {
    EXPECT_THAT(only_mistake(with_webhook("interval = 5\n")), HasSubstr("did you mean poll.interval?"));
    EXPECT_THAT(refused("proof = 5\n").at(0), HasSubstr("proof: expected a table: write [proof]"));
    EXPECT_THAT(
        refused("[[proof]]\nbase_url = \"https://x\"\n").at(0), HasSubstr("there is one such table: write [proof]"));
    EXPECT_THAT(only_mistake("[callback]\nname = \"x\"\n"), HasSubstr("write [[callback]]"));
    EXPECT_THAT(refused("callback = [1]\n" + std::string(least)).at(0), HasSubstr("write [[callback]]"));
}

TEST(ParseConfiguration, ABareNumberIsNoDuration) {
    EXPECT_THAT(only_mistake("connect_timeout = 7\n"), HasSubstr("write \"7s\""));
    EXPECT_THAT(only_mistake("connect_timeout = 7.5\n"), HasSubstr("expected a duration in quotes"));
    EXPECT_THAT(only_mistake("connect_timeout = \"7\"\n"), HasSubstr("did you mean \"7s\"?"));
    EXPECT_THAT(only_mistake("connect_timeout = \"7 min\"\n"), HasSubstr("did you mean \"7m\"?"));
    EXPECT_THAT(only_mistake("connect_timeout = \"7msec\"\n"), HasSubstr("did you mean \"7ms\"?"));
    EXPECT_THAT(only_mistake("connect_timeout = \"\"\n"), HasSubstr("is not a duration"));
    EXPECT_THAT(only_mistake("connect_timeout = 00:00:05\n"), HasSubstr("found a date or time"));
    EXPECT_THAT(refused(std::string(least) + "[poll]\nverify_after = [10, 65]\n"), testing::SizeIs(2));
}

TEST(ParseConfiguration, RangesAreHeldAtBothEnds) {
    struct bound {
        const char* table;
        const char* key;
        const char* good_low;
        const char* good_high;
        const char* too_low;
        const char* too_high;
    };
    const std::vector<bound> bounds{
        {"", "stop_timeout", "\"0s\"", "\"5m\"", nullptr, "\"301s\""},
        {"proof", "connections", "0", "16384", "-1", "16385"},
        {"proof", "connect_timeout", "\"50ms\"", "\"5m\"", "\"49ms\"", "\"301s\""},
        {"proof", "request_timeout", "\"50ms\"", "\"5m\"", "\"49ms\"", "\"301s\""},
        {"proof", "max_reply_bytes", "1024", "16777216", "1023", "16777217"},
        {"poll", "interval", "[\"50ms\", \"50ms\"]", "[\"50ms\", \"1d\"]", "[\"49ms\", \"1s\"]", "[\"1s\", \"25h\"]"},
        {"poll", "max_rate", "0", "1000000", "-1", "1000001"},
        {"poll", "backoff", "[\"50ms\", \"50ms\"]", "[\"1d\", \"1d\"]", "[\"49ms\", \"1s\"]", "[\"1s\", \"25h\"]"},
        {"poll", "not_found_grace", "\"0s\"", "\"30d\"", nullptr, "\"31d\""},
        {"poll", "overdue_after", "\"50ms\"", "\"3650d\"", "\"0s\"", nullptr},
        {"poll", "tail_interval", "\"50ms\"", "\"30d\"", "\"0s\"", "\"31d\""},
        {"poll", "give_up_after", "\"0s\"", "\"3650d\"", "\"1ms\"", nullptr},
        {"poll", "probe_interval", "\"50ms\"", "\"1d\"", "\"0s\"", "\"2d\""},
        {"poll", "verify_after", "[]", "[\"50ms\", \"30d\"]", "[\"1ms\"]", "[\"31d\"]"},
        {"store", "retention", "\"0s\"", "\"3650d\"", "\"1ms\"", nullptr},
        {"store", "consumer_retention", "\"0s\"", "\"3650d\"", nullptr, nullptr},
        {"api", "max_clients", "1", "60000", "0", "60001"},
    };
    for (const bound& b : bounds) {
        const auto file = [&](const char* value) {
            const std::string line = std::string(b.key) + " = " + value + "\n";
            if (*b.table == '\0') return line + std::string(least);
            if (std::string_view(b.table) == "proof") return std::string(least) + line;
            return std::string(least) + "[" + b.table + "]\n" + line;
        };
        EXPECT_THAT(refused(file(b.good_low)), testing::IsEmpty()) << b.key;
        EXPECT_THAT(refused(file(b.good_high)), testing::IsEmpty()) << b.key;
        if (b.too_low != nullptr) {
            EXPECT_THAT(refused(file(b.too_low)), testing::SizeIs(1)) << b.key;
        }
        if (b.too_high != nullptr) {
            EXPECT_THAT(refused(file(b.too_high)), testing::SizeIs(1)) << b.key;
        }
    }
}

TEST(ParseConfiguration, VerifyAfterAscends) {
    EXPECT_THAT(only_mistake("[poll]\nverify_after = [\"10m\", \"10m\"]\n"), HasSubstr("must be longer"));
    EXPECT_THAT(only_mistake("[poll]\nverify_after = [\"10m\", \"9m\"]\n"), HasSubstr("must be longer"));
    std::string many;
    for (int i = 1; i <= 17; ++i) many += (i > 1 ? ", \"" : "\"") + std::to_string(i) + "m\"";
    EXPECT_THAT(
        only_mistake("[poll]\nverify_after = [" + many + "]\n"), HasSubstr("expected 0 to 16 entries, found 17"));
}

TEST(ParseConfiguration, WordsAndModes) {
    EXPECT_THAT(
        only_mistake("[log]\nlevel = \"warn\"\n"),
        HasSubstr("\"warn\" is not one of: critical error warning notice info debug"));
    EXPECT_THAT(only_mistake("http = \"2\"\n"), HasSubstr("one of: auto 1.1"));
    EXPECT_THAT(only_mistake("[log]\nformat = \"syslog\"\n"), HasSubstr("one of: auto logfmt json journald"));
    EXPECT_THAT(only_mistake("[api]\nmode = 0o660\n"), HasSubstr("octal digits in quotes"));
    EXPECT_THAT(only_mistake("[api]\nmode = \"0668\"\n"), HasSubstr("octal digits"));
    EXPECT_THAT(only_mistake("[api]\nmode = \"0060\"\n"), HasSubstr("the owner needs read and write"));
    EXPECT_THAT(only_mistake("[api]\nmode = \"1660\"\n"), HasSubstr("above 0777"));
    EXPECT_THAT(only_mistake("[api]\nmode = \"0666\"\n"), HasSubstr("set api.admin_group"));
    EXPECT_THAT(only_mistake("[api]\nadmin_group = \"a b\"\n"), HasSubstr("not a group"));
    EXPECT_THAT(only_mistake("[api]\nsocket = \"\"\n"), HasSubstr("must not be empty"));
    EXPECT_THAT(only_mistake("[api]\nsocket = \"/" + std::string(107, 'x') + "\"\n"), HasSubstr("at most 107"));
    EXPECT_EQ(
        accepted(std::string(least) + "[api]\nsocket = \"/" + std::string(106, 'x') + "\"\n")
            .api.socket.string()
            .size(),
        107U);
    EXPECT_THAT(only_mistake("[store]\npath = \"/a\\u0000b\"\n"), HasSubstr("control characters"));
}

TEST(ParseConfiguration, ACallbackHasAUrlOrACommand) {
    EXPECT_THAT(only_mistake("[[callback]]\nname = \"a\"\n"), HasSubstr("callback.url: is required (or command)"));
    EXPECT_THAT(only_mistake(with_webhook("command = [\"/bin/true\"]\n")), HasSubstr("not both"));
    EXPECT_THAT(
        only_mistake("[[callback]]\nname = \"a\"\ncommand = [\"/bin/true\"]\nsecret_file = \"/s\"\n"),
        HasSubstr("callback.secret_file: belongs to a url"));
    EXPECT_THAT(
        only_mistake("[[callback]]\nname = \"a\"\ncommand = [\"/bin/true\"]\nheaders_file = \"/h\"\n"),
        HasSubstr("callback.headers_file: belongs to a url"));
    EXPECT_THAT(
        only_mistake("[[callback]]\nname = \"a\"\ncommand = [\"/bin/true\"]\nca_file = \"\"\n"),
        HasSubstr("callback.ca_file"));
    EXPECT_THAT(only_mistake("[[callback]]\nname = \"a\"\ncommand = [\"true\"]\n"), HasSubstr("absolute path"));
    EXPECT_THAT(only_mistake("[[callback]]\nname = \"a\"\ncommand = [\"\"]\n"), HasSubstr("absolute path"));
    EXPECT_THAT(only_mistake("[[callback]]\nname = \"a\"\ncommand = []\n"), HasSubstr("expected 1 to 64 entries"));
    EXPECT_THAT(only_mistake("[[callback]]\nname = \"a\"\ncommand = \"/bin/true\"\n"), HasSubstr("expected a list"));
}

TEST(ParseConfiguration, ACallbackIsItsName) {
    const auto named = [](const std::string& name) {
        return "[[callback]]\nname = \"" + name + "\"\ncommand = [\"/bin/true\"]\n";
    };
    EXPECT_EQ(accepted(std::string(least) + named(std::string(64, 'a'))).callbacks.size(), 1U);
    EXPECT_THAT(only_mistake(named(std::string(65, 'a'))), HasSubstr("at most 64"));
    EXPECT_THAT(only_mistake(named("")), HasSubstr("must not be empty"));
    EXPECT_THAT(only_mistake(named("Backend")), HasSubstr("only a-z"));
    EXPECT_THAT(only_mistake(named("a.b")), HasSubstr("only a-z"));
    EXPECT_THAT(only_mistake(named("callback_url")), HasSubstr("choose another name"));
    EXPECT_THAT(
        only_mistake(named("a") + named("b") + named("a")),
        HasSubstr("test.toml:10:1: callback.name: \"a\" is the name of another"));
}

TEST(ParseConfiguration, TooManyCallbacksAreRefused) {
    std::string text(least);
    for (std::size_t i = 0; i < max_callbacks; ++i)
        text += "[[callback]]\nname = \"c" + std::to_string(i) + "\"\ncommand = [\"/x\"]\n";
    EXPECT_EQ(accepted(text).callbacks.size(), max_callbacks);
    EXPECT_THAT(
        refused(text + "[[callback]]\nname = \"one-more\"\ncommand = [\"/x\"]\n").at(0), HasSubstr("at most 256"));
}

TEST(ParseConfiguration, APatternMustMatchAnEvent) {
    EXPECT_THAT(
        only_mistake(with_webhook("events = [\"transaction.*\", \"payment.*\"]\n")),
        HasSubstr("\"payment.*\" matches no event; there are: transaction.completed,"));
    EXPECT_THAT(only_mistake(with_webhook("events = [\"transaction.up*\"]\n")), HasSubstr("matches no event"));
    EXPECT_THAT(only_mistake(with_webhook("events = [\"callback.test\"]\n")), HasSubstr("matches no event"));
    EXPECT_THAT(only_mistake(with_webhook("events = []\n")), HasSubstr("expected 1 to 32 entries"));
    EXPECT_EQ(accepted(std::string(least) + with_webhook("events = [\"transaction.updated\"]\n")).callbacks.size(), 1U);
}

TEST(ParseConfiguration, AUrlOverTcpNeedsASecret) {
    const std::string bare = "[[callback]]\nname = \"shop\"\nurl = \"https://shop.example/x\"\n";
    EXPECT_THAT(only_mistake(bare), HasSubstr("callback.secret_file: is required for a url over TCP"));
    EXPECT_THAT(only_mistake(bare), HasSubstr("callback.shop.secret"));
    EXPECT_EQ(
        accepted(std::string(least) + "[[callback]]\nname = \"a\"\nurl = \"http+unix:///s:/\"\n").callbacks.size(), 1U);
    config_surroundings surroundings;
    surroundings.has_credential = [](const std::string& name) { return name == "callback.shop.secret"; };
    EXPECT_THAT(refused(std::string(least) + bare, surroundings), testing::IsEmpty());
}

TEST(ParseConfiguration, CallbackUrlHostsNeedASecretOverTcp) {
    EXPECT_THAT(
        only_mistake("[callback_url]\nallow_hosts = [\"shop.example\"]\n"),
        HasSubstr("callback_url.secret_file: is required"));
    EXPECT_EQ(
        accepted(std::string(least) + "[callback_url]\nallow_hosts = [\"unix:/run/x\"]\n")
            .callback_url.allow_hosts.size(),
        1U);
    EXPECT_THAT(
        only_mistake("[callback_url]\nallow_hosts = [\"https://x\"]\nsecret_file = \"/s\"\n"),
        HasSubstr("\"https://x\": write the host alone"));
}

TEST(ParseConfiguration, ATooLargeFileIsRefused) {
    std::string text(least);
    text += std::string(max_configuration_bytes - text.size(), '\n');
    EXPECT_EQ(accepted(text).proof.base_url, "https://proof.example");
    EXPECT_THAT(refused(text + "\n").at(0), HasSubstr("larger than 1048576 bytes"));
}

TEST(ParseConfiguration, ManyMistakesAreBounded) {
    std::string text(least);
    for (int i = 0; i < 150; ++i) text += "k" + std::to_string(i) + " = 1\n";
    const auto lines = refused(text);
    ASSERT_EQ(lines.size(), max_reported_mistakes + 1);
    EXPECT_EQ(lines.back(), "test.toml: and 50 more mistakes");
}

TEST(ParseConfiguration, WarnsOfATerminalEventWithoutReversed) {
    const auto warnings = [](const std::string& events) {
        const auto outcome = parse(std::string(least) + with_webhook("events = " + events + "\n"));
        return std::get<configuration_reading>(outcome).warnings;
    };
    EXPECT_THAT(warnings("[\"transaction.completed\"]"), testing::ElementsAre(HasSubstr("not transaction.reversed")));
    EXPECT_THAT(warnings("[\"*ed\"]"), testing::IsEmpty());
    EXPECT_THAT(warnings("[\"transaction.completed\", \"transaction.reversed\"]"), testing::IsEmpty());
    EXPECT_THAT(warnings("[\"transaction.overdue\"]"), testing::IsEmpty());
}

TEST(ParseConfiguration, AnyDamageToAFileIsReportedOrHarmless) {
    std::ifstream in(PROOFTRACK_SOURCE_DIR "/conf/prooftrackd.toml");
    const std::string whole(std::istreambuf_iterator<char>(in), {});
    ASSERT_GT(whole.size(), 1'000U);
    random_source random(7);
    for (int round = 0; round < 300; ++round) {
        std::string text = whole;
        for (int i = 0; i < 5; ++i) {
            const auto at = static_cast<std::size_t>(random.between(0, static_cast<std::int64_t>(text.size()) - 1));
            if (random.unit() < 0.5) {
                text[at] = static_cast<char>(random.between(0, 255));
            } else {
                text.erase(at, static_cast<std::size_t>(random.between(1, 40)));
            }
        }
        const auto outcome = parse(text);
        if (const auto* mistakes = std::get_if<config_mistakes>(&outcome)) {
            EXPECT_FALSE(mistakes->empty());
            for (const auto& mistake : *mistakes) EXPECT_FALSE(mistake.problem.empty());
        }
    }
}

TEST(LoadConfiguration, AMissingFileIsOneMistake) {
    const auto draft = load_configuration("/nonexistent/prooftrackd.toml");
    const auto& mistakes = draft.mistakes;
    EXPECT_FALSE(draft.is_toml);
    ASSERT_EQ(mistakes.size(), 1U);
    EXPECT_THAT(
        format_mistake(mistakes[0]),
        HasSubstr("/nonexistent/prooftrackd.toml: read /nonexistent/prooftrackd.toml: No such file"));
}

TEST(LoadConfiguration, ADirectoryOrDeviceIsRefused) {
    EXPECT_THAT(load_configuration("/tmp").mistakes.at(0).problem, HasSubstr("Is a directory"));
    EXPECT_THAT(load_configuration("/dev/zero").mistakes.at(0).problem, HasSubstr("not a regular file"));
}

TEST(LoadConfiguration, ADraftSaysWhichKeysAreSoundAndWhereTheyStand) {
    const auto draft = draft_configuration(
        "[proof]\nbase_url = \"https://proof.example\"\ntoken_file = 5\n"
        "ca_file = \"/ca\"\n[[callback]]\nname = \"a\"\n  command = [\"/bin/x\"]\n",
        "f.toml");
    ASSERT_EQ(draft.mistakes.size(), 1U);
    EXPECT_TRUE(draft.is_toml);
    EXPECT_FALSE(draft.is_sound("proof.token_file"));
    EXPECT_TRUE(draft.is_sound("proof.ca_file"));
    EXPECT_EQ(draft.value.proof.ca_file, "/ca");
    EXPECT_EQ(format_mistake(draft.places.blame("callback[0].command", "no")), "f.toml:7:3: callback.command: no");
    EXPECT_EQ(format_mistake(draft.places.blame("api.group", "no")), "f.toml: api.group: no");
    EXPECT_FALSE(draft_configuration("x = [", "f.toml").is_toml);
}

} // namespace
} // namespace prooftrack::config
