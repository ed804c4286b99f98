#pragma once

// The daemon's arguments, as data.

#include <filesystem>
#include <string>
#include <variant>

namespace prooftrack::daemon {

struct daemon_options {
    std::filesystem::path config;
    bool checks_config_only = false;
    // At most one of these: a command on a database, in place of running.
    std::filesystem::path copied_store;   ///< --copy-store
    std::filesystem::path unmarked_store; ///< --unmark-moved; needs no configuration
    bool makes_log_id = false;

    bool is_store_command() const { return !copied_store.empty() || !unmarked_store.empty() || makes_log_id; }
};

/// What to print and exit with instead of running: help, version, or what is wrong.
struct early_exit {
    int status = 0;
    std::string text;
};

/// Wrong arguments exit with 64 (EX_USAGE).
std::variant<daemon_options, early_exit> parse_options(int argc, const char* const* argv);

} // namespace prooftrack::daemon
