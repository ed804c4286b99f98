#include "server_fixture.hpp"

#include <fstream>

#include <grp.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "api/peer.hpp"

namespace prooftrack::api {
namespace {

class ServerSocket : public server_test {
  protected:
    /// The exit status and the message of a start that must fail.
    std::pair<int, std::string> refused_start() {
        try {
            start();
        } catch (const api_start_error& error) {
            return {error.exit_status(), error.what()};
        }
        return {0, ""};
    }
    struct stat look() const {
        struct stat state {};
        EXPECT_EQ(::lstat(options_.socket.c_str(), &state), 0);
        return state;
    }
    int listen_at(const std::filesystem::path& path) {
        const int made = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.native().copy(address.sun_path, sizeof(address.sun_path) - 1);
        EXPECT_EQ(::bind(made, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(::listen(made, 8), 0);
        return made;
    }
};

TEST_F(ServerSocket, HasTheModeAndNothingElseIsLeftInItsFolder) {
    options_.mode = 0640;
    start();
    EXPECT_EQ(look().st_mode & 07777U, 0640U);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(ServerSocket, BelongsToItsGroup) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    const auto nogroup = find_group("daemon");
    ASSERT_TRUE(nogroup);
    options_.group = nogroup;
    start();
    EXPECT_EQ(look().st_gid, *nogroup);
    EXPECT_EQ(look().st_mode & 07777U, 0660U);
}

TEST_F(ServerSocket, TakesAStaleSocketOver) {
    ::close(listen_at(options_.socket));
    start();
    auto client = connect();
    EXPECT_EQ(status_of(client.ask(get("/healthz"))), 200);
}

TEST_F(ServerSocket, LeavesALiveSocketAlone) {
    const int other = listen_at(options_.socket);
    const auto before = look().st_ino;
    const auto [status, message] = refused_start();
    EXPECT_EQ(status, 75);
    EXPECT_NE(message.find("socket in use"), std::string::npos);
    EXPECT_EQ(look().st_ino, before);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
    ::close(other);
}

TEST_F(ServerSocket, LeavesALiveSocketWithAFullBacklogAlone) {
    const int other = listen_at(options_.socket);
    ASSERT_EQ(::listen(other, 0), 0);
    std::vector<raw_client> clients;
    for (int i = 0; i < 4; ++i) {
        const int one = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        options_.socket.native().copy(address.sun_path, sizeof(address.sun_path) - 1);
        const int ignored = ::connect(one, reinterpret_cast<const sockaddr*>(&address), sizeof address);
        (void)ignored;
        clients.emplace_back(loop_, one);
    }
    EXPECT_EQ(refused_start().first, 75);
    ::close(other);
}

TEST_F(ServerSocket, LeavesAnythingElseAtItsPathAlone) {
    std::ofstream(options_.socket) << "precious";
    EXPECT_EQ(refused_start().first, 78);
    EXPECT_TRUE(std::filesystem::is_regular_file(options_.socket));
    std::filesystem::remove(options_.socket);
    std::filesystem::create_symlink(folder_ / "elsewhere", options_.socket);
    EXPECT_EQ(refused_start().first, 78);
}

TEST_F(ServerSocket, NeedsItsFolderAndAPathThatFits) {
    options_.socket = folder_ / "missing" / "api.sock";
    EXPECT_EQ(refused_start().first, 75);
    const std::size_t room = 107 - folder_.native().size() - 1;
    options_.socket = folder_ / std::string(room + 1, 's');
    const auto [status, message] = refused_start();
    EXPECT_EQ(status, 78);
    EXPECT_NE(message.find("107"), std::string::npos);
    options_.socket = folder_ / std::string(room, 's');
    EXPECT_EQ(refused_start().first, 0);
}

TEST_F(ServerSocket, ASecondServerDoesNotTakeALiveOneOver) {
    start();
    auto second = make_api_server(loop_.get_executor(), options_, backend_, observer_);
    EXPECT_THROW(second->start(), api_start_error);
    second.reset();
    auto client = connect();
    EXPECT_EQ(status_of(client.ask(get("/healthz"))), 200);
}

TEST_F(ServerSocket, AtTheStopRemovesOnlyItsOwnName) {
    start();
    std::filesystem::remove(options_.socket);
    const int other = listen_at(options_.socket); // somebody took the name over
    server_->stop(seconds(1), [] {});
    EXPECT_TRUE(std::filesystem::exists(options_.socket));
    turn();
    server_.reset();
    EXPECT_TRUE(std::filesystem::exists(options_.socket));
    ::close(other);
}

TEST_F(ServerSocket, APassedSocketIsServedAndItsNameStays) {
    options_.passed_descriptor = listen_at(options_.socket);
    options_.mode = 0600;
    const auto mode = look().st_mode;
    start();
    auto client = connect();
    EXPECT_EQ(status_of(client.ask(get("/healthz"))), 200);
    EXPECT_EQ(look().st_mode, mode); // the unit's, not ours
    server_->stop(seconds(1), [] {});
    turn();
    server_.reset();
    EXPECT_TRUE(std::filesystem::exists(options_.socket));
}

TEST_F(ServerSocket, APassedDescriptorThatDoesNotListenIsRefused) {
    options_.passed_descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_EQ(refused_start().first, 78);
    options_.passed_descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(refused_start().first, 78);
    options_.passed_descriptor = ::open("/dev/null", O_RDONLY);
    EXPECT_EQ(refused_start().first, 78);
}

/// Asks as another user: a child that gave its rights up talks to the server, which this process turns.
class ServerAccess : public ServerSocket {
  protected:
    std::string ask_as(uid_t uid, gid_t gid, const std::vector<gid_t>& groups, const std::string& request) {
        int answers[2];
        EXPECT_EQ(::pipe(answers), 0);
        std::filesystem::permissions(folder_, std::filesystem::perms::all);
        const pid_t child = ::fork();
        if (child == 0) {
            const bool dropped =
                ::setgroups(groups.size(), groups.data()) == 0 && ::setgid(gid) == 0 && ::setuid(uid) == 0;
            const int one = ::socket(AF_UNIX, SOCK_STREAM, 0);
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            options_.socket.native().copy(address.sun_path, sizeof(address.sun_path) - 1);
            if (!dropped || ::connect(one, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
                ::_exit(1);
            if (::write(one, request.data(), request.size()) < 0) ::_exit(2);
            char buffer[4096];
            const ssize_t count = ::read(one, buffer, sizeof buffer);
            if (count > 0 && ::write(answers[1], buffer, static_cast<std::size_t>(count)) < 0) ::_exit(3);
            ::_exit(0);
        }
        ::close(answers[1]);
        raw_client nobody(loop_, answers[0]);
        int status = 0;
        EXPECT_TRUE(nobody.wait_for([&] { return ::waitpid(child, &status, WNOHANG) == child; }));
        char buffer[4096];
        const ssize_t count = ::read(answers[0], buffer, sizeof buffer);
        return count > 0 ? std::string(buffer, static_cast<std::size_t>(count)) : std::string();
    }
    int change_as(uid_t uid, gid_t gid, const std::vector<gid_t>& groups) {
        return status_of(ask_as(uid, gid, groups, post("/v1/transactions", R"({"merchant_transaction_id":"abc"})")));
    }
    int read_as(uid_t uid, gid_t gid) { return status_of(ask_as(uid, gid, {}, get("/v1/status"))); }
};

TEST_F(ServerAccess, WithoutAnAdminGroupWhoeverConnectsMayChange) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    options_.mode = 0666;
    start();
    EXPECT_EQ(change_as(12345, 12345, {}), 201);
    EXPECT_EQ(backend_.last_who.uid, 12345);
}

TEST_F(ServerAccess, WithOneOnlyRootTheOwnUserAndMembersMayChange) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    const gid_t admins = *find_group("daemon");
    options_.mode = 0666;
    options_.admin_group = admins;
    start();
    EXPECT_EQ(change_as(12345, 12345, {}), 403);
    EXPECT_EQ(read_as(12345, 12345), 200);
    EXPECT_EQ(status_of(ask_as(12345, 12345, {}, get("/v1/backup"))), 403);
    EXPECT_EQ(status_of(ask_as(12345, 12345, {}, get("/v1/users/u/kyc-status"))), 403);
    EXPECT_TRUE(backend_.calls.empty());
    EXPECT_EQ(change_as(12345, admins, {}), 201);
    EXPECT_EQ(change_as(12345, 12345, {1111, admins}), 200);
    std::vector<gid_t> many;
    for (gid_t gid = 20'000; gid < 20'200; ++gid) many.push_back(gid);
    EXPECT_EQ(change_as(12345, 12345, many), 403);
    many.push_back(admins);
    EXPECT_EQ(change_as(12345, 12345, many), 200);
    EXPECT_EQ(change_as(0, 0, {}), 200);
    EXPECT_EQ(change_as(65534, 12345, {admins}), 403); // nobody in particular
    server_->reconfigure(10, std::nullopt);
    EXPECT_EQ(change_as(12345, 12345, {}), 200);
    server_->reconfigure(10, admins);
    EXPECT_EQ(change_as(12345, 12345, {}), 403);
}

TEST(Access, IsDecidedByUserAndGroups) {
    access_rules rules;
    rules.own_uid = 500;
    EXPECT_TRUE(may_change(rules, {12345, 1, 1, {}}));
    rules.admin_group = 42;
    EXPECT_FALSE(may_change(rules, {12345, 1, 1, {}}));
    EXPECT_TRUE(may_change(rules, {0, 1, 1, {}}));
    EXPECT_TRUE(may_change(rules, {500, 1, 1, {}}));
    EXPECT_TRUE(may_change(rules, {12345, 42, 1, {}}));
    EXPECT_TRUE(may_change(rules, {12345, 1, 1, {7, 42}}));
    EXPECT_FALSE(may_change(rules, {65534, 42, 1, {42}}));
    EXPECT_FALSE(may_change(rules, {-1, -1, -1, {}}));
    rules.own_uid = 65534;
    EXPECT_FALSE(may_change(rules, {65534, 1, 1, {}}));
    rules.admin_group = 65534;
    EXPECT_FALSE(may_change(rules, {12345, 65534, 1, {65534}}));
}

class MetricsListener : public server_test {
  protected:
    /// Starts it on a free port and connects.
    raw_client scrape() {
        const int one = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (!server_) {
            socklen_t size = sizeof address;
            const int finder = ::socket(AF_INET, SOCK_STREAM, 0);
            EXPECT_EQ(::bind(finder, reinterpret_cast<const sockaddr*>(&address), size), 0);
            EXPECT_EQ(::getsockname(finder, reinterpret_cast<sockaddr*>(&address), &size), 0);
            ::close(finder);
            port_ = address.sin_port;
            server_ = make_metrics_listener(
                loop_.get_executor(), fmt::format("127.0.0.1:{}", ntohs(port_)), backend_, observer_, limits_);
            server_->start();
        }
        address.sin_port = port_;
        EXPECT_EQ(::connect(one, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        return {loop_, one};
    }
    in_port_t port_ = 0;
    connection_limits limits_ = metrics_limits();
};

TEST_F(MetricsListener, ServesMetricsAndNothingElse) {
    auto client = scrape();
    const std::string answer = client.ask(get("/metrics"));
    EXPECT_EQ(status_of(answer), 200);
    EXPECT_TRUE(answer.ends_with(backend_.metrics));
    for (const char* path : {"/v1/status", "/healthz", "/", "/metrics/"})
        EXPECT_EQ(status_of(client.ask(get(path))), 404) << path;
    EXPECT_EQ(status_of(client.ask(post("/v1/transactions", "{}"))), 404);
    EXPECT_EQ(status_of(client.ask("DELETE /metrics HTTP/1.1\r\n\r\n")), 405);
    EXPECT_TRUE(backend_.calls.empty());
}

TEST_F(MetricsListener, KeepsFewClients) {
    std::vector<raw_client> clients;
    for (int i = 0; i < 40; ++i) {
        clients.push_back(scrape());
        EXPECT_EQ(status_of(clients.back().ask(get("/metrics"))), 200);
        EXPECT_LE(server_->connections(), 16U);
    }
    bool stopped = false;
    server_->stop(seconds(1), [&] { stopped = true; });
    EXPECT_TRUE(turn_until([&] { return stopped; }));
}

TEST_F(MetricsListener, OnesThatStopInTheMiddleMakeRoom) {
    std::vector<raw_client> silent;
    for (int i = 0; i < 24; ++i) {
        silent.push_back(scrape());
        silent.back().send("GET /met");
        turn();
    }
    auto client = scrape();
    client.send(get("/metrics"));
    EXPECT_TRUE(client.wait_for_text(backend_.metrics, seconds(5)));
    EXPECT_LE(server_->connections(), 16U);
}

TEST_F(MetricsListener, OneThatNeverAsksIsClosed) {
    limits_.first_request = milliseconds(200);
    auto client = scrape();
    EXPECT_TRUE(client.wait_for_end());
    EXPECT_EQ(client.received(), "");
}

TEST_F(MetricsListener, ListensOnLoopbackAlone) {
    for (const char* bad :
         {"0.0.0.0:9464", "192.0.2.1:9464", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "example.com:1",
          "[::]:9464"}) {
        auto listener = make_metrics_listener(loop_.get_executor(), bad, backend_, observer_);
        try {
            listener->start();
            ADD_FAILURE() << bad;
        } catch (const api_start_error& error) {
            EXPECT_EQ(error.exit_status(), 78) << bad;
        }
    }
    for (const char* host : {"localhost:0", "LocalHost:0"})
        make_metrics_listener(loop_.get_executor(), host, backend_, observer_)->start();
}

TEST_F(MetricsListener, AnotherAddressIsTakenWhenItIsMeant) {
    const auto exit_status = [this](const char* listen) {
        auto listener = make_metrics_listener(
            loop_.get_executor(), listen, backend_, observer_, metrics_limits(), metrics_reach::anywhere);
        try {
            listener->start();
            return 0;
        } catch (const api_start_error& error) {
            return error.exit_status();
        }
    };
    EXPECT_EQ(exit_status("192.0.2.1:9464"), 75) << "no address of this machine: it could become one";
    EXPECT_EQ(exit_status("127.0.0.1:0"), 0);
    EXPECT_EQ(exit_status("example.com:9464"), 78);
}

TEST_F(MetricsListener, APortInUseIs75) {
    auto client = scrape();
    auto second =
        make_metrics_listener(loop_.get_executor(), fmt::format("127.0.0.1:{}", ntohs(port_)), backend_, observer_);
    try {
        second->start();
        ADD_FAILURE() << "started";
    } catch (const api_start_error& error) {
        EXPECT_EQ(error.exit_status(), 75);
    }
}

} // namespace
} // namespace prooftrack::api
