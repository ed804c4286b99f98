#pragma once

// The options of each command, as CLI11 knows them.

#include <CLI/CLI.hpp>

#include "prooftrackctl/commands.hpp"

namespace prooftrack::ctl {

/// Where options are collected while the arguments are parsed; `chosen` is set by the command that was given.
struct command_collector {
    track_command track;
    import_command import;
    get_command get;
    explain_command explain;
    wait_command wait;
    list_command list;
    set_command set;
    untrack_command untrack;
    poll_command poll;
    session_command session;
    kyc_command kyc;
    events_command events;
    deliveries_command deliveries;
    redeliver_command redeliver;
    replay_command replay;
    replays_command replays;
    callback_test_command callback_test;
    callback_control_command control;
    dismiss_command dismiss;
    consumers_command consumers;
    listen_command listen;
    status_command status;
    top_command top;
    backup_command backup;
    export_command exported;
    log_level_command log_level;
    reconcile_command reconcile;
    maintenance_command maintenance;
    doctor_command doctor;
    bridge_command bridge;
    std::optional<any_command> chosen;
};

/// Each adds its commands to `app`; `into` must live until the arguments are parsed.
void add_transaction_commands(CLI::App& app, command_collector& into);
void add_change_commands(CLI::App& app, command_collector& into);
void add_proof_commands(CLI::App& app, command_collector& into);
void add_event_commands(CLI::App& app, command_collector& into);
void add_control_commands(CLI::App& app, command_collector& into);
void add_replay_commands(CLI::App& app, command_collector& into);
void add_daemon_commands(CLI::App& app, command_collector& into);
void add_book_commands(CLI::App& app, command_collector& into);
void add_bridge_command(CLI::App& app, command_collector& into);

/// What an option's text must be; the message names what is wrong.
CLI::Validator is_transaction_id();
CLI::Validator is_duration();
CLI::Validator is_time();         ///< what `resolved_time` reads
CLI::Validator is_whole_number(); ///< CLI11 alone would wrap a negative one round
CLI::Validator is_positive();     ///< of a whole number: CLI11's own names the largest double there is

/// An example at the end of the command's help.
void add_example(CLI::App* command, const std::string& text);

/// A member of an object: one that is given twice is refused.
void add_member(
    std::vector<std::pair<std::string, std::string>>& members, const std::string& option, std::string name,
    std::string value);
/// Members given as KEY=VALUE.
void add_pairs(
    std::vector<std::pair<std::string, std::string>>& members, const std::string& option,
    const std::vector<std::string>& pairs);

/// A required ID.
CLI::Option* add_id(CLI::App* command, std::string& into);

/// A repeatable `--metadata K=V`.
CLI::Option* add_metadata(
    CLI::App* command, std::vector<std::pair<std::string, std::string>>& into, const std::string& help);

/// `--metadata`, `--callback-url`, `--overdue-after`.
std::vector<CLI::Option*> add_tracking_options(CLI::App* command, tracking_arguments& into);

/// An option whose text is a time.
CLI::Option* add_time(CLI::App* command, const std::string& name, std::string& into, const std::string& help);

/// An option whose text is a duration.
CLI::Option* add_duration(
    CLI::App* command, const std::string& name, std::optional<milliseconds>& into, const std::string& help);

} // namespace prooftrack::ctl
