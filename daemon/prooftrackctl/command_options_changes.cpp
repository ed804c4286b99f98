// set, untrack

#include "prooftrackctl/command_options.hpp"
#include "track/types.hpp"

namespace prooftrack::ctl {

namespace {

CLI::Validator is_open_state() {
    return {
        [](std::string& text) {
            const auto state = track::parse_tracking_state(text);
            if (state && !is_ended(*state)) return std::string();
            return "'" + text + "' is not a state that can be untracked: tracking, overdue, not_found or rejected";
        },
        "", "open state"};
}

void add_set(CLI::App& app, command_collector& into) {
    auto* command = app.add_subcommand("set", "Change the metadata or the callback_url of a transaction");
    add_id(command, into.set.id);
    add_metadata(
        command, into.set.metadata, "A member of the new metadata, which replaces the old one whole; repeatable");
    auto* url = command
                    ->add_option(
                        "--callback-url", into.set.callback_url,
                        "Tell this URL of later events (within [callback_url]'s rules)")
                    ->type_name("URL");
    command->add_flag("--no-callback-url", into.set.removes_callback_url, "Tell no URL of its own of later events")
        ->excludes(url);
    add_example(command, "set 550e8400-e29b-41d4-a716-446655440000 --metadata order=A-17 --metadata plan=gold");
    command->callback([&into] {
        const set_command& set = into.set;
        if (set.metadata.empty() && !set.callback_url && !set.removes_callback_url)
            throw CLI::RequiredError("--metadata, --callback-url or --no-callback-url");
        into.chosen = set;
    });
}

void add_untrack(CLI::App& app, command_collector& into) {
    auto* command = app.add_subcommand("untrack", "End the tracking of a transaction, or of all that match a filter");
    auto* id = command->add_option("ID", into.untrack.id, "A merchant_transaction_id")
                   ->type_name("")
                   ->check(is_transaction_id());
    command->add_option("--state", into.untrack.states, "Those in this state of ours; repeatable: any of them")
        ->type_name("S")
        ->type_size(1)
        ->allow_extra_args(false)
        ->check(is_open_state())
        ->excludes(id);
    command->add_option("--status", into.untrack.status, "Only those with this status of Proof")
        ->type_name("S")
        ->excludes(id);
    add_metadata(command, into.untrack.metadata, "Only those with this member of the metadata; repeatable: all of them")
        ->excludes(id);
    add_time(command, "--tracked-before", into.untrack.tracked_before, "Only those tracked earlier than this")
        ->excludes(id);
    command->add_flag("--dry-run", into.untrack.dry_run, "Only say how many they are")->excludes(id);
    command->add_flag("-y,--yes", into.untrack.yes, "Ask no question, also on a terminal");
    add_example(
        command, "untrack 550e8400-e29b-41d4-a716-446655440000\n  prooftrackctl untrack --state not_found "
                 "--tracked-before 30d --dry-run");
    command->callback([&into] {
        const untrack_command& all = into.untrack;
        const bool has_filter =
            !all.states.empty() || !all.status.empty() || !all.metadata.empty() || !all.tracked_before.empty();
        if (all.id.empty() && !has_filter)
            throw CLI::RequiredError("ID, or --state, --status, --metadata or --tracked-before");
        into.chosen = all;
    });
}

} // namespace

void add_change_commands(CLI::App& app, command_collector& into) {
    add_set(app, into);
    add_untrack(app, into);
}

} // namespace prooftrack::ctl
