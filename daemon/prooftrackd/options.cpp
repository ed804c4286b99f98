#include "prooftrackd/options.hpp"

#include <sstream>

#include <CLI/CLI.hpp>
#include <sysexits.h>

namespace prooftrack::daemon {

std::variant<daemon_options, early_exit> parse_options(int argc, const char* const* argv) {
    daemon_options options;
    CLI::App app{
        "prooftrackd tracks Proof transactions to their end and notifies the merchant.\n"
        "It runs in the foreground and logs to stderr (or to the journal under systemd).\n",
        "prooftrackd"};
    app.set_version_flag("--version", "prooftrackd " PROOFTRACKD_VERSION);
    app.add_option("--config", options.config, "the configuration (TOML)")->required()->type_name("FILE");
    app.add_flag("--check-config", options.checks_config_only, "say what is wrong with the configuration, and exit");
    app.footer("Exit status: 0 asked to stop, 64 wrong arguments, 65 database damaged or newer, 74 database cannot be "
               "written safely,\n"
               "75 cannot start now but may later, 78 configuration refused.\n"
               "Signals: SIGTERM stops, SIGHUP reloads configuration, token and secrets.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& wrong) {
        std::ostringstream out;
        const int status = app.exit(wrong, out, out);
        return early_exit{status == 0 ? 0 : EX_USAGE, out.str()};
    }
    return options;
}

} // namespace prooftrack::daemon
