// Where the credentials of the running service are, for the check before its reload.

#include "prooftrackd/service_credentials.hpp"

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace prooftrack::daemon {
namespace {

/// A process with this environment, alive until it is destroyed.
class service_process {
  public:
    explicit service_process(std::vector<std::string> environment) {
        std::vector<char*> entries;
        for (std::string& entry : environment) entries.push_back(entry.data());
        entries.push_back(nullptr);
        std::string program = "/bin/cat"; // runs until its input is closed
        std::vector<char*> arguments{program.data(), nullptr};
        if (::pipe2(input_, O_CLOEXEC) != 0 || ::pipe2(output_, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, input_[0], STDIN_FILENO);
        ::posix_spawn_file_actions_adddup2(&actions, output_[1], STDOUT_FILENO);
        const int failed = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments.data(), entries.data());
        ::posix_spawn_file_actions_destroy(&actions);
        ::close(input_[0]);
        ::close(output_[1]);
        if (failed != 0) throw std::runtime_error("posix_spawn");
        // Its environment can be read once it runs: posix_spawn returns a little earlier.
        char byte = 'x';
        if (::write(input_[1], &byte, 1) != 1 || ::read(output_[0], &byte, 1) != 1) throw std::runtime_error("cat");
    }
    service_process(const service_process&) = delete;
    service_process& operator=(const service_process&) = delete;
    ~service_process() { end(); }

    void end() {
        if (pid_ == 0) return;
        ::close(input_[1]);
        ::close(output_[0]);
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
    std::string pid() const { return std::to_string(pid_); }

  private:
    int input_[2]{};
    int output_[2]{};
    pid_t pid_ = 0;
};

class ServiceCredentials : public testing::Test {
  protected:
    ~ServiceCredentials() override { ::unsetenv("MAINPID"); }
    static std::filesystem::path of(const std::string& pid) {
        ::setenv("MAINPID", pid.c_str(), 1);
        return credentials_of_main_process();
    }
};

TEST_F(ServiceCredentials, AreThoseOfTheMainProcessSeenThroughItsRoot) {
    const service_process service({"A=1", "CREDENTIALS_DIRECTORY=/run/credentials/prooftrackd.service", "Z=2"});
    EXPECT_EQ(of(service.pid()), "/proc/" + service.pid() + "/root/run/credentials/prooftrackd.service");
}

TEST_F(ServiceCredentials, TheFirstAndTheLastEntryOfAnEnvironmentAreSeen) {
    const service_process first({"CREDENTIALS_DIRECTORY=/run/a", "B=CREDENTIALS_DIRECTORY=/run/b"});
    EXPECT_EQ(of(first.pid()), "/proc/" + first.pid() + "/root/run/a");
    const service_process last({"XCREDENTIALS_DIRECTORY=/run/x", "A=", "CREDENTIALS_DIRECTORY=/run/c"});
    EXPECT_EQ(of(last.pid()), "/proc/" + last.pid() + "/root/run/c");
}

TEST_F(ServiceCredentials, AServiceWithoutCredentialsHasNone) {
    const service_process without({"A=1", "B=CREDENTIALS_DIRECTORY=/run/b", "CREDENTIALS_DIRECTORYX=/run/x"});
    EXPECT_EQ(of(without.pid()), "");
    const service_process bare({});
    EXPECT_EQ(of(bare.pid()), "");
}

TEST_F(ServiceCredentials, WithoutAMainProcessThereAreNone) {
    ::unsetenv("MAINPID");
    EXPECT_EQ(credentials_of_main_process(), "");
    service_process service({"CREDENTIALS_DIRECTORY=/run/a"});
    const std::string pid = service.pid();
    service.end();
    EXPECT_EQ(of(pid), "") << "it has gone";
}

TEST_F(ServiceCredentials, AnythingButANumberIsNoProcess) {
    const service_process service({"CREDENTIALS_DIRECTORY=/run/a"});
    ASSERT_NE(of(service.pid()), "");
    EXPECT_EQ(of(""), "");
    EXPECT_EQ(of("self"), "");
    EXPECT_EQ(of(service.pid() + " "), "");
    EXPECT_EQ(of("-1"), "");
    EXPECT_EQ(of("../proc/" + service.pid()), "");
    EXPECT_EQ(of("0000000000" + service.pid()), "") << "longer than any";
}

} // namespace
} // namespace prooftrack::daemon
