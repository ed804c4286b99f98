#include <fmt/format.h>

#include "base/note_rules.hpp"
#include "prooftrackctl/command_options.hpp"

namespace prooftrack::ctl {

namespace {

CLI::Validator is_note() {
    return {
        [](std::string& text) {
            return is_allowed_note(text)
                       ? std::string()
                       : fmt::format("one line of at most {} bytes, without control characters", longest_note);
        },
        "", "note"};
}

void add_maintenance(CLI::App& app, command_collector& into) {
    using action = maintenance_command::action;
    auto* group =
        app.add_subcommand("maintenance", "Hold all polls and deliveries, or go on; ids are taken all the while");
    group->require_subcommand(1);
    add_example(group, "maintenance on --note 'Proof moves house'");
    const auto add = [&](const std::string& name, action what, const std::string& help) {
        auto* command = group->add_subcommand(name, help);
        add_example(command, "maintenance " + name);
        command->callback([&into, what] {
            into.maintenance.what = what;
            into.chosen = into.maintenance;
        });
        return command;
    };
    auto* on = add("on", action::on, "Nothing is polled or delivered from now on, through restarts");
    auto* off = add("off", action::off, "Go on: due polls are spread, deliveries begin slowly");
    add("status", action::status, "Whether it is on, and since when");
    for (CLI::App* command : {on, off})
        command->add_option("--note", into.maintenance.note, "Why, for the others; it is shown and logged")
            ->type_name("TEXT")
            ->check(is_note());
}

void add_doctor(CLI::App& app, command_collector& into) {
    auto* doctor = app.add_subcommand("doctor", "Check everything, before the first order and later; say what to do");
    doctor
        ->add_option(
            "--config", into.doctor.config,
            "The configuration (default: the running daemon's, else /etc/prooftrackd/prooftrackd.toml)")
        ->type_name("FILE");
    doctor->add_flag("--test", into.doctor.test, "Send each callback a test event");
    add_example(doctor, "doctor --test");
    doctor->callback([&into] { into.chosen = into.doctor; });
}

} // namespace

void add_daemon_commands(CLI::App& app, command_collector& into) {
    auto* status = app.add_subcommand("status", "Show how the daemon, Proof and the callbacks are");
    status->add_flag(
        "--check", into.status.check, "Only whether it is ready and Proof is ok: else exit status 1 with the reasons");
    add_example(status, "status --check");
    status->callback([&into] { into.chosen = into.status; });

    auto* cluster = app.add_subcommand("cluster", "Show the daemons that share one PostgreSQL, and who took what when");
    add_example(cluster, "cluster");
    cluster->callback([&into] { into.chosen = cluster_command{}; });

    auto* top = app.add_subcommand("top", "The same and the newest events, live; q ends");
    top->add_option_function<std::string>(
           "--interval",
           [&into](const std::string& text) { into.top.interval = parse_duration(text).value_or(into.top.interval); },
           "Time between two looks (default 1s)")
        ->type_name("D")
        ->check(is_duration())
        ->check(CLI::Validator(
            [](std::string& text) {
                const auto span = parse_duration(text);
                return span && *span >= milliseconds(100) && *span <= milliseconds(60'000) ? std::string()
                                                                                           : "between 100ms and 1m";
            },
            "", "interval"));
    add_example(top, "top");
    top->callback([&into] { into.chosen = into.top; });

    auto* backup = app.add_subcommand("backup", "Write a consistent copy of the database");
    backup->add_option("FILE", into.backup.file, "Where to; made with mode 0600. - is standard output")
        ->required()
        ->type_name("");
    backup->add_flag("--force", into.backup.force, "Replace FILE if it is there");
    add_example(backup, "backup /var/backups/prooftrackd-$(date +%F).db");
    backup->callback([&into] { into.chosen = into.backup; });

    auto* level = app.add_subcommand("log-level", "Change what the daemon logs until it restarts or reloads");
    level->add_option("LEVEL", into.log_level.level, "critical, error, warning, notice, info or debug")
        ->required()
        ->type_name("");
    add_example(level, "log-level debug");
    level->callback([&into] { into.chosen = into.log_level; });

    add_maintenance(app, into);
    add_doctor(app, into);
}

} // namespace prooftrack::ctl
