// What follows from the configuration, the files, the socket and the daemon's answers.

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include <fmt/format.h>

#include "prooftrackctl/doctor_facts.hpp"
#include "prooftrackctl/json_view.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

constexpr std::size_t most_lines = 5; ///< of the mistakes in a configuration
constexpr int refused_configuration = 78;
constexpr std::uint32_t others_may_read_or_write = 06;
constexpr std::uint32_t others_may_write = 02;
constexpr const char* as_the_daemon = "run doctor as root, or as the daemon's user: sudo -u prooftrackd …";

std::string words_of(int error) { return std::generic_category().message(error); }

void add_mistakes(const std::vector<std::string>& lines, std::vector<finding>& findings) {
    constexpr const char* advice = "correct it, then `systemctl reload prooftrackd`";
    for (std::size_t i = 0; i < std::min(lines.size(), most_lines); ++i)
        findings.push_back({"config", finding_level::problem, lines[i], advice});
    if (lines.size() <= most_lines) return;
    findings.push_back(
        {"config", finding_level::problem, fmt::format("and {} more mistakes", lines.size() - most_lines),
         "prooftrackd --check-config names all of them"});
}

/// The lines of a check that found no mistake: warnings, and that the file is valid.
void add_warnings(const config_file_facts& config, std::vector<finding>& findings) {
    for (const std::string& line : config.check.lines) {
        constexpr std::string_view open_to_others = "warning: others can read it";
        if (line.find("warning") == std::string::npos || line.find(open_to_others) != std::string::npos) continue;
        const bool is_hidden = line.find("cannot be checked from here") != std::string::npos;
        findings.push_back(
            {"config", finding_level::warning, line,
             is_hidden ? as_the_daemon : "prooftrackd.toml(5) describes each key"});
    }
}

void add_check(const config_file_facts& config, std::vector<finding>& findings) {
    using outcome = config_check_facts::outcome;
    const std::size_t before = findings.size();
    switch (config.check.how) {
    case outcome::ended:
        if (config.check.exit_status == refused_configuration) {
            add_mistakes(config.check.lines, findings);
        } else if (config.check.exit_status != 0) {
            findings.push_back(
                {"config", finding_level::problem,
                 fmt::format("prooftrackd --check-config ended with {}", config.check.exit_status),
                 "run it by hand: it says why"});
        } else {
            add_warnings(config, findings);
        }
        break;
    case outcome::timed_out:
        findings.push_back(
            {"config", finding_level::warning, "prooftrackd --check-config did not end in time",
             "run it by hand: a file on a slow or missing network drive, or a group that nobody looks up"});
        break;
    case outcome::not_run:
    case outcome::no_program:
        add_mistakes(config.mistakes, findings);
        if (findings.size() == before) {
            findings.push_back(
                {"config", finding_level::warning,
                 config.path + ": no mistake; the files that it names were not read, because prooftrackd is not here",
                 "install it beside prooftrackctl, or run `prooftrackd --check-config` where it is"});
        }
        break;
    }
    if (findings.size() == before) findings.push_back({"config", finding_level::ok, config.path + " is valid", ""});
}

void add_unread_config(const doctor_facts& facts, std::vector<finding>& findings) {
    const config_file_facts& config = facts.config;
    if (config.error == EACCES || config.error == EPERM) {
        findings.push_back(
            {"config", finding_level::warning, config.path + " may not be read by this user", as_the_daemon});
        return;
    }
    const bool is_missing = config.error == ENOENT || config.error == ENOTDIR;
    // The daemon runs, so it has one: in a container, or it was moved.
    const bool is_elsewhere = is_missing && !config.was_named && facts.status.is_good();
    findings.push_back(
        {"config", is_elsewhere ? finding_level::warning : finding_level::problem,
         fmt::format("{}: {}", config.path, words_of(config.error)),
         is_elsewhere ? "name it with --config, or run doctor where the daemon runs"
         : is_missing ? "write one (prooftrackd.toml(5)), or name it with --config"
                      : "see that it is a file that can be read"});
}

void diagnose_config(const doctor_facts& facts, std::vector<finding>& findings) {
    if (facts.config.is_read()) {
        add_check(facts.config, findings);
    } else {
        add_unread_config(facts, findings);
    }
    const json_view standing = json_view::parse(facts.status.body)["config"];
    if (standing["state"].text() != "refused") return;
    findings.push_back(
        {"config", finding_level::problem,
         "the daemon refused the last reload and goes on with the configuration before: " + standing["detail"].text(),
         "correct it, then `systemctl reload prooftrackd`"});
}

void diagnose_files(const doctor_facts& facts, std::vector<finding>& findings) {
    for (const secret_file_facts& file : facts.files) {
        const std::string check = "file";
        if (file.error == EACCES || file.error == EPERM) {
            findings.push_back(
                {check, finding_level::warning,
                 fmt::format("{} ({}) cannot be looked at by this user", file.path, file.what), as_the_daemon});
        } else if (file.error != 0) {
            findings.push_back(
                {check, finding_level::problem, fmt::format("{} ({}): {}", file.path, file.what, words_of(file.error)),
                 "put it there, or correct its path in the configuration"});
        } else if ((file.mode & others_may_read_or_write) != 0) {
            findings.push_back(
                {check, finding_level::problem,
                 fmt::format(
                     "{} ({}) has mode {:04o}: others can {} it", file.path, file.what, file.mode,
                     (file.mode & 04U) != 0 ? "read" : "write"),
                 fmt::format("chmod o= {}; who could read it may know it: renew it", file.path)});
        } else {
            findings.push_back(
                {check, finding_level::ok, fmt::format("{} ({}) has mode {:04o}", file.path, file.what, file.mode),
                 ""});
        }
    }
    if (facts.config.is_read() && facts.config.mistakes.empty() && facts.files.empty())
        findings.push_back({"file", finding_level::ok, "no secret is in a file: they are systemd credentials", ""});
}

void diagnose_socket(const doctor_facts& facts, std::vector<finding>& findings) {
    const socket_facts& socket = facts.socket;
    const auto add = [&](finding_level level, std::string what, std::string advice) {
        findings.push_back({"socket", level, std::move(what), std::move(advice)});
    };
    constexpr const char* start_it = "`systemctl start prooftrackd`, and its log if it does not stay; or name the "
                                     "socket with --socket";
    const int error = socket.look_error != 0 ? socket.look_error : socket.connect_error;
    if (error == EACCES || error == EPERM) {
        add(finding_level::problem, fmt::format("{} may not be used by this user", socket.path),
            "`ls -l` names its group: `usermod -aG GROUP USER` and a new login add you");
    } else if (socket.look_error != 0) {
        add(finding_level::problem, fmt::format("{}: {}", socket.path, words_of(socket.look_error)), start_it);
    } else if (!socket.is_socket) {
        add(finding_level::problem, socket.path + " is no socket", "name the daemon's with --socket");
    } else if (socket.connect_error != 0) {
        add(finding_level::problem,
            fmt::format("nobody answers on {}: {}", socket.path, words_of(socket.connect_error)), start_it);
    } else if (
        (socket.mode & others_may_write) != 0 &&
        (!facts.config.is_read() || facts.config.value.api.admin_group.empty())) {
        add(finding_level::warning,
            fmt::format("{} has mode {:04o}: every local user may change things", socket.path, socket.mode),
            "api.mode = \"0660\" (or SocketMode= of its unit), or set api.admin_group");
    } else {
        add(finding_level::ok, fmt::format("{} answers, mode {:04o}", socket.path, socket.mode), "");
    }
}

std::string refusal_of(const call_facts& call) {
    if (call.status == 0) return call.error;
    const std::string detail = json_view::parse(call.body)["detail"].text();
    return fmt::format("answered {}{}", call.status, detail.empty() ? "" : ": " + detail);
}

void diagnose_daemon(const doctor_facts& facts, std::vector<finding>& findings) {
    if (!facts.socket.answers()) return;
    const auto add = [&](finding_level level, std::string what, std::string advice) {
        findings.push_back({"daemon", level, std::move(what), std::move(advice)});
    };
    const json_view status = json_view::parse(facts.status.body);
    const std::string version = status["version"].text();
    if (!facts.status.is_good() || version.empty()) {
        add(finding_level::problem,
            facts.status.is_good() ? "what answers there is not prooftrackd"
                                   : "GET /v1/status " + refusal_of(facts.status),
            "look at `systemctl status prooftrackd` and its log");
        return;
    }
    const std::size_t before = findings.size();
    for (const json_view& reason : json_view::parse(facts.ready.body)["reasons"].elements()) {
        add(finding_level::problem, "not ready: " + reason.text(),
            "if it stays so: `systemctl status prooftrackd` and its log");
    }
    if (!facts.ready.is_good() && findings.size() == before)
        add(finding_level::problem, "GET /readyz " + refusal_of(facts.ready), "look at the daemon's log");
    if (version != facts.version) {
        add(finding_level::warning, fmt::format("version {} runs, and prooftrackctl is {}", version, facts.version),
            "`systemctl restart prooftrackd` after an upgrade; it loses nothing");
    }
    if (findings.size() > before) return;
    const auto up = std::chrono::seconds(status["uptime_seconds"].unsigned_integer().value_or(0));
    add(finding_level::ok, fmt::format("prooftrackd {} is ready, up {}", version, short_duration(up)), "");
}

} // namespace

std::string_view to_string(finding_level level) {
    static constexpr std::array<std::string_view, 3> names{"ok", "warning", "problem"};
    return names.at(static_cast<std::size_t>(level));
}

std::vector<finding> diagnose(const doctor_facts& facts) {
    std::vector<finding> findings;
    diagnose_config(facts, findings);
    diagnose_files(facts, findings);
    diagnose_socket(facts, findings);
    diagnose_daemon(facts, findings);
    if (!facts.status.is_good() || json_view::parse(facts.status.body)["version"].is_missing()) return findings;
    diagnose_proof(facts, findings);
    diagnose_status(facts, findings);
    return findings;
}

} // namespace prooftrack::ctl
