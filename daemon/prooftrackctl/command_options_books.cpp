#include <tuple>

#include "base/time.hpp"
#include "prooftrackctl/command_options.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

/// Not "that long ago": a list is of a month.
void add_fixed_time(CLI::App* command, const std::string& name, std::string& into, const std::string& help) {
    command
        ->add_option_function<std::string>(
            name,
            [&into](const std::string& text) {
                if (const auto when = time_or_date(text)) into = format_wall_time(*when);
            },
            help)
        ->type_name("T")
        ->check(CLI::Validator(
            [](std::string& text) {
                return time_or_date(text) ? std::string() : "'" + text + "' is not a time: 2026-04-01 or RFC 3339";
            },
            "", "time"));
}

void add_export(CLI::App& app, command_collector& into) {
    auto* command = app.add_subcommand("export", "Write transactions, events or deliveries to standard output");
    command->add_option("LIST", into.exported.list, "transactions, events or deliveries")
        ->required()
        ->type_name("")
        ->check(CLI::IsMember({"transactions", "events", "deliveries"}));
    command->add_option("--format", into.exported.format, "csv, which is the default, or ndjson: a JSON object a line")
        ->type_name("F")
        ->check(CLI::IsMember({"csv", "ndjson"}));
    add_time(command, "--since", into.exported.since, "Only those of this time or later");
    add_time(command, "--until", into.exported.until, "Only those earlier than this");
    add_example(command, "export transactions --since 2026-04-01 --until 2026-05-01 > april.csv");
    command->callback([&into] { into.chosen = into.exported; });
}

} // namespace

void add_book_commands(CLI::App& app, command_collector& into) {
    add_export(app, into);
    auto* command = app.add_subcommand("reconcile", "Compare your own list of payments with what is known here");
    command->add_option("FILE", into.reconcile.file, "CSV or NDJSON to read, - for standard input")
        ->required()
        ->type_name("");
    add_fixed_time(command, "--since", into.reconcile.since, "Your list begins here: RFC 3339 or a date, UTC");
    add_fixed_time(command, "--until", into.reconcile.until, "Your list ends before this time");
    auto* report =
        command->add_option("--report", into.reconcile.report, "Also write a page of HTML, to be printed and filed")
            ->type_name("FILE")
            ->check(CLI::Validator(
                [](std::string& name) {
                    return name.empty() || name == "-" ? "it needs the name of a file" : std::string();
                },
                "", "name"));
    command->add_flag("--force", into.reconcile.force, "Replace the report if it is there")->needs(report);
    command->footer("The list names merchant_transaction_id, and any of status, fiat_amount, fiat_currency, credited.\n"
                    "Exit status: 0 nothing differs, 1 something does or a line cannot be read.\n\n"
                    "Example:\n  prooftrackctl reconcile april.csv --since 2026-04-01 --until 2026-05-01 "
                    "--report april.html");
    command->callback([&into] {
        const auto& [since, until] = std::tie(into.reconcile.since, into.reconcile.until); // in one spelling
        if (!since.empty() && !until.empty() && since >= until)
            throw CLI::ValidationError("--until", "is not later than --since: nothing would be compared");
        into.chosen = into.reconcile;
    });
}

} // namespace prooftrack::ctl
