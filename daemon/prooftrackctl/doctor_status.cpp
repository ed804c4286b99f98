// What follows from what the daemon tells of itself: clock, disk, polls, callbacks, maintenance.

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

#include "prooftrackctl/cluster_view.hpp"
#include "prooftrackctl/doctor_facts.hpp"
#include "prooftrackctl/json_view.hpp"
#include "prooftrackctl/text.hpp"
#include "track/space_watch.hpp"

namespace prooftrack::ctl {

namespace {

constexpr double most_skew_seconds = 30; ///< as `daemon.clock_skew`
constexpr double late_seconds = 60;
constexpr std::uint64_t old_seconds = 600; ///< an event that has waited so long for its callback
constexpr const char* mend_clock = "set the clock by NTP: `timedatectl set-ntp true`";

/// A gauge without labels in the Prometheus text.
std::optional<double> gauge(std::string_view text, std::string_view name) {
    const std::string line = fmt::format("\n{} ", name);
    const auto at = text.find(line);
    if (at == std::string_view::npos) return std::nullopt;
    const std::string number(text.substr(at + line.size(), 32));
    char* end = nullptr;
    const double value = std::strtod(number.c_str(), &end);
    return end == number.c_str() || !std::isfinite(value) ? std::nullopt : std::optional(value);
}

void diagnose_clock(const doctor_facts& facts, std::vector<finding>& findings) {
    const auto skew = gauge(facts.metrics.body, "prooftrackd_clock_skew_seconds");
    if (!skew) {
        findings.push_back(
            {"clock", finding_level::warning, "the metrics do not say how the clock stands",
             "look at `date` and at GET /metrics"});
    } else if (std::abs(*skew) > most_skew_seconds) {
        findings.push_back(
            {"clock", finding_level::problem,
             fmt::format(
                 "this machine's clock is {:.0f} s {} Proof's: signatures may be refused", std::abs(*skew),
                 *skew > 0 ? "behind" : "ahead of"),
             mend_clock});
    } else {
        findings.push_back(
            {"clock", finding_level::ok, fmt::format("{:.0f} s from Proof's, as far as is known", std::abs(*skew)),
             ""});
    }
}

void diagnose_disk(const doctor_facts& facts, const json_view& store, std::vector<finding>& findings) {
    if (facts.config.is_read() && !facts.config.value.store.url.empty()) {
        const std::uint64_t size = store["bytes"].unsigned_integer().value_or(0);
        const std::string said = fmt::format("{} in PostgreSQL; watch its disk where it runs", byte_size(size));
        findings.push_back({"disk", finding_level::ok, said, ""});
        return;
    }
    const std::uint64_t free = store["free_bytes"].unsigned_integer().value_or(0);
    const std::uint64_t capacity = facts.capacity_bytes == 0 ? UINT64_MAX : facts.capacity_bytes;
    const std::string path = facts.config.is_read() ? facts.config.value.store.path.string() : "the database";
    if (store["state"].text() == "full") {
        findings.push_back(
            {"disk", finding_level::problem,
             fmt::format("the disk of {} is full: new ids are refused, nothing is lost", path),
             "make room on it; the daemon goes on by itself"});
    } else if (free < track::space_watch::limit(capacity)) {
        findings.push_back(
            {"disk", finding_level::warning, fmt::format("only {} free for {}", byte_size(free), path),
             "make room before it is full: then new ids are refused"});
    } else {
        findings.push_back({"disk", finding_level::ok, fmt::format("{} free for {}", byte_size(free), path), ""});
    }
}

void diagnose_polls(const json_view& polls, std::vector<finding>& findings) {
    const double oldest = polls["oldest_due_seconds"].number().value_or(0);
    if (oldest > late_seconds) {
        findings.push_back(
            {"polls", finding_level::warning, fmt::format("the oldest is {:.0f} s late", oldest),
             "the log line poll.behind says what limits them (poll.max_rate, proof.connections, the disk)"});
    } else {
        findings.push_back(
            {"polls", finding_level::ok,
             fmt::format("in time, {:.1f} a second", polls["per_second"].number().value_or(0)), ""});
    }
}

/// What a test by hand gave; true when it was taken, or not made.
bool add_test(const doctor_facts& facts, const std::string& name, std::vector<finding>& findings) {
    const auto found = facts.tests.find(name);
    if (found == facts.tests.end()) return true;
    const call_facts& test = found->second;
    const json_view reply = json_view::parse(test.body);
    const std::string error = reply["error"].text();
    if (test.is_good() && error.empty()) return true;
    const std::string said = test.status == 0 ? test.error : test.is_good() ? error : reply["detail"].text();
    const bool is_refused = reply["code"].text() == "not_allowed";
    findings.push_back(
        {"callback " + name, is_refused ? finding_level::warning : finding_level::problem,
         fmt::format("{}: {}", is_refused ? "may not be tested by this user" : "did not take a test event", said),
         is_refused
             ? "run doctor as an administrator of the daemon (root)"
             : fmt::format("check its address, certificate and secret; then `prooftrackctl callback test {}`", name)});
    return false;
}

bool add_state(const json_view& callback, const std::string& name, std::vector<finding>& findings) {
    const std::string state = callback["state"].text();
    const std::string check = "callback " + name;
    const std::string waiting = grouped(callback["backlog"].unsigned_integer().value_or(0));
    if (state == "failing") {
        const std::string error = callback["last_error"].text();
        findings.push_back(
            {check, finding_level::problem,
             fmt::format("fails: {}; {} deliveries wait", error.empty() ? "not tried since the start" : error, waiting),
             "mend the receiver: it is tried every 30 s, and all goes out in order afterwards"});
        return false;
    }
    if (state == "paused") {
        findings.push_back(
            {check, finding_level::warning, fmt::format("is paused; {} deliveries wait", waiting),
             fmt::format("`prooftrackctl resume {}` when its receiver is ready", name)});
        return false;
    }
    if (state == "unconfigured") {
        findings.push_back(
            {check, finding_level::warning,
             fmt::format("is owed {} deliveries and is in the configuration no more", waiting),
             "configure it again under this name, or let the retention take them"});
        return false;
    }
    return true;
}

void diagnose_callback(const doctor_facts& facts, const json_view& callback, std::vector<finding>& findings) {
    const std::string name = callback["name"].text();
    const std::string check = "callback " + name;
    bool is_well = add_state(callback, name, findings);
    const std::uint64_t oldest = callback["oldest_undelivered_seconds"].unsigned_integer().value_or(0);
    const bool is_held = !json_view::parse(facts.status.body)["maintenance"]["on"].is_missing();
    if (is_well && oldest > old_seconds && !is_held) {
        is_well = false;
        findings.push_back(
            {check, finding_level::warning,
             fmt::format(
                 "the oldest of {} deliveries has waited for {}",
                 grouped(callback["backlog"].unsigned_integer().value_or(0)),
                 short_duration(std::chrono::seconds(oldest))),
             fmt::format("`prooftrackctl deliveries --state pending --callback {}` says why", name)});
    }
    if (const std::uint64_t dead = callback["dead"].unsigned_integer().value_or(0); dead > 0) {
        is_well = false;
        findings.push_back(
            {check, finding_level::problem, fmt::format("{} deliveries are dead: given up", grouped(dead)),
             fmt::format(
                 "`prooftrackctl deliveries --state dead --callback {0}` shows them, `redeliver --dead "
                 "--callback {0}` sends them again",
                 name)});
    }
    is_well = add_test(facts, name, findings) && is_well;
    if (!is_well) return;
    const bool was_tested = facts.tests.contains(name);
    findings.push_back({check, finding_level::ok, was_tested ? "took a test event" : "nothing waits too long", ""});
}

void diagnose_listener(const doctor_facts& facts, const json_view& status, std::vector<finding>& findings) {
    const bool is_told = !status["callbacks"].elements().empty() || !status["consumers"].elements().empty() ||
                         !facts.config.value.callback_url.allow_hosts.empty();
    if (is_told) return;
    findings.push_back(
        {"listener", finding_level::warning, "nobody is told of the end of a transaction",
         "add a [[callback]], or read the events as a named consumer: `prooftrackctl consumers add NAME`"});
}

void diagnose_maintenance(const json_view& mark, std::vector<finding>& findings) {
    if (!mark["on"].boolean().value_or(false)) return;
    const std::string note = mark["note"].text();
    findings.push_back(
        {"maintenance", finding_level::warning,
         fmt::format(
             "on since {}: nothing is polled, nothing delivered{}", mark["since"].text(),
             note.empty() ? "" : " (" + note + ")"),
         "`prooftrackctl maintenance off` when it is over"});
}

} // namespace

void diagnose_status(const doctor_facts& facts, std::vector<finding>& findings) {
    const json_view status = json_view::parse(facts.status.body);
    diagnose_clock(facts, findings);
    diagnose_disk(facts, status["store"], findings);
    diagnose_cluster(status["cluster"], findings);
    diagnose_polls(status["polls"], findings);
    for (const json_view& callback : status["callbacks"].elements()) diagnose_callback(facts, callback, findings);
    diagnose_listener(facts, status, findings);
    diagnose_maintenance(status["maintenance"], findings);
}

} // namespace prooftrack::ctl
