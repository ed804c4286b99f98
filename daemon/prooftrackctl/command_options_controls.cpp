#include "prooftrackctl/command_options.hpp"

namespace prooftrack::ctl {

namespace {

void add_control(
    CLI::App& app, command_collector& into, const std::string& name, callback_control_command::action what,
    const std::string& help) {
    auto* command = app.add_subcommand(name, help);
    command->add_option("CALLBACK", into.control.name, "Its name; callback_url is all transactions' own URLs")
        ->required()
        ->type_name("");
    add_example(command, name + " backend");
    command->callback([&into, what] {
        into.control.what = what;
        into.chosen = into.control;
    });
}

void add_dismiss(CLI::App& app, command_collector& into) {
    auto* command = app.add_subcommand("dismiss", "Let dead deliveries go: they count as dead no more");
    auto* delivery = command->add_option("DELIVERY", into.dismiss.delivery, "Its number, as deliveries shows it")
                         ->type_name("")
                         ->check(is_whole_number());
    auto* dead = command->add_flag("--dead", into.dismiss.dead, "All dead deliveries");
    dead->excludes(delivery);
    command->add_option("--callback", into.dismiss.callback, "With --dead: only those of this callback")
        ->type_name("NAME")
        ->needs(dead);
    command->add_option("--note", into.dismiss.note, "Why, for whoever asks later: at most 500 bytes")
        ->type_name("TEXT");
    add_example(command, "dismiss --dead --callback backend --note 'shut down in May, see A-17'");
    command->callback([&into] {
        if (into.dismiss.delivery.empty() && !into.dismiss.dead) throw CLI::RequiredError("DELIVERY or --dead");
        into.chosen = into.dismiss;
    });
}

} // namespace

void add_control_commands(CLI::App& app, command_collector& into) {
    using action = callback_control_command::action;
    add_control(app, into, "pause", action::pause, "Hold a callback up: what it is owed waits, across restarts");
    add_control(app, into, "resume", action::resume, "Let a paused callback go on");
    add_control(app, into, "flush", action::flush, "Send what is pending for a callback now");
    add_dismiss(app, into);
}

} // namespace prooftrack::ctl
