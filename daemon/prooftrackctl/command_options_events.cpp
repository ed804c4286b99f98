#include "prooftrackctl/command_options.hpp"

#include "track/types.hpp"

namespace prooftrack::ctl {

namespace {

CLI::Option* add_number(
    CLI::App* command, const std::string& name, std::optional<std::uint64_t>& into, const std::string& help) {
    return command->add_option(name, into, help)->type_name("N")->check(is_whole_number());
}

void add_events(CLI::App& app, command_collector& into) {
    auto* command = app.add_subcommand("events", "Show the event log, or follow it");
    auto* follow = command->add_flag(
        "-f,--follow", into.events.follow, "Go on with new events, also across a restart of the daemon");
    add_number(
        command, "--after", into.events.after,
        "Begin behind this seq, 0 = at the oldest (default: the newest 100; with --follow now)")
        ->type_name("SEQ");
    add_number(command, "--limit", into.events.limit, "End after that many; without --after the newest")
        ->check(is_positive());
    add_time(command, "--since", into.events.since, "Only those of this time or later")->excludes(follow);
    add_time(command, "--until", into.events.until, "Only those earlier than this")->excludes(follow);
    add_example(command, "--json events --follow | jq .type");
    command->callback([&into] { into.chosen = into.events; });
}

void add_deliveries(CLI::App& app, command_collector& into) {
    auto* command = app.add_subcommand("deliveries", "List what is owed to callbacks and what became of it");
    command->add_option("--state", into.deliveries.state, "pending, delivered, dead or dismissed")
        ->type_name("S")
        ->check(CLI::Validator(
            [](std::string& text) {
                if (track::parse_delivery_state(text)) return std::string();
                return "'" + text + "' is not a state: pending, delivered, dead or dismissed";
            },
            "", "state"));
    command->add_option("--callback", into.deliveries.callback, "Only those of this callback")->type_name("NAME");
    command->add_option("--transaction", into.deliveries.transaction, "Only those of this transaction")
        ->type_name("ID")
        ->check(is_transaction_id());
    add_time(command, "--since", into.deliveries.since, "Only those whose event is of this time or later");
    add_time(command, "--until", into.deliveries.until, "Only those whose event is earlier than this");
    auto* limit =
        command->add_option("--limit", into.deliveries.limit, "At most that many (default 100)")->type_name("N");
    limit->check(is_whole_number())->check(is_positive());
    command->add_flag("--all", into.deliveries.all, "All of them")->excludes(limit);
    add_example(command, "deliveries --state dead");
    command->callback([&into] { into.chosen = into.deliveries; });
}

void add_redeliver(CLI::App& app, command_collector& into) {
    auto* command =
        app.add_subcommand("redeliver", "Send again, now: one delivery, those of a transaction, or all dead ones");
    auto* id = command->add_option("ID", into.redeliver.id, "A delivery's number, or a merchant_transaction_id")
                   ->type_name("")
                   ->check(is_transaction_id());
    auto* dead = command->add_flag("--dead", into.redeliver.dead, "All dead deliveries");
    dead->excludes(id);
    command->add_option("--callback", into.redeliver.callback, "Only those of this callback")->type_name("NAME");
    command->add_flag("--dry-run", into.redeliver.dry_run, "Only say how many they are")->needs(dead);
    add_example(command, "redeliver --dead --callback backend");
    command->callback([&into] {
        if (into.redeliver.id.empty() && !into.redeliver.dead) throw CLI::RequiredError("ID or --dead");
        into.chosen = into.redeliver;
    });
}

void add_callback(CLI::App& app, command_collector& into) {
    auto* group = app.add_subcommand("callback", "Try a callback out");
    group->require_subcommand(1);
    auto* test = group->add_subcommand("test", "Send one signed callback.test event now and show the answer");
    test->add_option("NAME", into.callback_test.name, "The callback's name in the configuration")
        ->required()
        ->type_name("");
    add_example(group, "callback test backend");
    add_example(test, "callback test backend");
    test->callback([&into] { into.chosen = into.callback_test; });
}

void add_secret(CLI::App& app, command_collector& into) {
    auto* group = app.add_subcommand("secret", "Secrets that sign webhooks");
    group->require_subcommand(1);
    auto* make = group->add_subcommand("new", "Print a new secret");
    const std::string example =
        "secret new | sudo install -m 0600 -o prooftrackd /dev/stdin /etc/prooftrackd/webhook_secret";
    add_example(group, example);
    add_example(make, example);
    make->callback([&into] { into.chosen = secret_new_command{}; });
}

void add_consumers(CLI::App& app, command_collector& into) {
    using action = consumers_command::action;
    auto* group = app.add_subcommand("consumers", "List the named consumers of the event log, or change them");
    group->require_subcommand(0, 1);
    add_example(group, "consumers\n  prooftrackctl consumers add ledger");
    const auto add = [&](const std::string& name, action what, const std::string& help, const std::string& example) {
        auto* command = group->add_subcommand(name, help);
        command->add_option("NAME", into.consumers.name, "The consumer's name")->required()->type_name("");
        add_example(command, example);
        command->callback([&into, what] { into.consumers.what = what; });
        return command;
    };
    auto* create = add("add", action::add, "Create a consumer: a durable cursor", "consumers add ledger --seq 0");
    add_number(create, "--seq", into.consumers.seq, "Its position (default: the last event)")->type_name("SEQ");
    auto* ack = add("ack", action::ack, "Acknowledge all events up to a seq", "consumers ack ledger 4711");
    add_number(ack, "SEQ", into.consumers.seq, "The last event that was handled")->required()->type_name("");
    add("remove", action::remove, "Delete a consumer", "consumers remove ledger");
    group->callback([&into] { into.chosen = into.consumers; });
}

void add_listen(CLI::App& app, command_collector& into) {
    auto* command = app.add_subcommand(
        "listen", "Receive webhooks here, verify their signatures and print them, for trying things out");
    command
        ->add_option(
            "ADDRESS", into.listen.address,
            "HOST:PORT of this machine, port 0 = any (default 127.0.0.1:0), or unix:PATH")
        ->type_name("[HOST:PORT]");
    command
        ->add_option(
            "--secret-file", into.listen.secret_file, "The secrets, a whsec_… a line; any of them may have signed")
        ->required()
        ->type_name("F");
    add_number(command, "--count", into.listen.count, "End with 0 after that many different events")
        ->check(is_positive());
    command
        ->add_option(
            "--answer", into.listen.answer, "Status given to verified events (default 204), to try out retries")
        ->type_name("STATUS")
        ->check(CLI::Range(200, 599));
    add_example(command, "listen 127.0.0.1:8080 --secret-file /etc/prooftrackd/webhook_secret");
    command->callback([&into] { into.chosen = into.listen; });
}

} // namespace

void add_event_commands(CLI::App& app, command_collector& into) {
    add_events(app, into);
    add_deliveries(app, into);
    add_redeliver(app, into);
    add_callback(app, into);
    add_secret(app, into);
    add_consumers(app, into);
    add_listen(app, into);
}

} // namespace prooftrack::ctl
