#pragma once

// What `doctor` has found out, as values; and what follows from it. Gathering is in doctor_gather.hpp.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"

namespace prooftrack::ctl {

/// How bad it is. Only when everything is `ok` all is well.
enum class finding_level : std::uint8_t {
    ok,
    warning, ///< it works, or cannot be checked from here
    problem, ///< something does not work
};
std::string_view to_string(finding_level level);

/// One line of `doctor`. `what` and `advice` may hold words from outside: make them printable before a terminal.
struct finding {
    std::string check; ///< `config`, `socket`, `callback backend`, …
    finding_level level = finding_level::ok;
    std::string what;
    std::string advice; ///< what to do, "" = nothing
    bool operator==(const finding&) const = default;
};

/// A call of the daemon and what came of it.
struct call_facts {
    bool was_made = false;
    int status = 0; ///< 0 = no answer
    std::string body;
    std::string error; ///< why there was none
    bool is_good() const { return status >= 200 && status < 300; }
};

/// `prooftrackd --check-config` as a child.
struct config_check_facts {
    enum class outcome : std::uint8_t { not_run, no_program, timed_out, ended };
    outcome how = outcome::not_run;
    int exit_status = 0;            ///< with `ended`; 128 + the signal that killed it
    std::vector<std::string> lines; ///< what it wrote
};

struct config_file_facts {
    std::string path;
    bool was_named = false;            ///< by --config
    int error = 0;                     ///< errno of reading it, 0 = it was read
    std::vector<std::string> mistakes; ///< of our own reading, a line each
    config::configuration value;       ///< what could be read of it
    config_check_facts check;
    bool is_read() const { return error == 0; }
};

struct socket_facts {
    std::string path;
    int look_error = 0; ///< errno of stat
    bool is_socket = false;
    std::uint32_t mode = 0;
    int connect_error = 0;
    bool answers() const { return look_error == 0 && is_socket && connect_error == 0; }
};

/// A file with a secret in it. Only looked at, never read.
struct secret_file_facts {
    std::string what; ///< `token`, `secret of backend`, …
    std::string path;
    int error = 0; ///< errno of stat
    std::uint32_t mode = 0;
};

struct doctor_facts {
    std::string version; ///< of this program
    config_file_facts config;
    socket_facts socket;
    std::vector<secret_file_facts> files;
    call_facts status;                       ///< GET /v1/status
    call_facts ready;                        ///< GET /readyz
    call_facts metrics;                      ///< GET /metrics
    call_facts proof;                        ///< a call to Proof that changes nothing
    std::map<std::string, call_facts> tests; ///< with --test: of each callback
    std::uint64_t capacity_bytes = 0;        ///< of the database's file system, 0 = not known
};

/// In the order in which one would look. Pure.
std::vector<finding> diagnose(const doctor_facts& facts);

/// The checks of Proof: `proof`, `token`, `certificate`.
void diagnose_proof(const doctor_facts& facts, std::vector<finding>& findings);
/// The checks of what the daemon tells of itself: `clock`, `disk`, `cluster`, `polls`, each callback, `listener`,
/// `maintenance`.
void diagnose_status(const doctor_facts& facts, std::vector<finding>& findings);

} // namespace prooftrack::ctl
