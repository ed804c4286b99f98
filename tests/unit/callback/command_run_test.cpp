#include "callback/command_run.hpp"

#include <csignal>
#include <fstream>
#include <sstream>
#include <string>

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "callback/orphan_reaper.hpp"
#include "support/run_task.hpp"
#include "support/test_certificates.hpp"

namespace prooftrack::callback {
namespace {

namespace asio = boost::asio;
using namespace testing_support;
using testing::HasSubstr;
using verdict = delivery_outcome::verdict;

class CommandRun : public testing::Test {
  protected:
    static command_line shell(
        const std::string& script, const std::string& input = "", milliseconds timeout = seconds(20)) {
        command_line command;
        command.argv = {"/bin/sh", "-c", script};
        command.environment = {"PATH=/usr/bin:/bin"};
        command.input = std::make_shared<const std::string>(input);
        command.timeout = timeout;
        return command;
    }

    delivery_outcome run(command_line command) {
        std::optional<delivery_outcome> outcome;
        auto cut = run_command(io_.get_executor(), std::move(command), [&](delivery_outcome done) {
            EXPECT_FALSE(outcome) << "once";
            outcome = std::move(done);
        });
        EXPECT_FALSE(outcome) << "never from inside the call";
        run_until(io_, [&] { return outcome.has_value(); });
        return *outcome;
    }

    std::string slurp(const std::string& name) const {
        std::ifstream in(folder_.file(name));
        std::ostringstream text;
        text << in.rdbuf();
        return text.str();
    }

    /// Of a script that never ends: what it said before its time was over, which is longer where it takes longer to
    /// begin.
    delivery_outcome run_until_timeout(const std::string& script) {
        delivery_outcome outcome;
        for (milliseconds timeout(200); outcome.reply.empty() && timeout < seconds(20); timeout *= 2)
            outcome = run(shell(script, "", timeout));
        return outcome;
    }

    void run_until_there(const std::string& name) {
        run_until(io_, [&] { return !slurp(name).empty(); });
    }

    temporary_directory folder_;
    asio::io_context io_{1};
};

bool is_alive(pid_t pid) { return ::kill(pid, 0) == 0; }

TEST_F(CommandRun, ExitZeroIsDeliveredAndTheInputArrivesWhole) {
    std::string input(300'000, 'e');
    input += "nd\n";
    const auto outcome = run(shell("cat > " + folder_.file("in"), input));
    EXPECT_EQ(outcome.what, verdict::delivered);
    EXPECT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(slurp("in"), input);
}

TEST_F(CommandRun, ACommandThatReadsNothingHurtsNobody) {
    EXPECT_EQ(run(shell("exec <&-; exit 0", std::string(1'000'000, 'x'))).what, verdict::delivered);
}

TEST_F(CommandRun, StdinMayBeOpenedByItsPath) {
    EXPECT_EQ(run(shell("test \"$(cat /dev/stdin)\" = hello", "hello")).what, verdict::delivered);
}

TEST_F(CommandRun, AnyOtherExitIsFailedWithItsStatus) {
    const auto outcome = run(shell("echo why >&2; exit 3"));
    EXPECT_EQ(outcome.what, verdict::failed);
    EXPECT_EQ(outcome.status, 3);
    EXPECT_EQ(outcome.error, "exit status 3");
    EXPECT_EQ(outcome.reply, "why\n");
    const auto killed = run(shell("kill -TERM $$"));
    EXPECT_EQ(killed.what, verdict::failed);
    EXPECT_EQ(killed.error, "killed by signal 15");
    EXPECT_EQ(killed.status, 143);
}

TEST_F(CommandRun, ACommandThatCannotBeStartedIsNamed) {
    command_line command = shell("");
    command.argv = {folder_.file("missing")};
    const auto outcome = run(command);
    EXPECT_EQ(outcome.what, verdict::failed);
    EXPECT_EQ(outcome.error, "start " + folder_.file("missing") + ": No such file or directory");
    command.argv = {folder_.write("plain", "text")};
    EXPECT_THAT(run(command).error, HasSubstr("Permission denied"));
}

TEST_F(CommandRun, NoShellTouchesTheArguments) {
    command_line command = shell("");
    command.argv = {"/usr/bin/printf", "%s|%s", "$HOME; rm -rf *", "a b"};
    EXPECT_EQ(run(command).reply, "$HOME; rm -rf *|a b");
}

TEST_F(CommandRun, TheEnvironmentIsExactlyTheContracts) {
    ::setenv("PROOFTRACK_TEST_LEAK", "leak", 1);
    delivery_job job;
    job.event_id = "evt_1";
    job.event_type = "transaction.completed";
    job.transaction = "tx-1";
    job.state = "settled";
    job.status = "completed";
    job.attempt = 3;
    command_line command = shell("");
    command.argv = {"/usr/bin/env"};
    command.environment = make_command_environment(job);
    const auto outcome = run(command);
    ::unsetenv("PROOFTRACK_TEST_LEAK");
    EXPECT_EQ(
        outcome.reply, std::string("PATH=") + ::getenv("PATH") +
                           "\nPROOFTRACK_EVENT_ID=evt_1\nPROOFTRACK_EVENT_TYPE=transaction.completed\n"
                           "PROOFTRACK_MERCHANT_TRANSACTION_ID=tx-1\nPROOFTRACK_STATE=settled\n"
                           "PROOFTRACK_STATUS=completed\nPROOFTRACK_ATTEMPT=3\n");
}

TEST_F(CommandRun, ATraceIsInTheEnvironmentWhenThereIsOne) {
    delivery_job job;
    job.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-831d8dadf3a86e70-01";
    EXPECT_EQ(make_command_environment(job).back(), "PROOFTRACK_TRACEPARENT=" + job.traceparent);
}

TEST_F(CommandRun, AStatusWithANulIsNotCutAtIt) {
    delivery_job job;
    job.status = std::string("completed\0", 10);
    job.state = "a\nPROOFTRACK_STATUS=completed";
    command_line command = shell("printf '%s|%s' \"$PROOFTRACK_STATUS\" \"$PROOFTRACK_STATE\"");
    command.environment = make_command_environment(job);
    EXPECT_EQ(run(command).reply, "completed\\u0000|a\\u000aPROOFTRACK_STATUS=completed");
    for (const bool in_argument : {false, true}) {
        command_line cut = shell("exit 0");
        (in_argument ? cut.argv : cut.environment).emplace_back("A=b\0c", 5);
        const auto outcome = run(cut);
        EXPECT_EQ(outcome.what, verdict::failed);
        EXPECT_THAT(outcome.error, HasSubstr("NUL"));
    }
}

TEST_F(CommandRun, AScriptWithoutItsInterpreterIsExplained) {
    const auto error_of = [this](const std::string& text) {
        command_line command = shell("");
        command.argv = {folder_.write("script", text)};
        EXPECT_EQ(::chmod(command.argv.front().c_str(), 0755), 0);
        return run(command).error;
    };
    EXPECT_THAT(error_of("#!/bin/sh\r\nexit 0\r\n"), HasSubstr("its first line ends with CR LF"));
    EXPECT_THAT(error_of("#!/nowhere/at/all\nexit 0\n"), HasSubstr("the interpreter that its #! line names"));
    EXPECT_THAT(error_of("exit 0\n"), HasSubstr("no #! line"));
    EXPECT_EQ(error_of("#!/bin/sh\nexit 0\n"), "");
}

TEST_F(CommandRun, ItHasNoDescriptorButThree) {
    const int leaked = ::open("/dev/null", O_RDONLY); // not close-on-exec, like asio's sockets
    const auto outcome = run(shell("ls /proc/self/fd | tr '\\n' ' '"));
    ::close(leaked);
    EXPECT_EQ(outcome.reply, "0 1 2 3 ") << "3 is ls reading the folder";
}

TEST_F(CommandRun, SignalsAreAsInAFreshProcess) {
    auto* const before = std::signal(SIGPIPE, SIG_IGN);
    const auto outcome = run(shell("grep -E 'Sig(Ign|Blk)' /proc/self/status | tr -d '\\n\\t'"));
    std::signal(SIGPIPE, before);
    constexpr unsigned long long glibcs_own = 0x180000000; // its two internal signals
    EXPECT_EQ(outcome.reply.substr(0, 23), "SigBlk:0000000000000000");
    EXPECT_EQ(std::stoull(outcome.reply.substr(30), nullptr, 16) & ~glibcs_own, 0U) << outcome.reply;
}

TEST_F(CommandRun, TheWholeProcessGroupIsKilledAtTheTimeout) {
    const std::string script = "sleep 1000 & echo $! > " + folder_.file("child") + "; echo begun; sleep 1000";
    const auto begun = std::chrono::steady_clock::now();
    const auto outcome = run_until_timeout(script);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(60)) << "the script would take 1,000 s";
    EXPECT_EQ(outcome.what, verdict::failed);
    EXPECT_THAT(outcome.error, testing::StartsWith("timed out after "));
    EXPECT_EQ(outcome.reply, "begun\n");
    const pid_t child = std::stoi(slurp("child"));
    run_until(io_, [&] { // init reaps it: until then it is a zombie
        std::ifstream status("/proc/" + std::to_string(child) + "/stat");
        std::string id;
        std::string name;
        std::string state;
        status >> id >> name >> state;
        return !status || state == "Z" || !is_alive(child);
    });
}

TEST_F(CommandRun, ACommandThatIgnoresSignalsIsKilledAllTheSame) {
    const auto outcome = run(shell("trap '' TERM INT HUP; while :; do :; done", "", milliseconds(200)));
    EXPECT_EQ(outcome.error, "timed out after 200ms");
}

TEST_F(CommandRun, EndlessOutputIsReadThrownAwayAndBounded) {
    const auto ended = run(shell("head -c 10000000 /dev/zero | tr '\\0' x; exit 0"));
    EXPECT_EQ(ended.what, verdict::delivered);
    EXPECT_EQ(ended.reply, std::string(1024, 'x'));
    const auto endless = run_until_timeout("yes");
    EXPECT_THAT(endless.error, testing::StartsWith("timed out after "));
    EXPECT_EQ(endless.reply.size(), 1024U);
}

TEST_F(CommandRun, WhatItLeavesRunningDelaysNothing) {
    const std::string script = "sleep 1000 & echo $! > " + folder_.file("child") + "; exit 0";
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_EQ(run(shell(script)).what, verdict::delivered);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(10));
    ::kill(std::stoi(slurp("child")), SIGKILL);
}

TEST_F(CommandRun, CuttingItOffKillsItAndSaysSo) {
    std::optional<delivery_outcome> outcome;
    auto cut = run_command(
        io_.get_executor(), shell("echo x > " + folder_.file("up") + "; sleep 1000"),
        [&](delivery_outcome done) { outcome = std::move(done); });
    run_until_there("up");
    cut();
    cut();
    EXPECT_FALSE(outcome) << "never from inside the call";
    run_until(io_, [&] { return outcome.has_value(); });
    EXPECT_EQ(outcome->what, verdict::failed);
    EXPECT_THAT(outcome->error, HasSubstr("stopping"));
    cut();
}

TEST_F(CommandRun, NoZombieAndNoDescriptorIsLeft) {
    const auto open_descriptors = [] {
        int count = 0;
        DIR* folder = ::opendir("/proc/self/fd");
        while (::readdir(folder) != nullptr) ++count;
        ::closedir(folder);
        return count;
    };
    run(shell("exit 0"));
    io_.poll();
    const int before = open_descriptors();
    for (int i = 0; i < 20; ++i) run(shell(i % 2 == 0 ? "exit 0" : "exit 1"));
    io_.restart();
    io_.poll();
    EXPECT_EQ(open_descriptors(), before);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
}

/// Makes this process what PID 1 of a container is: the parent of what others leave behind.
class subreaper {
  public:
    subreaper() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }
    ~subreaper() { ::prctl(PR_SET_CHILD_SUBREAPER, 0); }
    subreaper(const subreaper&) = delete;
    subreaper& operator=(const subreaper&) = delete;
};

bool has_no_child_left() {
    siginfo_t ended{};
    return ::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == -1 && errno == ECHILD;
}

TEST_F(CommandRun, AsPid1WhatCommandsLeaveBehindIsReapedAndNobodysExitStatusIsTaken) {
    const subreaper as_pid_1;
    const orphan_reaper reaper(io_.get_executor());
    for (int i = 0; i < 10; ++i) {
        // One that is left behind ends at once, one later, and the command itself with a status of its own.
        const auto outcome = run(shell("(exit 1 &) ; (sleep 0.2 &) ; exit 7"));
        EXPECT_EQ(outcome.error, "exit status 7");
    }
    std::vector<delivery_outcome> outcomes;
    for (int i = 0; i < 20; ++i) {
        run_command(io_.get_executor(), shell("(exit 1 &) ; exit 0"), [&](delivery_outcome done) {
            outcomes.push_back(std::move(done));
        });
    }
    run_until(io_, [&] { return outcomes.size() == 20; });
    for (const auto& outcome : outcomes) EXPECT_EQ(outcome.what, verdict::delivered) << outcome.error;
    run_until(io_, [] { return has_no_child_left(); });
}

TEST_F(CommandRun, WithoutBeingPid1NobodyElsesChildIsReaped) {
    const orphan_reaper reaper(io_.get_executor());
    const pid_t mine = ::fork();
    if (mine == 0) ::_exit(3);
    EXPECT_EQ(run(shell("exit 0")).what, verdict::delivered);
    int status = 0;
    EXPECT_EQ(::waitpid(mine, &status, 0), mine);
    EXPECT_EQ(WEXITSTATUS(status), 3);
}

} // namespace
} // namespace prooftrack::callback
