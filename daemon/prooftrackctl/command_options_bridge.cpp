#include "prooftrackctl/bridge/message.hpp"
#include "prooftrackctl/command_options.hpp"

namespace prooftrack::ctl {

namespace {

CLI::Option* add_broker(
    CLI::App* command, const std::string& name, const std::string& scheme, broker_url& into, const std::string& help) {
    return command
        ->add_option_function<std::string>(
            name, [&into, scheme](const std::string& text) { parse_broker_url(text, scheme, into); }, help)
        ->type_name("URL")
        ->check(CLI::Validator(
            [scheme](std::string& text) {
                broker_url url;
                return parse_broker_url(text, scheme, url);
            },
            "", "URL"));
}

CLI::Validator is_some_text() {
    return {[](std::string& text) { return text.empty() ? std::string("it is empty") : std::string(); }, "", "text"};
}

void check_bridge(const bridge_command& what, bool is_amqp, bool is_redis) {
    if (is_amqp == is_redis) throw CLI::ValidationError("bridge", "it needs --amqp or --redis, and not both");
    const broker_url& url = is_amqp ? what.amqp : what.redis;
    if (!what.allow_plain && !is_encrypted_or_local(url)) {
        throw CLI::ValidationError(
            is_amqp ? "--amqp" : "--redis", "events and credentials would cross the network unencrypted: use " +
                                                url.scheme + "s://, or --allow-plain within a network that you trust");
    }
}

void add_redis_options(CLI::App* command, bridge_command& into, CLI::Option* redis) {
    command->add_option("--stream", into.stream, "The stream that gets the entries")
        ->type_name("S")
        ->check(is_some_text())
        ->needs(redis);
    command
        ->add_option(
            "--max-length", into.max_length, "Keep about that many entries of the stream (default: all of them)")
        ->type_name("N")
        ->check(is_whole_number())
        ->check(is_positive())
        ->needs(redis);
    command
        ->add_option("--replicas", into.replicas, "Replicas that must have an entry too before it counts (default 0)")
        ->type_name("N")
        ->check(is_whole_number())
        ->needs(redis);
}

} // namespace

void add_bridge_command(CLI::App& app, command_collector& into) {
    bridge_command& what = into.bridge;
    auto* command = app.add_subcommand("bridge", "Publish the events of a named consumer to RabbitMQ or Redis");
    command->add_option("--consumer", what.consumer, "The consumer's name; it is made if it is not there")
        ->required()
        ->type_name("NAME")
        ->check(is_some_text());
    auto* amqp =
        add_broker(command, "--amqp", "amqp", what.amqp, "RabbitMQ: amqp://HOST[:PORT][/VHOST], or amqps:// with TLS");
    auto* redis =
        add_broker(command, "--redis", "redis", what.redis, "Redis: redis://HOST[:PORT][/DB], or rediss:// with TLS");
    redis->excludes(amqp);
    auto* exchange =
        command->add_option("--exchange", what.exchange, "The exchange that is published to; it must be there")
            ->type_name("E")
            ->needs(amqp);
    command
        ->add_option(
            "--routing-key", what.routing_key,
            "Text with {type}, {state}, {status}, {merchant_transaction_id} (default {type})")
        ->type_name("K")
        ->check(CLI::Validator([](std::string& text) { return fault_of_routing_key(text); }, "", "routing key"))
        ->needs(amqp);
    add_redis_options(command, what, redis);
    command->add_option("--credentials-file", what.credentials_file, "A file with USER:PASSWORD for the broker")
        ->type_name("F");
    command->add_option("--ca-file", what.ca_file, "Authorities of the broker's certificate (default: the system's)")
        ->type_name("F");
    command->add_flag(
        "--from-oldest", what.from_oldest,
        "A new consumer begins at the oldest event; an old one passes over events that were pruned");
    command->add_flag("--allow-plain", what.allow_plain, "Without TLS also to another machine");
    add_example(
        command, "bridge --consumer ledger --amqp amqps://broker.example/shop --exchange proof \\\n"
                 "      --credentials-file /etc/prooftrackd/broker");
    command->callback([&into, amqp, redis, exchange] {
        check_bridge(into.bridge, amqp->count() > 0, redis->count() > 0);
        if (amqp->count() > 0 && exchange->count() == 0) throw CLI::RequiredError("--exchange");
        if (redis->count() > 0 && into.bridge.stream.empty()) throw CLI::RequiredError("--stream");
        into.chosen = into.bridge;
    });
}

} // namespace prooftrack::ctl
