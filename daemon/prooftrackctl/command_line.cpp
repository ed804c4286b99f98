#include "prooftrackctl/command_line.hpp"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include "prooftrackctl/command_options.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

std::size_t edit_distance(std::string_view left, std::string_view right) {
    std::vector<std::size_t> row(right.size() + 1);
    for (std::size_t i = 0; i <= right.size(); ++i) row[i] = i;
    for (std::size_t i = 0; i < left.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < right.size(); ++j) {
            const std::size_t replaced = diagonal + (left[i] == right[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

/// The command that `word` was probably meant to be; "" when none is near.
std::string nearest_command(const CLI::App& app, std::string_view word) {
    std::string best;
    std::size_t least = std::max<std::size_t>(2, word.size() / 3) + 1;
    for (const CLI::App* one : app.get_subcommands(nullptr)) {
        const std::size_t distance = edit_distance(one->get_name(), word);
        if (distance < least) {
            least = distance;
            best = one->get_name();
        }
    }
    return best;
}

/// The innermost command that was recognised, as one would type it.
std::string command_path(const CLI::App& app) {
    std::string path = "prooftrackctl";
    const CLI::App* at = &app;
    while (!at->get_subcommands().empty()) {
        at = at->get_subcommands().front();
        path += " " + at->get_name();
    }
    return path;
}

const CLI::App& innermost(const CLI::App& app) {
    const CLI::App* at = &app;
    while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
    return *at;
}

parse_end wrong_arguments(const CLI::App& app, const CLI::ParseError& error) {
    const std::string path = command_path(app);
    const auto rest = app.remaining(true);
    const CLI::App& place = innermost(app);
    const bool wants_command = !place.get_subcommands(nullptr).empty();
    std::string what = error.what();
    if (wants_command && !rest.empty() && !rest.front().starts_with("-")) {
        what = fmt::format("unknown command '{}'", rest.front());
        if (const std::string near = nearest_command(place, rest.front()); !near.empty())
            what += fmt::format(": did you mean '{}'?", near);
    } else if (wants_command && rest.empty() && error.get_name() == "RequiredError") {
        return {exit_status::usage, place.help()};
    } else if (!rest.empty()) {
        what = fmt::format("unexpected argument '{}'", rest.front());
    }
    return {exit_status::usage, fmt::format("{}: {}\nTry `{} --help`.\n", path, printable(what), path)};
}

/// `help COMMAND` is `COMMAND --help`.
void take_help(const CLI::App& app, std::vector<std::string>& arguments) {
    const bool asks_for_help_itself = arguments.size() > 1 && arguments[1].starts_with("-");
    if (arguments.empty() || arguments.front() != "help" || asks_for_help_itself) return;
    arguments.erase(arguments.begin());
    const CLI::App* place = &app;
    for (const std::string& word : arguments) {
        const auto known = place->get_subcommands([&word](const CLI::App* one) { return one->get_name() == word; });
        place = known.empty() ? nullptr : known.front();
        if (place == nullptr) break;
    }
    if (place != nullptr) arguments.emplace_back("--help"); // an unknown command is said to be one
}

} // namespace

std::variant<invocation, parse_end> parse_command_line(
    std::vector<std::string> arguments, const std::string& default_socket) {
    CLI::App app("Talks to prooftrackd, which tracks Proof transactions to their end.", "prooftrackctl");
    invocation result;
    if (!default_socket.empty()) result.options.socket = default_socket;
    command_collector collector;
    app.fallthrough();
    app.get_formatter()->column_width(32);
    app.set_help_flag("-h,--help", "Show this help and exit");
    app.set_version_flag("--version", "prooftrackctl " PROOFTRACKD_VERSION, "Show the version and exit");
    app.add_option(
           "--socket", result.options.socket,
           "The daemon's socket (environment: PROOFTRACKD_SOCKET; default " + global_options{}.socket + ")")
        ->type_name("PATH");
    app.add_flag("--json", result.options.json, "JSON for programs, a line an item");
    app.require_subcommand(1);
    app.footer("Exit status: 0 done (wait: completed), 1 refused, 2 failed, 3 cancelled, 4 rejected, abandoned or\n"
               "untracked, 5 not ended at the timeout, 64 wrong arguments, 69 the daemon cannot be reached.\n\n"
               "Example:\n  prooftrackctl track 550e8400-e29b-41d4-a716-446655440000 --metadata order=A-17 --wait");
    add_transaction_commands(app, collector);
    add_proof_commands(app, collector);
    add_event_commands(app, collector);
    add_control_commands(app, collector);
    add_bridge_command(app, collector);
    add_replay_commands(app, collector);
    add_book_commands(app, collector);
    add_daemon_commands(app, collector);
    app.add_subcommand("help", "Show the help of a command");
    take_help(app, arguments);
    std::reverse(arguments.begin(), arguments.end()); // CLI11 takes them from the back
    try {
        app.parse(arguments);
    } catch (const CLI::Success& asked) { // help and version
        std::ostringstream out;
        std::ostringstream none;
        app.exit(asked, out, none);
        return parse_end{exit_status::done, out.str()};
    } catch (const CLI::ParseError& error) {
        return wrong_arguments(app, error);
    }
    if (!collector.chosen) return parse_end{exit_status::usage, app.help()};
    result.what = std::move(*collector.chosen);
    return result;
}

} // namespace prooftrack::ctl
