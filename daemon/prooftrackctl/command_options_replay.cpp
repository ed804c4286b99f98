#include "prooftrackctl/command_options.hpp"

#include "base/event_names.hpp"

namespace prooftrack::ctl {

namespace {

CLI::Validator is_event_pattern() {
    return CLI::Validator(
        [](std::string& text) {
            for (const std::string_view event : selectable_events) {
                if (pattern_selects(text, event)) return std::string();
            }
            return "'" + text + "' selects no event: transaction.completed, transaction.*, ...";
        },
        "", "event");
}

void add_replay(CLI::App& app, command_collector& into) {
    replay_command& replay = into.replay;
    auto* command = app.add_subcommand(
        "replay", "Owe a callback the events of the log: those it was never owed, or all of them again");
    command->add_option("CALLBACK", replay.callback, "The callback's name in the configuration")
        ->required()
        ->type_name("");
    add_time(command, "--since", replay.since, "Only events of this time or later");
    add_time(command, "--until", replay.until, "Only events earlier than this");
    command->add_option("--after", replay.after, "Only events behind this seq")
        ->type_name("SEQ")
        ->check(is_whole_number());
    command->add_option("--before", replay.before, "Only events before this seq")
        ->type_name("SEQ")
        ->check(is_whole_number());
    command->add_option("--type", replay.types, "Only these of the events that the callback selects; may be repeated")
        ->type_name("T")
        ->allow_extra_args(false)
        ->check(is_event_pattern());
    auto* missing = command->add_flag(
        "--missing", replay.missing, "Only what was never owed to the callback, which is the default");
    command->add_flag("--all", replay.all, "Also what it was owed, whatever became of it")->excludes(missing);
    auto* dry_run =
        command->add_flag("--dry-run", replay.dry_run, "Say how many events it would be, and change nothing");
    command->add_flag("--wait", replay.wait, "Wait for its end; 1 when not every event was delivered")
        ->excludes(dry_run);
    add_example(command, "replay ledger --since 2026-04-01 --dry-run");
    command->callback([&into] { into.chosen = into.replay; });
}

void add_replays(CLI::App& app, command_collector& into) {
    auto* group = app.add_subcommand("replays", "List replays and how far they have come, or cancel one");
    group->require_subcommand(0, 1);
    auto* cancel = group->add_subcommand("cancel", "End a replay: what was not attempted yet is owed no more");
    cancel->add_option("ID", into.replays.cancel, "The replay's number")
        ->required()
        ->type_name("")
        ->check(is_whole_number());
    add_example(group, "replays\n  prooftrackctl replays cancel 3");
    add_example(cancel, "replays cancel 3");
    group->callback([&into] { into.chosen = into.replays; });
}

} // namespace

void add_replay_commands(CLI::App& app, command_collector& into) {
    add_replay(app, into);
    add_replays(app, into);
}

} // namespace prooftrack::ctl
