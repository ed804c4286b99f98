#include "prooftrackctl/command_options.hpp"

namespace prooftrack::ctl {

void add_daemon_commands(CLI::App& app, command_collector& into) {
    auto* status = app.add_subcommand("status", "Show how the daemon, Proof and the callbacks are");
    add_example(status, "status");
    status->callback([&into] { into.chosen = status_command{}; });

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
}

} // namespace prooftrack::ctl
