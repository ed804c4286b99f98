// What doctor makes of what it found: each finding once, and what to do.

#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "prooftrackctl/doctor_facts.hpp"
#include "prooftrackctl/doctor_view.hpp"

namespace prooftrack::ctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using level = finding_level;

call_facts answered(int status, std::string body) { return {true, status, std::move(body), ""}; }
call_facts silent(std::string error) { return {true, 0, "", std::move(error)}; }
call_facts refused(int status, const std::string& code, const std::string& detail) {
    return answered(status, R"({"code":")" + code + R"(","detail":")" + detail + R"("})");
}

class Doctor : public testing::Test {
  protected:
    Doctor() {
        facts_.version = "1.2.3";
        facts_.config.path = "/etc/p.toml";
        facts_.config.value.proof.base_url = "https://proof.example";
        facts_.config.value.store.path = "/var/p.db";
        facts_.config.check = {config_check_facts::outcome::ended, 0, {"/etc/p.toml: the configuration is valid"}};
        facts_.files = {{"token", "/etc/token", 0, 0600}};
        facts_.socket = {"/run/p.sock", 0, true, 0660, 0};
        facts_.ready = answered(200, R"({"ok":true,"reasons":[],"proof":"ok"})");
        facts_.metrics = answered(200, "# x\nprooftrackd_clock_skew_seconds 0.4\nother 1\n");
        facts_.proof = answered(200, R"({"status":"not_started"})");
        show();
    }
    /// GET /v1/status as it would be.
    void show() {
        facts_.status = answered(
            200, R"({"version":")" + running_ + R"(","uptime_seconds":61,"proof":)" + proof_ + R"(,"polls":)" + polls_ +
                     R"(,"callbacks":[)" + callback_ + R"(],"consumers":[],"store":)" + store_ + R"(,"maintenance":)" +
                     maintenance_ + R"(,"config":)" + config_ + "}");
    }
    std::vector<finding> of(const std::string& check) {
        show();
        return stated(check);
    }
    /// Without making the status anew.
    std::vector<finding> stated(const std::string& check) const {
        std::vector<finding> found;
        for (finding& one : diagnose(facts_)) {
            if (one.check == check) found.push_back(std::move(one));
        }
        return found;
    }
    void expect(const std::string& check, level how, const std::string& what, const std::string& advice) {
        show();
        expect_stated(check, how, what, advice);
    }
    void expect_stated(const std::string& check, level how, const std::string& what, const std::string& advice) const {
        const auto found = stated(check);
        ASSERT_EQ(found.size(), 1U) << check;
        EXPECT_EQ(found[0].level, how) << found[0].what;
        EXPECT_THAT(found[0].what, HasSubstr(what));
        EXPECT_THAT(found[0].advice, HasSubstr(advice));
        EXPECT_EQ(is_all_well(found), how == level::ok);
    }
    void expect_ok(const std::string& check, const std::string& what) {
        expect(check, level::ok, what, "");
        EXPECT_EQ(of(check)[0].advice, "");
    }

    doctor_facts facts_;
    std::string running_ = "1.2.3";
    std::string proof_ = R"({"health":"ok","since":null,"detail":null})";
    std::string polls_ = R"({"per_second":1.5,"oldest_due_seconds":0.0})";
    std::string callback_ =
        R"({"name":"shop","state":"ok","backlog":0,"oldest_undelivered_seconds":0,"dead":0,"last_error":null})";
    std::string store_ = R"({"state":"ok","free_bytes":9000000000})";
    std::string maintenance_ = "null";
    std::string config_ = R"({"file":"/etc/p.toml","state":"ok","detail":null})";
};

TEST_F(Doctor, WhereAllIsWellEachLineIsOk) {
    const auto findings = diagnose(facts_);
    EXPECT_TRUE(is_all_well(findings));
    std::vector<std::string> checks;
    for (const finding& one : findings) checks.push_back(one.check);
    EXPECT_THAT(
        checks, ElementsAre(
                    "config", "file", "socket", "daemon", "proof", "certificate", "token", "clock", "disk", "polls",
                    "callback shop"));
    expect_ok("daemon", "prooftrackd 1.2.3 is ready, up 1m 1s");
    expect_ok("proof", "https://proof.example answers");
}

// ---- the configuration and the files

TEST_F(Doctor, AConfigurationWithMistakesNamesThem) {
    facts_.config.check = {config_check_facts::outcome::ended, 78, {"/etc/p.toml:1:2: pol: unknown", "b"}};
    const auto found = of("config");
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].level, level::problem);
    EXPECT_EQ(found[0].what, "/etc/p.toml:1:2: pol: unknown");
    facts_.config.check.lines.assign(7, "x");
    ASSERT_EQ(of("config").size(), 6U);
    EXPECT_EQ(of("config")[5].what, "and 2 more mistakes");
}

TEST_F(Doctor, AWarningOfTheCheckIsOne) {
    facts_.config.check.lines = {
        "/etc/p.toml: warning: callback shop selects no reversed",
        "/etc/token: warning: others can read it: chmod 0640",
        "/etc/p.toml: proof.token_file: no permission (warning: this cannot be checked from here)",
        "/etc/p.toml: the configuration is valid"};
    const auto found = of("config");
    ASSERT_EQ(found.size(), 2U) << "who can read a file is a line of its own";
    EXPECT_EQ(found[0].level, level::warning);
    EXPECT_THAT(found[1].advice, HasSubstr("as root"));
}

TEST_F(Doctor, ACheckThatDoesNotEndWellSaysSo) {
    facts_.config.check = {config_check_facts::outcome::timed_out, 0, {}};
    expect("config", level::warning, "did not end in time", "by hand");
    facts_.config.check = {config_check_facts::outcome::ended, 139, {}};
    expect("config", level::problem, "ended with 139", "by hand");
    facts_.config.check = {config_check_facts::outcome::no_program, 0, {}};
    expect("config", level::warning, "prooftrackd is not here", "install it");
    facts_.config.mistakes = {"/etc/p.toml:1: bad"};
    expect("config", level::problem, "/etc/p.toml:1: bad", "correct it");
}

TEST_F(Doctor, AConfigurationThatCannotBeReadIsSaid) {
    facts_.config.error = EACCES;
    expect("config", level::warning, "may not be read", "as root");
    facts_.config.error = ENOENT;
    expect("config", level::warning, "No such file", "--config");
    facts_.config.was_named = true;
    expect("config", level::problem, "No such file", "write one");
    facts_.config.was_named = false;
    facts_.status = silent("away");
    expect_stated("config", level::problem, "No such file", "write one");
    facts_.config.error = EISDIR;
    expect_stated("config", level::problem, "Is a directory", "can be read");
}

TEST_F(Doctor, ARefusedReloadIsSaidBesideTheFile) {
    config_ = R"({"file":"/etc/p.toml","state":"refused","detail":"p.toml:3: no"})";
    const auto found = of("config");
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[1].level, level::problem);
    EXPECT_THAT(found[1].what, HasSubstr("p.toml:3: no"));
}

TEST_F(Doctor, ASecretThatOthersCanReadIsAProblem) {
    facts_.files[0].mode = 0644;
    expect("file", level::problem, "/etc/token (token) has mode 0644: others can read it", "chmod o= /etc/token");
    facts_.files[0].mode = 0602;
    expect("file", level::problem, "others can write it", "chmod");
    facts_.files[0].mode = 0640;
    expect_ok("file", "mode 0640");
    facts_.files[0].error = ENOENT;
    expect("file", level::problem, "No such file", "path");
    facts_.files[0].error = EACCES;
    expect("file", level::warning, "cannot be looked at", "as root");
    facts_.files.clear();
    expect_ok("file", "systemd credentials");
}

// ---- the daemon

TEST_F(Doctor, WithoutADaemonItSaysWhatIsWrongAndNothingOfWhatItCannotKnow) {
    facts_.socket.look_error = ENOENT;
    facts_.socket.is_socket = false;
    facts_.status = {};
    expect_stated("socket", level::problem, "/run/p.sock: No such file", "systemctl start prooftrackd");
    std::vector<std::string> checks;
    for (const finding& one : diagnose(facts_)) checks.push_back(one.check);
    EXPECT_THAT(checks, ElementsAre("config", "file", "socket"));
}

TEST_F(Doctor, EachWayInWhichTheSocketFails) {
    facts_.socket.connect_error = ECONNREFUSED;
    expect("socket", level::problem, "nobody answers", "systemctl start");
    facts_.socket.connect_error = EACCES;
    expect("socket", level::problem, "may not be used", "usermod");
    facts_.socket.connect_error = 0;
    facts_.socket.is_socket = false;
    expect("socket", level::problem, "no socket", "--socket");
}

TEST_F(Doctor, ASocketForEverybodyIsAWarningUnlessOnlyAdminsMayChange) {
    facts_.socket.mode = 0666;
    expect("socket", level::warning, "every local user", "admin_group");
    facts_.config.value.api.admin_group = "admins";
    expect_ok("socket", "mode 0666");
    facts_.config.error = EACCES;
    expect("socket", level::warning, "every local user", "admin_group");
}

TEST_F(Doctor, ADaemonThatDoesNotAnswerOrIsAnotherOne) {
    facts_.status = silent("no answer in time");
    expect_stated("daemon", level::problem, "no answer in time", "systemctl status");
    facts_.status = refused(503, "store_unavailable", "the disk is gone");
    expect_stated("daemon", level::problem, "answered 503: the disk is gone", "log");
    facts_.status = answered(200, "<html>");
    expect_stated("daemon", level::problem, "not prooftrackd", "");
    EXPECT_TRUE(stated("proof").empty());
}

TEST_F(Doctor, ADaemonThatIsNotReadySaysWhy) {
    facts_.ready = answered(503, R"({"code":"unavailable","detail":"x","reasons":["stopping","the disk is full"]})");
    const auto found = of("daemon");
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].what, "not ready: stopping");
    EXPECT_EQ(found[1].level, level::problem);
    facts_.ready = silent("no answer");
    expect("daemon", level::problem, "no answer", "log");
    facts_.ready = answered(200, R"({"ok":true,"reasons":[]})");
    running_ = "1.0.0";
    expect("daemon", level::warning, "version 1.0.0 runs, and prooftrackctl is 1.2.3", "restart");
}

// ---- Proof

TEST_F(Doctor, ATokenThatProofRefuses) {
    facts_.proof = refused(401, "invalid_token", "The token is wrong");
    expect("token", level::problem, "does not take the token: The token is wrong", "token_file");
    expect_ok("proof", "answers");
    expect_ok("certificate", "accepted");
}

TEST_F(Doctor, AnAddressThatProofRefuses) {
    facts_.proof = refused(403, "ip_not_allowed", "203.0.113.9");
    expect("proof", level::problem, "refuses this server: 203.0.113.9", "allow");
    expect("token", level::warning, "not known", "");
}

TEST_F(Doctor, AProofThatCannotBeReached) {
    for (const char* code : {"proof_unreachable", "proof_timeout"}) {
        facts_.proof = refused(502, code, "connect: Connection refused");
        expect("proof", level::problem, "cannot be reached: connect: Connection refused", "proof.base_url");
        expect("certificate", level::warning, "not known", "");
        expect("token", level::warning, "not known", "");
    }
}

TEST_F(Doctor, ACertificateThatIsNotAccepted) {
    facts_.proof = refused(502, "proof_unreachable", "TLS handshake: certificate has expired");
    expect("certificate", level::problem, "certificate has expired", "proof.ca_file");
    expect("proof", level::problem, "cannot be reached", "");
    facts_.config.value.proof.base_url = "http://127.0.0.1:1";
    facts_.proof = answered(200, "{}");
    expect_ok("certificate", "none: http://127.0.0.1:1 is this machine");
}

TEST_F(Doctor, WhatAnswersIsNotProof) {
    facts_.proof = refused(502, "proof_unusable_reply", "Proof answered 403 with a page");
    expect("proof", level::problem, "is not Proof's API: Proof answered 403 with a page", "proof.base_url");
}

TEST_F(Doctor, AProofThatIsBusyOrFails) {
    facts_.proof = refused(429, "rate_limited", "slower");
    expect("proof", level::warning, "fewer requests: slower", "wait");
    expect_ok("token", "takes the token");
    facts_.proof = refused(503, "maintenance", "later");
    expect("proof", level::problem, "fails: later", "wait");
}

TEST_F(Doctor, AnErrorAboutTheUserIsAnAnswer) {
    facts_.proof = refused(404, "user_not_found", "nobody");
    expect_ok("proof", "answers");
    expect_ok("token", "takes the token");
}

TEST_F(Doctor, WhereTheCallSaysNothingThePollsDo) {
    for (const char* code : {"not_allowed", "unavailable", "too_many_connections"}) {
        facts_.proof = refused(403, code, "only admins");
        expect_ok("proof", "answers");
    }
    proof_ = R"({"health":"ok","since":null,"detail":"not asked yet"})";
    expect("proof", level::warning, "has not answered yet: not asked yet", "administrator");
    expect("token", level::warning, "not known", "");
    proof_ = R"({"health":"unauthorized","since":null,"detail":"401 invalid_token"})";
    expect("token", level::problem, "401 invalid_token", "token_file");
    proof_ = R"({"health":"forbidden","since":null,"detail":"403 ip"})";
    expect("proof", level::problem, "refuses this server: 403 ip", "allow");
    proof_ = R"({"health":"unreachable","since":null,"detail":"dns: no such host"})";
    expect("proof", level::problem, "dns: no such host", "DNS");
    proof_ = R"({"health":"throttled","since":null,"detail":"429"})";
    expect("proof", level::warning, "fewer requests", "wait");
    facts_.proof = silent("no answer in time");
    expect("proof", level::warning, "fewer requests", "wait");
}

TEST_F(Doctor, WhenProofAnswersAndThePollsHaveNotNoticedBothAreSaid) {
    proof_ = R"({"health":"unreachable","since":null,"detail":"404 for most"})";
    const auto found = of("proof");
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].level, level::ok);
    EXPECT_EQ(found[1].level, level::problem);
    EXPECT_THAT(found[1].what, HasSubstr("unreachable: 404 for most"));
    EXPECT_THAT(found[1].advice, HasSubstr("whose account"));
    proof_ = R"({"health":"unauthorized","since":null,"detail":"401"})";
    EXPECT_THAT(of("proof")[1].advice, HasSubstr("next poll"));
}

// ---- the rest of the status

TEST_F(Doctor, AClockThatIsWrong) {
    facts_.metrics.body = "\nprooftrackd_clock_skew_seconds -31\n";
    expect("clock", level::problem, "31 s ahead of Proof's", "NTP");
    facts_.metrics.body = "\nprooftrackd_clock_skew_seconds 3600\n";
    expect("clock", level::problem, "3600 s behind Proof's", "NTP");
    facts_.metrics.body = "\nprooftrackd_clock_skew_seconds -30\n";
    expect_ok("clock", "30 s from Proof's");
    for (const char* text : {"", "\nprooftrackd_clock_skew_seconds x\n", "\nprooftrackd_clock_skew_seconds NaN\n"}) {
        facts_.metrics.body = text;
        expect("clock", level::warning, "do not say", "date");
    }
}

TEST_F(Doctor, ADiskThatIsFullOrNearlySo) {
    store_ = R"({"state":"full","free_bytes":9000000000})";
    expect("disk", level::problem, "is full", "make room");
    store_ = R"({"state":"ok","free_bytes":1000000000})";
    expect("disk", level::warning, "only 953.7 MiB free for /var/p.db", "make room");
    facts_.capacity_bytes = 10'000'000'000; // of a small disk 5 % are enough
    expect_ok("disk", "953.7 MiB free");
}

TEST_F(Doctor, PollsThatAreLate) {
    polls_ = R"({"per_second":1.5,"oldest_due_seconds":61.2})";
    expect("polls", level::warning, "61 s late", "poll.behind");
}

TEST_F(Doctor, EachStateOfACallback) {
    const auto be = [this](const std::string& state, const std::string& more) {
        callback_ = R"({"name":"shop","state":")" + state + R"(")" + more + "}";
    };
    be("failing", R"(,"backlog":1200,"last_error":"500")");
    expect("callback shop", level::problem, "fails: 500; 1,200 deliveries wait", "mend the receiver");
    be("failing", R"(,"backlog":1,"last_error":null)");
    expect("callback shop", level::problem, "not tried since the start", "");
    be("paused", R"(,"backlog":2)");
    expect("callback shop", level::warning, "is paused; 2 deliveries wait", "prooftrackctl resume shop");
    be("unconfigured", R"(,"backlog":3)");
    expect("callback shop", level::warning, "owed 3 deliveries", "configure it again");
    be("ok", R"(,"backlog":4,"oldest_undelivered_seconds":601)");
    expect("callback shop", level::warning, "the oldest of 4 deliveries has waited for 10m 1s", "--state pending");
    be("ok", R"(,"backlog":4,"oldest_undelivered_seconds":600)");
    expect_ok("callback shop", "nothing waits too long");
    be("ok", R"(,"dead":5)");
    expect("callback shop", level::problem, "5 deliveries are dead", "redeliver --dead --callback shop");
}

TEST_F(Doctor, WhatATestOfACallbackGave) {
    facts_.tests["shop"] = answered(200, R"({"status":204,"duration_ms":3,"body":""})");
    expect_ok("callback shop", "took a test event");
    facts_.tests["shop"] = answered(200, R"({"status":500,"duration_ms":3,"body":"","error":"500"})");
    expect("callback shop", level::problem, "did not take a test event: 500", "prooftrackctl callback test shop");
    facts_.tests["shop"] = silent("no answer in time");
    expect("callback shop", level::problem, "no answer in time", "address");
    facts_.tests["shop"] = refused(403, "not_allowed", "only admins");
    expect("callback shop", level::warning, "may not be tested by this user: only admins", "administrator");
}

TEST_F(Doctor, NobodyIsTold) {
    callback_ = "";
    expect("listener", level::warning, "nobody is told", "[[callback]]");
    facts_.config.value.callback_url.allow_hosts = {"shop.example"};
    EXPECT_TRUE(of("listener").empty()) << "transactions may bring their own";
}

TEST_F(Doctor, MaintenanceIsSaidAndExplainsWhatWaits) {
    maintenance_ = R"({"on":true,"since":"2026-04-01T10:00:00.000Z","note":"Proof moves"})";
    callback_ = R"({"name":"shop","state":"ok","backlog":4,"oldest_undelivered_seconds":9000})";
    expect(
        "maintenance", level::warning,
        "on since 2026-04-01T10:00:00.000Z: nothing is polled, nothing delivered (Proof moves)", "maintenance off");
    expect_ok("callback shop", "nothing waits too long");
}

// ---- how it looks

TEST(DoctorView, IsAlignedAndSaysWhatToDoBelow) {
    const std::vector<finding> findings{
        {"config", level::ok, "/etc/p.toml is valid", ""},
        {"callback shop", level::problem, "fails: \x1b[31m500", "mend it"},
        {"clock", level::warning, "odd", ""}};
    EXPECT_EQ(
        format_findings(findings, look{}), "ok       config         /etc/p.toml is valid\n"
                                           "problem  callback shop  fails: \\x1b[31m500\n"
                                           "                        → mend it\n"
                                           "warning  clock          odd\n"
                                           "1 problem, 1 warning\n");
    look narrow;
    narrow.width = 30;
    narrow.utf8 = false;
    EXPECT_EQ(
        format_findings({{"disk", level::warning, "only a little free", "make room"}}, narrow),
        "warning  disk  only a little\n"
        "               free\n"
        "               -> make room\n"
        "0 problems, 1 warning\n");
    look coloured;
    coloured.colour = true;
    EXPECT_THAT(format_findings(findings, coloured), HasSubstr("\x1b["));
    EXPECT_THAT(format_findings({{"a", level::ok, "b", ""}}, look{}), HasSubstr("all is well\n"));
}

TEST(DoctorView, AFindingIsALineOfJson) {
    EXPECT_EQ(
        format_finding_json({"disk", level::warning, "a \"b\"", "c"}),
        R"({"check":"disk","result":"warning","what":"a \"b\"","advice":"c"})");
    EXPECT_EQ(
        format_finding_json({"disk", level::ok, "a", ""}),
        R"({"check":"disk","result":"ok","what":"a","advice":null})");
}

} // namespace
} // namespace prooftrack::ctl
