#include "prooftrackd/options.hpp"

#include <sstream>

#include <CLI/CLI.hpp>
#include <sysexits.h>

namespace prooftrack::daemon {
namespace {

/// All but one command need a configuration: that it is missing is said before anything about words that are too many.
void parse(CLI::App& app, const daemon_options& options, int argc, const char* const* argv) {
    const auto require_config = [&options] {
        if (options.config.empty() && options.unmarked_store.empty()) throw CLI::RequiredError("--config");
    };
    try {
        app.parse(argc, argv);
    } catch (const CLI::ExtrasError&) {
        require_config();
        throw;
    }
    require_config();
}

} // namespace

std::variant<daemon_options, early_exit> parse_options(int argc, const char* const* argv) {
    daemon_options options;
    CLI::App app{
        "prooftrackd tracks Proof transactions to their end and notifies the merchant.\n"
        "It runs in the foreground and logs to stderr (or to the journal under systemd).\n",
        "prooftrackd"};
    app.set_version_flag("--version", "prooftrackd " PROOFTRACKD_VERSION);
    auto* const config = app.add_option("--config", options.config, "the configuration (TOML)")->type_name("FILE");
    auto* const check = app.add_flag(
        "--check-config", options.checks_config_only, "say what is wrong with the configuration, and exit");
    auto* const copy = app.add_option(
        "--copy-store", options.copied_store,
        "copy this database of SQLite into the empty one of PostgreSQL that the configuration names, mark it as moved, "
        "and exit");
    auto* const unmark = app.add_option("--unmark-moved", options.unmarked_store, "take that mark away, and exit");
    auto* const rename = app.add_flag(
        "--new-log-id", options.makes_log_id,
        "give the log in PostgreSQL another log_id, after a restore and before the start, and exit");
    const auto is_named = [](const std::string& file) { return std::string(file.empty() ? "name a file" : ""); };
    copy->type_name("OLD.db")->check(is_named)->excludes(check);
    unmark->type_name("OLD.db")->check(is_named)->excludes(check)->excludes(copy)->excludes(config);
    rename->excludes(check)->excludes(copy)->excludes(unmark);
    app.footer("Exit status: 0 asked to stop, 64 wrong arguments, 65 database damaged, newer or moved to PostgreSQL,\n"
               "74 database cannot be written safely, 75 cannot start now but may later, 78 configuration refused;\n"
               "1 --copy-store: the target is in use, or the file was copied before.\n"
               "Signals: SIGTERM stops, SIGHUP reloads configuration, token and secrets.");
    try {
        parse(app, options, argc, argv);
    } catch (const CLI::ParseError& wrong) {
        std::ostringstream out;
        const int status = app.exit(wrong, out, out);
        return early_exit{status == 0 ? 0 : EX_USAGE, out.str()};
    }
    return options;
}

} // namespace prooftrack::daemon
