// What follows about Proof: from a call that was made now, and from what the polls met.

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

#include "prooftrackctl/doctor_facts.hpp"
#include "prooftrackctl/json_view.hpp"

namespace prooftrack::ctl {

namespace {

constexpr const char* renew_token = "put the client_token that Proof issued last into proof.token_file; it is noticed "
                                    "by itself (a systemd credential takes a restart)";
constexpr const char* allow_address = "ask Proof to allow this server's address, and see that the token is of this "
                                      "environment";
constexpr const char* look_at_network = "check proof.base_url, DNS, the firewall and proof.proxy; if Proof itself is "
                                        "down, wait";

/// What Proof made of a call.
enum class proof_answer : std::uint8_t {
    unknown, ///< it was not asked, or the daemon did not pass it on
    taken,
    unreachable,
    unusable, ///< something answers that is not Proof's API
    token_refused,
    address_refused,
    throttled,
    failing, ///< 5xx
};

struct proof_verdict {
    proof_answer answer = proof_answer::unknown;
    std::string detail;
};

proof_verdict judge_call(const call_facts& call) {
    if (!call.was_made || call.status == 0) return {};
    if (call.is_good()) return {proof_answer::taken, ""};
    const json_view problem = json_view::parse(call.body);
    const std::string code = problem["code"].text();
    std::string detail = problem["detail"].text();
    if (code == "proof_unreachable" || code == "proof_timeout") return {proof_answer::unreachable, std::move(detail)};
    if (code == "proof_unusable_reply") return {proof_answer::unusable, std::move(detail)};
    constexpr std::array<std::string_view, 6> ours{"not_allowed", "unavailable",          "timeout",
                                                   "too_large",   "too_many_connections", "store_unavailable"};
    if (std::find(ours.begin(), ours.end(), code) != ours.end()) return {};
    if (call.status == 401) return {proof_answer::token_refused, std::move(detail)};
    if (call.status == 403) return {proof_answer::address_refused, std::move(detail)};
    if (call.status == 429) return {proof_answer::throttled, std::move(detail)};
    if (call.status >= 500) return {proof_answer::failing, std::move(detail)};
    return {proof_answer::taken, ""}; // an error about the user that was asked about: Proof takes the token
}

/// What the polls say, where the call says nothing.
proof_verdict judge_health(const json_view& proof) {
    const std::string health = proof["health"].text();
    std::string detail = proof["detail"].text();
    if (health == "unauthorized") return {proof_answer::token_refused, std::move(detail)};
    if (health == "forbidden") return {proof_answer::address_refused, std::move(detail)};
    if (health == "throttled") return {proof_answer::throttled, std::move(detail)};
    if (health == "unreachable") return {proof_answer::unreachable, std::move(detail)};
    if (detail.empty()) return {proof_answer::taken, ""};
    return {proof_answer::unknown, std::move(detail)};
}

bool names_certificate(std::string text) {
    std::transform(
        text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text.find("certificate") != std::string::npos || text.find("tls") != std::string::npos;
}

finding finding_of(const proof_verdict& verdict, const std::string& where) {
    const auto line = [&](finding_level level, const char* what, const char* advice) {
        std::string said = where + ' ' + what;
        if (!verdict.detail.empty()) said += ": " + verdict.detail;
        return finding{"proof", level, std::move(said), advice};
    };
    switch (verdict.answer) {
    case proof_answer::unknown:
        return line(
            finding_level::warning, "has not answered yet",
            "run doctor as an administrator of the daemon (root): then it makes a call to Proof");
    case proof_answer::taken:
    case proof_answer::token_refused:
        return {"proof", finding_level::ok, where + " answers", ""};
    case proof_answer::unreachable:
        return line(finding_level::problem, "cannot be reached", look_at_network);
    case proof_answer::unusable:
        return line(
            finding_level::problem, "answers with something that is not Proof's API",
            "check proof.base_url: a proxy's or a firewall's page, or another server");
    case proof_answer::address_refused:
        return line(finding_level::problem, "refuses this server", allow_address);
    case proof_answer::throttled:
        return line(
            finding_level::warning, "asks for fewer requests",
            "wait: polls slow down and speed up by "
            "themselves");
    case proof_answer::failing:
        return line(finding_level::problem, "fails", "wait: nothing is lost; its support knows more");
    }
    return {};
}

void add_certificate(
    const proof_verdict& verdict, const doctor_facts& facts, bool is_reached, std::vector<finding>& findings) {
    const std::string& url = facts.config.value.proof.base_url;
    if (names_certificate(verdict.detail) && !is_reached) {
        findings.push_back(
            {"certificate", finding_level::problem, verdict.detail,
             "proof.ca_file has to hold the CA of Proof's certificate (or be unset), proof.base_url the host of the "
             "certificate; and set this machine's clock"});
    } else if (url.starts_with("http://")) {
        findings.push_back({"certificate", finding_level::ok, "none: " + url + " is this machine", ""});
    } else if (is_reached) {
        findings.push_back({"certificate", finding_level::ok, "Proof's certificate is accepted", ""});
    } else {
        findings.push_back({"certificate", finding_level::warning, "not known while Proof does not answer", ""});
    }
}

} // namespace

void diagnose_proof(const doctor_facts& facts, std::vector<finding>& findings) {
    const json_view proof = json_view::parse(facts.status.body)["proof"];
    const std::string& url = facts.config.value.proof.base_url;
    const std::string where = url.empty() ? "Proof" : url;
    const proof_verdict health = judge_health(proof);
    const proof_verdict asked = judge_call(facts.proof);
    const proof_verdict& verdict = asked.answer == proof_answer::unknown ? health : asked;
    findings.push_back(finding_of(verdict, where));
    const bool is_reached = verdict.answer != proof_answer::unknown && verdict.answer != proof_answer::unreachable;
    if (asked.answer == proof_answer::taken && health.answer != proof_answer::taken &&
        health.answer != proof_answer::unknown) {
        findings.push_back(
            {"proof", finding_level::problem,
             fmt::format(
                 "it answers now, and the polls still count it as {}: {}", proof["health"].text(),
                 proof["detail"].text()),
             health.answer == proof_answer::unreachable
                 ? "if it stays so, see whose account and environment the ids are of (404), else wait for the next poll"
                 : "wait for the next poll, at most proof's probe_interval"});
    }
    add_certificate(verdict, facts, is_reached, findings);
    if (verdict.answer == proof_answer::token_refused) {
        findings.push_back(
            {"token", finding_level::problem,
             "Proof does not take the token" + (verdict.detail.empty() ? "" : ": " + verdict.detail), renew_token});
    } else if (verdict.answer == proof_answer::taken || verdict.answer == proof_answer::throttled) {
        findings.push_back({"token", finding_level::ok, "Proof takes the token", ""});
    } else {
        findings.push_back({"token", finding_level::warning, "not known while Proof does not answer", ""});
    }
}

} // namespace prooftrack::ctl
