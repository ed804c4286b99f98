#include "observe/event_log.hpp"

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "observe/sinks.hpp"

namespace prooftrack::observe {
namespace {

using testing::HasSubstr;

std::string read_available(int fd) {
    std::string text;
    std::array<char, 65'536> chunk{};
    for (ssize_t count = 0; (count = ::read(fd, chunk.data(), chunk.size())) > 0;)
        text.append(chunk.data(), static_cast<std::size_t>(count));
    return text;
}

class EventLog : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_EQ(::pipe2(pipe_.data(), O_CLOEXEC), 0);
        ASSERT_EQ(::fcntl(pipe_[0], F_SETFL, O_NONBLOCK), 0);
    }
    void TearDown() override {
        ::close(pipe_[0]);
        ::close(pipe_[1]);
    }

    event_log_options options(std::string format = "logfmt") {
        event_log_options made;
        made.format = std::move(format);
        made.fd = pipe_[1];
        made.now = [this] { return now_; };
        return made;
    }
    std::string written() { return read_available(pipe_[0]); }

    std::array<int, 2> pipe_{};
    instant now_{steady_time(std::chrono::hours(1)), wall_time(milliseconds(1'775'037'825'120))};
};

TEST_F(EventLog, WritesALine) {
    make_event_log(options())->write(log_event_id::proof_recovered, {{"after_ms", 1'200}});
    EXPECT_EQ(written(), "ts=2026-04-01T10:03:45.120Z level=notice event=proof.recovered after_ms=1200\n");
}

TEST_F(EventLog, AnEndThatNobodyAskedForIsAnError) {
    const auto log = make_event_log(options());
    log->set_level(log_level::error);
    log->write(log_event_id::daemon_stopped, {{"reason", "SIGTERM"}, {"exit_status", 0}});
    EXPECT_EQ(written(), "");
    log->write(log_event_id::daemon_stopped, {{"reason", "create it first"}, {"exit_status", 75}});
    EXPECT_THAT(written(), HasSubstr("level=error event=daemon.stopped"));
}

TEST_F(EventLog, LessImportantLinesAreLeftOutAndTheLevelCanChange) {
    const auto log = make_event_log(options());
    log->write(log_event_id::api_request, {{"method", "GET"}});
    EXPECT_EQ(written(), "");
    log->set_level(log_level::debug);
    EXPECT_EQ(log->level(), log_level::debug);
    log->write(log_event_id::api_request, {{"method", "GET"}});
    EXPECT_THAT(written(), HasSubstr("event=api.request"));
    log->set_level(log_level::error);
    log->write(log_event_id::config_reloaded, {});
    log->write(log_event_id::callback_dead, {{"callback", "shop"}});
    EXPECT_THAT(
        written(),
        testing::AllOf(HasSubstr("level=critical event=callback.dead"), testing::Not(HasSubstr("reloaded"))));
}

TEST_F(EventLog, RepeatsAreSummedUp) {
    const auto log = make_event_log(options());
    for (int i = 0; i < 100; ++i)
        log->write(log_event_id::poll_error, {{"error", "503"}, {"merchant_transaction_id", i}});
    const std::string first = written();
    EXPECT_EQ(std::count(first.begin(), first.end(), '\n'), 5);
    now_.steady += std::chrono::seconds(60);
    log->tick();
    EXPECT_EQ(
        written(), "ts=2026-04-01T10:03:45.120Z level=warning event=log.suppressed of=poll.error "
                   "same=\"error=503\" suppressed=95\n");
    log->tick();
    EXPECT_EQ(written(), "");
}

TEST_F(EventLog, FlushWritesTheSummariesBeforeAStop) {
    const auto log = make_event_log(options("json"));
    for (int i = 0; i < 6; ++i) log->write(log_event_id::poll_error, {{"error", "503"}});
    log->flush();
    EXPECT_THAT(
        written(),
        HasSubstr("\"event\":\"log.suppressed\",\"of\":\"poll.error\",\"same\":\"error=503\",\"suppressed\":1}\n"));
}

TEST_F(EventLog, AFullPipeCostsLinesAndNeverWaits) {
    const auto log = make_event_log(options());
    const std::string value(200, 'x');
    for (int i = 0; i < 2'000; ++i) log->write(log_event_id::api_change, {{"action", value}});
    EXPECT_GT(log->dropped(), 1'000U);
    const std::uint64_t dropped = log->dropped();
    const std::string before = written();
    EXPECT_TRUE(before.empty() || before.back() == '\n' || log->dropped() == dropped);
    log->write(log_event_id::config_reloaded, {{"file", "after"}});
    const std::string all = before + written();
    EXPECT_THAT(all, testing::EndsWith("event=config.reloaded file=after\n"));
    EXPECT_EQ(static_cast<std::uint64_t>(std::count(all.begin(), all.end(), '\n')), 2'001 - log->dropped());
    std::istringstream lines(all);
    for (std::string line; std::getline(lines, line);)
        EXPECT_THAT(line, testing::StartsWith("ts=2026-04-01T10:03:45.120Z level="));
}

TEST_F(EventLog, AReaderThatIsGoneIsNoReasonToEnd) {
    const auto before = std::signal(SIGPIPE, SIG_IGN);
    const auto log = make_event_log(options());
    ::close(pipe_[0]);
    pipe_[0] = -1;
    log->write(log_event_id::config_reloaded, {});
    EXPECT_EQ(log->dropped(), 1U);
    std::signal(SIGPIPE, before);
}

TEST_F(EventLog, ARegularFileGetsEveryLine) {
    const std::string path = testing::TempDir() + "event_log_test.log";
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    ASSERT_GE(fd, 0);
    event_log_options made = options();
    made.fd = fd;
    const auto log = make_event_log(made);
    for (int i = 0; i < 3'000; ++i) log->write(log_event_id::api_change, {{"action", "x"}});
    ::close(fd);
    std::ifstream in(path);
    const std::string all(std::istreambuf_iterator<char>(in), {});
    EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 3'000);
    EXPECT_EQ(log->dropped(), 0U);
    ::unlink(path.c_str());
}

TEST_F(EventLog, ASocketForStderrNeverWaitsEither) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    event_log_options made = options();
    made.fd = ends[1];
    const auto log = make_event_log(made);
    for (int i = 0; i < 20'000; ++i) log->write(log_event_id::api_change, {{"action", "x"}});
    EXPECT_GT(log->dropped(), 0U);
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_F(EventLog, AnUnknownFormatIsRefused) { EXPECT_THROW(make_event_log(options("syslog")), std::invalid_argument); }

/// A journal of our own.
class JournalSocket : public EventLog {
  protected:
    void SetUp() override {
        EventLog::SetUp();
        std::string pattern = testing::TempDir() + "journalXXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
        path_ = folder_ + "/socket";
        socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        ASSERT_LT(path_.size(), sizeof(address.sun_path));
        path_.copy(address.sun_path, path_.size());
        ASSERT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    }
    void TearDown() override {
        ::close(socket_);
        ::unlink(path_.c_str());
        ::rmdir(folder_.c_str());
        EventLog::TearDown();
    }
    std::string datagram() const {
        std::array<char, 65'536> bytes{};
        const ssize_t count = ::recv(socket_, bytes.data(), bytes.size(), 0);
        return count < 0 ? std::string() : std::string(bytes.data(), static_cast<std::size_t>(count));
    }

    std::string folder_;
    std::string path_;
    int socket_ = -1;
};

TEST_F(JournalSocket, GetsOneDatagramALine) {
    event_log_options made = options("journald");
    made.journal_socket = path_;
    const auto log = make_event_log(made);
    log->write(log_event_id::transaction_settled, {{"merchant_transaction_id", "a-1"}, {"status", "completed"}});
    log->write(log_event_id::proof_unauthorized, {{"detail", "401"}});
    EXPECT_EQ(
        datagram(), "MESSAGE=transaction.settled merchant_transaction_id=a-1 status=completed\nPRIORITY=6\n"
                    "SYSLOG_IDENTIFIER=prooftrackd\nPROOFTRACKD_EVENT=transaction.settled\n"
                    "PROOFTRACKD_MERCHANT_TRANSACTION_ID=a-1\nPROOFTRACKD_STATUS=completed\n");
    EXPECT_THAT(datagram(), HasSubstr("PRIORITY=3\nSYSLOG_IDENTIFIER=prooftrackd\nMESSAGE_ID="));
    EXPECT_EQ(written(), "") << "nothing goes to stderr";
}

TEST_F(JournalSocket, AStalledJournalCostsLinesAndNeverWaits) {
    event_log_options made = options("journald");
    made.journal_socket = path_;
    const auto log = make_event_log(made);
    for (int i = 0; i < 50'000; ++i) log->write(log_event_id::api_change, {{"action", "x"}});
    EXPECT_GT(log->dropped(), 0U);
    while (!datagram().empty()) {
    }
    const std::uint64_t dropped = log->dropped();
    log->write(log_event_id::config_reloaded, {});
    EXPECT_THAT(datagram(), HasSubstr("config.reloaded"));
    EXPECT_EQ(log->dropped(), dropped);
}

TEST_F(JournalSocket, WithoutAJournalTheLogGoesToStderrAndSaysSo) {
    const std::string dead = folder_ + "/dead";
    std::ofstream(dead) << "no socket";
    for (const std::string& nowhere : {folder_ + "/none", dead, std::string(200, 'x')}) {
        event_log_options made = options("journald");
        made.journal_socket = nowhere;
        made.level = log_level::error;
        const auto log = make_event_log(made);
        log->write(log_event_id::config_refused, {{"error", "why"}});
        const std::string text = written();
        EXPECT_THAT(text, HasSubstr("event=config.warning")) << "whatever the level is";
        EXPECT_THAT(text, HasSubstr("there is no journal at"));
        EXPECT_THAT(text, HasSubstr("event=config.refused error=why")) << nowhere;
        EXPECT_EQ(log->dropped(), 0U);
    }
}

TEST_F(JournalSocket, AJournalThatGoesAwayIsCounted) {
    event_log_options made = options("journald");
    made.journal_socket = path_;
    const auto log = make_event_log(made);
    ASSERT_EQ(::unlink(path_.c_str()), 0);
    log->write(log_event_id::config_reloaded, {});
    EXPECT_EQ(log->dropped(), 1U);
}

TEST_F(JournalSocket, AutoTakesTheJournalWhenStderrIsConnectedToIt) {
    struct stat info {};
    ASSERT_EQ(::fstat(pipe_[1], &info), 0);
    const std::string stream = fmt::format("{}:{}", info.st_dev, info.st_ino);
    EXPECT_TRUE(is_journal_stream(pipe_[1], stream.c_str()));
    EXPECT_FALSE(is_journal_stream(pipe_[1], fmt::format("{}:{}", info.st_dev, info.st_ino + 1).c_str()));
    EXPECT_FALSE(is_journal_stream(pipe_[1], ""));
    EXPECT_FALSE(is_journal_stream(pipe_[1], nullptr));
    EXPECT_FALSE(is_journal_stream(-1, stream.c_str()));

    event_log_options made = options("auto");
    made.journal_socket = path_;
    ASSERT_EQ(::setenv("JOURNAL_STREAM", stream.c_str(), 1), 0);
    make_event_log(made)->write(log_event_id::config_reloaded, {});
    EXPECT_THAT(datagram(), HasSubstr("config.reloaded"));
    ASSERT_EQ(::unsetenv("JOURNAL_STREAM"), 0);
    make_event_log(made)->write(log_event_id::config_reloaded, {});
    EXPECT_THAT(written(), HasSubstr("event=config.reloaded"));
}

} // namespace
} // namespace prooftrack::observe
