// Another program, run to its end or to a deadline.

#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "prooftrackctl/child_process.hpp"

namespace prooftrack::ctl {
namespace {

using namespace std::chrono_literals;

class ChildProcess : public testing::Test {
  protected:
    child_result shell(const std::string& script, milliseconds patience = 10s) {
        return run_child({"/bin/sh", "-c", script}, {{"PT_GIVEN", "a b"}}, patience, stop_);
    }
    stop_signal stop_;
};

TEST_F(ChildProcess, GivesWhatWasWrittenAndHowItEnded) {
    const child_result done = shell("echo \"$PT_GIVEN\"; echo err >&2; exit 7");
    EXPECT_TRUE(done.has_started);
    EXPECT_TRUE(done.has_ended);
    EXPECT_EQ(done.exit_status, 7);
    EXPECT_EQ(done.output, "a b\nerr\n");
    EXPECT_EQ(shell("kill -9 $$").exit_status, 137);
    EXPECT_EQ(shell("cat").output, "") << "its input is empty";
}

TEST_F(ChildProcess, OneThatIsNotThereHasNotStarted) {
    EXPECT_FALSE(run_child({"/nonexistent/program"}, {}, 1s, stop_).has_started);
}

TEST_F(ChildProcess, IsKilledAtItsDeadline) {
    const auto begin = std::chrono::steady_clock::now();
    const child_result late = shell("echo begun; exec sleep 100", 300ms);
    EXPECT_TRUE(late.has_started);
    EXPECT_FALSE(late.has_ended);
    EXPECT_EQ(late.output, "begun\n");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 20s);
}

TEST_F(ChildProcess, OneThatClosesItsOutputAndGoesOnIsKilledToo) {
    const child_result late = shell("exec >/dev/null 2>&1; exec sleep 100", 300ms);
    EXPECT_TRUE(late.has_started);
    EXPECT_FALSE(late.has_ended);
}

TEST_F(ChildProcess, KeepsOnlyTheBeginningOfALongOutput) {
    const child_result done = shell("head -c 300000 /dev/zero");
    EXPECT_TRUE(done.has_ended);
    EXPECT_EQ(done.exit_status, 0);
    EXPECT_GE(done.output.size(), 64U * 1024);
    EXPECT_LT(done.output.size(), 64U * 1024 + 4096);
}

} // namespace
} // namespace prooftrack::ctl
