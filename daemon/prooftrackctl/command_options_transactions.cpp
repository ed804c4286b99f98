#include "prooftrackctl/command_options.hpp"

#include "track/types.hpp"

namespace prooftrack::ctl {

namespace {

CLI::Validator is_state() {
    return {
        [](std::string& text) {
            if (track::parse_tracking_state(text)) return std::string();
            return "'" + text +
                   "' is not a state: tracking, settled, overdue, not_found, rejected, abandoned or untracked";
        },
        "", "state"};
}

void add_track(CLI::App& app, command_collector& into) {
    auto* command = app.add_subcommand("track", "Track a transaction");
    add_id(command, into.track.id);
    add_tracking_options(command, into.track.options);
    auto* wait = command->add_flag("--wait", into.track.wait, "Then wait for its end, as `wait` does");
    add_duration(command, "--timeout", into.track.timeout, "Longest wait")->needs(wait);
    add_example(command, "track 550e8400-e29b-41d4-a716-446655440000 --metadata order=A-17 --wait");
    command->callback([&into] { into.chosen = into.track; });
}

void add_import(CLI::App& app, command_collector& into) {
    auto* command = app.add_subcommand("import", "Track many: an id or a JSON object a line");
    command->add_option("FILE", into.import.file, "File to read, - for standard input")->required()->type_name("");
    add_example(command, "import open-orders.ndjson");
    command->callback([&into] { into.chosen = into.import; });
}

void add_wait(CLI::App& app, command_collector& into) {
    auto* command = app.add_subcommand("wait", "Wait until a transaction has ended; the exit status tells how");
    add_id(command, into.wait.id);
    add_duration(command, "--timeout", into.wait.timeout, "Longest wait (default: as long as it takes)");
    command->footer("Exit status: 0 completed, 2 failed, 3 cancelled, 4 rejected, abandoned or untracked, 5 not ended "
                    "at the timeout.\n\n"
                    "Example:\n  prooftrackctl wait 550e8400-e29b-41d4-a716-446655440000 --timeout 10m && ship");
    command->callback([&into] { into.chosen = into.wait; });
}

void add_list(CLI::App& app, command_collector& into) {
    auto* command = app.add_subcommand("list", "List transactions, the newest first");
    command->add_option("--state", into.list.state, "Only those in this state of ours")
        ->type_name("S")
        ->check(is_state());
    command->add_option("--status", into.list.status, "Only those with this status of Proof")->type_name("S");
    add_metadata(command, into.list.metadata, "Only those with this member of the metadata; repeatable: all of them");
    add_time(command, "--tracked-after", into.list.tracked_after, "Only those tracked later than this");
    add_time(command, "--tracked-before", into.list.tracked_before, "Only those tracked earlier than this");
    add_time(command, "--settled-after", into.list.settled_after, "Only those settled later than this");
    add_time(command, "--settled-before", into.list.settled_before, "Only those settled earlier than this");
    command
        ->add_option(
            "--not-delivered-to", into.list.not_delivered_to,
            "Only those with an event that this callback is owed and does not have")
        ->type_name("NAME");
    command->add_option("--id-prefix", into.list.id_prefix, "Only those whose ids begin like this")->type_name("P");
    auto* limit = command->add_option("--limit", into.list.limit, "At most that many (default 100)")->type_name("N");
    limit->check(is_whole_number())->check(is_positive());
    command->add_flag("--all", into.list.all, "All of them")->excludes(limit);
    add_example(command, "list --state overdue\n  prooftrackctl list --metadata order=A-17");
    command->callback([&into] { into.chosen = into.list; });
}

/// Commands whose only argument is an id.
template <class Command>
void add_plain(
    CLI::App& app, command_collector& into, Command command_collector::*member, const std::string& name,
    const std::string& help) {
    auto* command = app.add_subcommand(name, help);
    add_id(command, (into.*member).id);
    add_example(command, name + " 550e8400-e29b-41d4-a716-446655440000");
    command->callback([&into, member] { into.chosen = into.*member; });
}

} // namespace

void add_transaction_commands(CLI::App& app, command_collector& into) {
    add_track(app, into);
    add_import(app, into);
    add_plain(app, into, &command_collector::get, "get", "Show a transaction");
    add_plain(
        app, into, &command_collector::explain, "explain",
        "Say why a transaction is where it is, what comes next and what can be done");
    add_wait(app, into);
    add_list(app, into);
    add_change_commands(app, into);
    add_plain(app, into, &command_collector::poll, "poll", "Ask Proof about a transaction now");
}

} // namespace prooftrack::ctl
