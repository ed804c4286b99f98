#include <gtest/gtest.h>

#include <algorithm>

#include <fmt/format.h>

#include "prooftrackctl/bridge/broker_url.hpp"
#include "prooftrackctl/bridge/message.hpp"
#include "prooftrackctl/bridge/retry_pause.hpp"
#include "prooftrackctl/command_line.hpp"
#include "prooftrackctl/exit_status.hpp"

namespace prooftrack::ctl {
namespace {

broker_url good(std::string_view text, std::string_view scheme) {
    broker_url url;
    EXPECT_EQ(parse_broker_url(text, scheme, url), "") << text;
    return url;
}

TEST(BrokerUrl, HasTheDefaultsOfItsScheme) {
    const broker_url plain = good("amqp://Broker.Example", "amqp");
    EXPECT_EQ(plain, (broker_url{"amqp", false, "broker.example", 5672, ""}));
    EXPECT_EQ(good("amqps://b:1/a%2Fb", "amqp"), (broker_url{"amqps", true, "b", 1, "a/b"}));
    EXPECT_EQ(good("rediss://[::1]:7000/3", "redis"), (broker_url{"rediss", true, "::1", 7000, "3"}));
    EXPECT_EQ(good("redis://127.0.0.1/", "redis").port, 6379);
    EXPECT_EQ(good("amqps://b/", "amqp").port, 5671);
    EXPECT_EQ(format_broker_url(good("rediss://[::1]:7000/3", "redis")), "rediss://[::1]:7000/3");
    EXPECT_EQ(format_broker_url(plain), "amqp://broker.example:5672");
}

TEST(BrokerUrl, SaysWhatIsWrong) {
    broker_url url{"amqp", false, "untouched", 1, ""};
    for (const std::string_view text :
         {"", "broker", "http://b", "redis://b", "amqp://", "amqp:///x", "amqp://b:0", "amqp://b:65536", "amqp://b:x",
          "amqp://127.1", "amqp://b?heartbeat=5", "amqp://b#x", "amqp://b/%2", "amqp://b/%00", "amqp://[::1",
          "amqp://::1", "amqp://b c"}) {
        EXPECT_NE(parse_broker_url(text, "amqp", url), "") << text;
    }
    EXPECT_EQ(url.host, "untouched");
    const std::string fault = parse_broker_url("amqp://me:hunter2@b", "amqp", url);
    EXPECT_NE(fault.find("--credentials-file"), std::string::npos);
    EXPECT_EQ(fault.find("hunter2"), std::string::npos);
    EXPECT_EQ(parse_broker_url("amqp://b/" + std::string(255, 'v'), "amqp", url), "");
    EXPECT_NE(parse_broker_url("amqp://b/" + std::string(256, 'v'), "amqp", url), "");
}

TEST(BrokerUrl, PlainTextStaysOnThisMachine) {
    EXPECT_TRUE(is_encrypted_or_local(good("amqp://localhost", "amqp")));
    EXPECT_TRUE(is_encrypted_or_local(good("redis://127.8.8.8", "redis")));
    EXPECT_TRUE(is_encrypted_or_local(good("amqps://broker.example", "amqp")));
    EXPECT_FALSE(is_encrypted_or_local(good("amqp://broker.example", "amqp")));
}

TEST(BrokerCredentials, AreAUserAndAPassword) {
    broker_credentials read;
    EXPECT_EQ(parse_broker_credentials("shop:a:b c\n", read), "");
    EXPECT_EQ(read.user, "shop");
    EXPECT_EQ(read.password.reveal(), "a:b c");
    EXPECT_EQ(parse_broker_credentials(":only\r\n", read), "");
    EXPECT_EQ(read.user, "");
    for (const std::string_view text : {"", "shop", "shop:", "shop:\n", "shop:a\nshop:b\n", "shop:a\tb"})
        EXPECT_NE(parse_broker_credentials(text, read), "") << text;
    EXPECT_EQ(read.password.reveal(), "only");
    EXPECT_EQ(parse_broker_credentials("hunter2", read).find("hunter2"), std::string::npos);
}

constexpr std::string_view frozen =
    R"({"id":"evt_01a2065e83e27d58831d8dadf3a86e70","type":"transaction.completed",)"
    R"("timestamp":"2026-04-01T10:03:47.031Z","data":{"merchant_transaction_id":"order.1","state":"settled",)"
    R"("status":"completed","previous_status":null,"final":true,"metadata":{"note":",\"seq\":4711"},)"
    R"("proof":{"fiat_amount": 1.10}}})";

std::string logged(std::uint64_t seq) {
    std::string event(frozen);
    event.insert(event.find(",\"type\""), fmt::format(",\"seq\":{}", seq));
    return event;
}

TEST(BridgeEvent, HasTheBytesOfTheWebhook) {
    const std::string text = logged(4711);
    const auto event = read_bridge_event(json_view::parse(text));
    ASSERT_TRUE(event);
    EXPECT_EQ(event->body, frozen);
    EXPECT_EQ(event->seq, 4711U);
    EXPECT_EQ(event->id, "evt_01a2065e83e27d58831d8dadf3a86e70");
    EXPECT_EQ(event->type, "transaction.completed");
    EXPECT_EQ(event->transaction, "order.1");
    EXPECT_EQ(event->status, "completed");
    EXPECT_EQ(event->sequence, 1'775'037'827'031U) << "milliseconds, as webhook-sequence";
    EXPECT_EQ(format_wall_time(event->at), event->timestamp);
}

TEST(BridgeEvent, IsRefusedWithoutWhatABrokerNeeds) {
    for (const std::string_view member :
         {R"("id":"evt_01a2065e83e27d58831d8dadf3a86e70")", R"(,"seq":5)", R"("timestamp":"2026-04-01T10:03:47.031Z")",
          R"("merchant_transaction_id":"order.1")"}) {
        std::string text = logged(5);
        const std::size_t colon = text.find(member) + member.find("\":");
        text.insert(colon, "_"); // another name
        EXPECT_FALSE(read_bridge_event(json_view::parse(text))) << text;
    }
    EXPECT_FALSE(read_bridge_event(json_view::parse("[]")));
}

TEST(RoutingKey, IsMadeOfTheEvent) {
    bridge_event event;
    event.type = "transaction.completed";
    event.state = "settled";
    event.transaction = "order.1";
    event.status = "on hold.#";
    EXPECT_EQ(routing_key_of("{type}", event), "transaction.completed");
    EXPECT_EQ(routing_key_of("proof.{state}.{status}.}x", event), "proof.settled.on_hold__.}x");
    EXPECT_EQ(routing_key_of("{merchant_transaction_id}", event), "order.1");
    EXPECT_EQ(routing_key_of("", event), "");
    event.status.clear();
    EXPECT_EQ(routing_key_of("{status}", event), "none");
    event.status.assign(500, 'x');
    EXPECT_EQ(routing_key_of("{status}", event).size(), 64U);
    EXPECT_EQ(routing_key_of("{status}{status}{status}{status}", event).size(), max_routing_key);
}

TEST(RoutingKey, ATemplateIsChecked) {
    EXPECT_EQ(fault_of_routing_key("{type}.{state}.{status}.{merchant_transaction_id}"), "");
    EXPECT_EQ(fault_of_routing_key(std::string(255, 'k')), "");
    EXPECT_NE(fault_of_routing_key(std::string(256, 'k')), "");
    EXPECT_NE(fault_of_routing_key("{typ}"), "");
    EXPECT_NE(fault_of_routing_key("{}"), "");
    EXPECT_NE(fault_of_routing_key("a{type"), "");
}

TEST(RetryPause, DoublesWithJitterUpToItsBoundAndBeginsAnew) {
    retry_pause pauses(random_source(7));
    milliseconds span = retry_pause::shortest;
    for (int i = 0; i < 12; ++i) {
        const milliseconds pause = pauses.next();
        EXPECT_GE(pause, span / 2);
        EXPECT_LE(pause, span);
        span = std::min(span * 2, retry_pause::longest);
    }
    EXPECT_EQ(span, retry_pause::longest);
    pauses.reset();
    EXPECT_LE(pauses.next(), retry_pause::shortest);
}

std::variant<invocation, parse_end> parse_bridge(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"bridge", "--consumer", "books"});
    return parse_command_line(std::move(arguments), "");
}

bridge_command taken(std::vector<std::string> arguments) {
    const auto result = parse_bridge(std::move(arguments));
    if (const auto* end = std::get_if<parse_end>(&result)) {
        ADD_FAILURE() << end->text;
        return {};
    }
    return std::get<bridge_command>(std::get<invocation>(result).what);
}

TEST(BridgeCommand, NamesOneBroker) {
    const auto amqp = taken({"--amqp", "amqp://localhost/shop", "--exchange", "", "--routing-key", "q"});
    EXPECT_EQ(amqp.consumer, "books");
    EXPECT_EQ(amqp.amqp.path, "shop");
    EXPECT_EQ(amqp.exchange, "");
    EXPECT_EQ(amqp.routing_key, "q");
    EXPECT_FALSE(amqp.from_oldest);
    EXPECT_EQ(taken({"--amqp", "amqps://b.example", "--exchange", "e"}).routing_key, "{type}");
    const auto redis = taken(
        {"--redis", "redis://b.example", "--allow-plain", "--stream", "s", "--max-length", "1000", "--replicas", "1",
         "--from-oldest", "--credentials-file", "f", "--ca-file", "c"});
    EXPECT_EQ(redis.stream, "s");
    EXPECT_EQ(redis.max_length, 1000U);
    EXPECT_EQ(redis.replicas, 1U);
    EXPECT_TRUE(redis.from_oldest);
    EXPECT_EQ(redis.credentials_file, "f");
    EXPECT_EQ(redis.ca_file, "c");
}

TEST(BridgeCommand, RefusesWhatCannotWork) {
    const std::vector<std::vector<std::string>> wrong{
        {},
        {"--amqp", "amqp://localhost"},
        {"--redis", "redis://localhost"},
        {"--redis", "redis://localhost", "--stream", ""},
        {"--redis", "redis://localhost", "--stream", "s", "--max-length", "0"},
        {"--redis", "redis://localhost", "--stream", "s", "--exchange", "e"},
        {"--amqp", "amqp://localhost", "--exchange", "e", "--stream", "s"},
        {"--amqp", "amqp://localhost", "--exchange", "e", "--redis", "redis://localhost", "--stream", "s"},
        {"--amqp", "amqp://localhost", "--exchange", "e", "--routing-key", "{nothing}"},
        {"--amqp", "amqp://broker.example", "--exchange", "e"},
        {"--redis", "redis://broker.example", "--stream", "s"},
        {"--amqp", "amqp://me:hunter2@localhost", "--exchange", "e"}};
    for (const auto& arguments : wrong) {
        const auto result = parse_bridge(arguments);
        const auto* end = std::get_if<parse_end>(&result);
        ASSERT_NE(end, nullptr) << testing::PrintToString(arguments);
        EXPECT_EQ(end->status, exit_status::usage);
        EXPECT_EQ(end->text.find("hunter2"), std::string::npos);
    }
}

} // namespace
} // namespace prooftrack::ctl
