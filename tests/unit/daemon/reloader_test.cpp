// What a reload says: each mistake, warnings, and what has changed.

#include "prooftrackd/reloader.hpp"

#include <new>

#include <sysexits.h>

#include "runtime_fixture.hpp"

namespace prooftrack::daemon {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

/// Has no memory left for what it reads.
class exhausted_machine final : public machine {
  public:
    op_result<config::file_content> read_file(const std::filesystem::path&, std::size_t) const override {
        throw std::bad_alloc();
    }
    op_result<gid_t> find_group(const std::string&) const override { return gid_t{0}; }
    machine_fault check_program(const std::filesystem::path&) const override { return {}; }
    machine_fault check_socket(const std::filesystem::path&) const override { return {}; }
    std::filesystem::path credentials() const override { return {}; }
    std::string environment(const std::string&) const override { return {}; }
    std::string host_name() const override { return {}; }
    std::uint64_t descriptor_limit() const override { return 65'536; }
};

class Reloader : public Runtime {
  protected:
    bool reload() { return reloader(config_file, machine_, log_, counts_).reload(parts_); }

    observe::metrics registry_{"1"};
    engine::meters counts_{registry_};
    fake_parts parts_{good()};
};

TEST_F(Reloader, AnExceptionIsARefusalLikeAnyOther) {
    const exhausted_machine exhausted;
    EXPECT_FALSE(reloader(config_file, exhausted, log_, counts_).reload(parts_));
    EXPECT_EQ(parts_.taken_over, 0);
    EXPECT_EQ(parts_.kept, 1);
    EXPECT_THAT(parts_.refusal, HasSubstr("bad_alloc"));
    const auto refused = log_.of(observe::log_event_id::config_refused);
    ASSERT_EQ(refused.size(), 1U);
    EXPECT_EQ(refused[0].at("file"), config_file);
    EXPECT_EQ(refused[0].at("error"), "std::bad_alloc");
    EXPECT_EQ(registry_.config_last_reload_successful().Value(), 0);
}

TEST_F(Reloader, ARefusalIsSummedUpByItsFirstMistake) {
    write_new();
    machine_.files.erase("/new/secret");
    EXPECT_FALSE(reload());
    EXPECT_THAT(parts_.refusal, StartsWith("/etc/prooftrackd.toml:13:1: callback.secret_file: "));
    EXPECT_THAT(parts_.refusal, testing::Not(HasSubstr("more)")));
    machine_.groups.erase("new");
    machine_.files.erase("/new/ca");
    EXPECT_FALSE(reload());
    EXPECT_THAT(parts_.refusal, StartsWith("/etc/prooftrackd.toml:4:1: proof.ca_file: "));
    EXPECT_THAT(parts_.refusal, HasSubstr(" (and 3 more)"));
    EXPECT_THAT(
        log_.of(observe::log_event_id::config_refused).at(0).at("advice"),
        HasSubstr("the configuration in force stays"));
}

TEST_F(Reloader, AnUnknownKeyIsReportedWithTheOneThatLooksLikeIt) {
    machine_.files[config_file] += "[poll]\nintervall = 1\n";
    EXPECT_FALSE(reload());
    const auto refused = log_.of(observe::log_event_id::config_refused);
    ASSERT_EQ(refused.size(), 1U);
    EXPECT_EQ(refused[0].at("key"), "poll.intervall");
    EXPECT_EQ(refused[0].at("nearest"), "poll.interval");
    EXPECT_EQ(refused[0].at("column"), "1");
}

TEST_F(Reloader, WarningsAndOpenFilesAreReportedWhenItIsTaken) {
    machine_.open_files = {"/old/token"};
    machine_.descriptors = 10;
    EXPECT_TRUE(reload());
    EXPECT_THAT(log_.of(observe::log_event_id::config_warning).at(0).at("warning"), HasSubstr("LimitNOFILE"));
    EXPECT_EQ(log_.of(observe::log_event_id::config_warning)[0].at("file"), config_file);
    EXPECT_EQ(log_.of(observe::log_event_id::config_insecure_file).at(0).at("file"), "/old/token");
    EXPECT_EQ(parts_.taken_over, 1);
}

TEST_F(Reloader, ItNamesTheKeysThatChanged) {
    EXPECT_TRUE(reload());
    EXPECT_EQ(log_.of(observe::log_event_id::config_reloaded).at(0).at("changed"), "") << "the same file";
    EXPECT_EQ(log_.of(observe::log_event_id::config_reloaded)[0].at("callbacks"), "1");
    log_.clear();
    write_new();
    EXPECT_TRUE(reload());
    const auto line = log_.of(observe::log_event_id::config_reloaded).at(0);
    EXPECT_EQ(
        line.at("changed"), "proof.base_url proof.token_file proof.ca_file api.admin_group "
                            "callback_url.allow_hosts callback_url.secret_file callback");
    EXPECT_EQ(line.at("callbacks"), "2");
    EXPECT_EQ(parts_.kept, 0);
}

TEST_F(Reloader, ARefusedOneThatIsMendedIsTakenAndCounted) {
    write_new();
    machine_.files.erase("/new/secret");
    EXPECT_FALSE(reload());
    machine_.files["/new/secret"] = first_key;
    EXPECT_TRUE(reload());
    EXPECT_EQ(registry_.config_last_reload_successful().Value(), 1);
    EXPECT_EQ(parts_.kept, 1);
    EXPECT_EQ(parts_.taken_over, 1);
}

TEST_F(Reloader, ARefusedStartIsReportedWithWhatToDo) {
    const config::config_mistakes mistakes{{config_file, 3, 5, "proof.token_file", "no such file", ""}};
    log_refused_start(log_, mistakes, EX_CONFIG);
    log_refused_start(log_, mistakes, EX_TEMPFAIL);
    const auto refused = log_.of(observe::log_event_id::config_refused);
    ASSERT_EQ(refused.size(), 2U);
    EXPECT_EQ(refused[0].at("line"), "3");
    EXPECT_EQ(refused[0].at("column"), "5");
    EXPECT_EQ(refused[0].at("error"), "no such file");
    EXPECT_THAT(refused[0].at("advice"), HasSubstr("--check-config"));
    EXPECT_THAT(refused[1].at("advice"), HasSubstr("systemd tries again"));
    log_.clear();
    log_refused_start(log_, {}, EX_CONFIG);
    EXPECT_THAT(log_.lines(), IsEmpty());
}

} // namespace
} // namespace prooftrack::daemon
