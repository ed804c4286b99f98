// Who may come in when there is not room for everybody: clients of chosen users over socket pairs.

#include "server_fixture.hpp"

#include <boost/asio/generic/stream_protocol.hpp>

#include "api/connection_pool.hpp"
#include "api/event_hub.hpp"
#include "api/router.hpp"

namespace prooftrack::api {
namespace {

constexpr std::int64_t daemon_uid = 990;
constexpr gid_t admin_gid = 77;

class ConnectionPool : public testing::Test {
  protected:
    connection_pool& pool(std::size_t most, bool has_admins) {
        access_rules access;
        access.own_uid = daemon_uid;
        if (has_admins) access.admin_group = admin_gid;
        connection_limits limits;
        limits.stall = limits.wanted_body = seconds(60);
        if (is_hurried_) limits.wanted_body = milliseconds(100);
        limits.last_words = milliseconds(100);
        pool_.emplace(
            loop_.get_executor(), router_,
            connection_pool::settings{place_limits::shared(most, has_admins), access, limits},
            [this](const api_request_fact& fact) { answered_.push_back(fact.status); });
        return *pool_;
    }
    raw_client connect(std::int64_t uid, std::int64_t gid = 1) {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        connection::socket_type socket(loop_);
        socket.assign(boost::asio::generic::stream_protocol(AF_UNIX, 0), ends[0]);
        EXPECT_TRUE(pool_->may_accept());
        pool_->adopt(std::move(socket), {uid, gid, 1, {}});
        return {loop_, ends[1]};
    }
    raw_client wait(std::int64_t uid) {
        raw_client made = connect(uid);
        const std::size_t before = backend_.waits.size();
        made.send("GET /v1/transactions/abc?wait=10m HTTP/1.1\r\n\r\n");
        EXPECT_TRUE(made.wait_for([&] { return backend_.waits.size() > before; })) << uid;
        return made;
    }
    std::vector<raw_client> fill(std::int64_t uid, std::size_t count) {
        std::vector<raw_client> made;
        for (std::size_t i = 0; i < count; ++i) made.push_back(wait(uid));
        return made;
    }
    static int status_of(const std::string& answer) {
        return answer.starts_with("HTTP/1.1 ") ? std::stoi(answer.substr(9, 3)) : 0;
    }
    int ask(raw_client& client) { return status_of(client.ask("GET /healthz HTTP/1.1\r\n\r\n")); }

    boost::asio::io_context loop_{1};
    fake_backend backend_;
    event_hub hub_{loop_.get_executor(), backend_};
    router router_{loop_.get_executor(), backend_, hub_};
    std::vector<int> answered_;
    bool is_hurried_ = false;
    std::optional<connection_pool> pool_;
};

TEST_F(ConnectionPool, OneUsersWaitsLeaveRoomForTheOthers) {
    backend_.add("abc");
    pool(32, false); // 2 kept, 15 a user
    const auto waits = fill(1001, 15);
    auto another = connect(1001);
    another.send("GET /healthz HTTP/1.1\r\n\r\n"); // as most clients do before they read
    const std::string answer = another.take_answer();
    EXPECT_EQ(status_of(answer), 429);
    EXPECT_NE(answer.find("\"code\":\"too_many_connections\""), std::string::npos);
    EXPECT_NE(answer.find("user 1001 has 15 connections"), std::string::npos) << answer;
    EXPECT_NE(answer.find("Retry-After: 1\r\n"), std::string::npos);
    EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos);
    another.end_input();
    EXPECT_TRUE(another.wait_for_end());
    EXPECT_EQ(answered_, std::vector{429});
    auto neighbour = connect(1002);
    EXPECT_EQ(ask(neighbour), 200);
    EXPECT_EQ(backend_.waits.size(), 15U) << "a wait in progress is left alone";
    EXPECT_TRUE(backend_.cancelled.empty());
}

TEST_F(ConnectionPool, AUsersOwnIdleConnectionMakesWayForItsNext) {
    backend_.add("abc");
    pool(32, false);
    const auto waits = fill(1001, 14);
    auto idle = connect(1001);
    EXPECT_EQ(ask(idle), 200);
    auto other = connect(1002);
    EXPECT_EQ(ask(other), 200);
    auto next = connect(1001);
    EXPECT_EQ(ask(next), 200);
    EXPECT_TRUE(idle.wait_for_end());
    EXPECT_EQ(ask(other), 200) << "and nobody else's";
}

TEST_F(ConnectionPool, ManyUsersLeaveRoomForAdminsAndOwners) {
    backend_.add("abc");
    pool(32, true); // 2 kept for owners, 2 for admins
    std::vector<raw_client> waits;
    for (int user = 0; user < 28; ++user) waits.push_back(wait(2000 + user));
    auto reader = connect(3000);
    const std::string answer = reader.take_answer();
    EXPECT_EQ(status_of(answer), 503);
    EXPECT_NE(answer.find("\"code\":\"unavailable\""), std::string::npos);
    auto admin = connect(500, admin_gid);
    EXPECT_EQ(ask(admin), 200);
    waits.push_back(wait(0));
    waits.push_back(wait(daemon_uid));
    auto root = connect(0);
    EXPECT_EQ(ask(root), 200);
    EXPECT_EQ(backend_.waits.size(), 30U);
}

TEST_F(ConnectionPool, OneWithoutAPlaceIsClosedWithoutWaitingForItsClient) {
    backend_.add("abc");
    pool(16, false);
    const auto waits = fill(1001, 8);
    std::vector<raw_client> others;
    for (int i = 0; i < 100; ++i) others.push_back(connect(1001));
    EXPECT_LE(pool_->size(), 8U + 32U) << "and there are few of them";
    EXPECT_TRUE(others.back().wait_for([&] { return pool_->size() == 8; }));
    EXPECT_EQ(status_of(others.front().take_answer()), 429);
}

TEST_F(ConnectionPool, ALoweredLimitHoldsForTheNext) {
    backend_.add("abc");
    pool(64, false);
    const auto waits = fill(1001, 20);
    pool_->reconfigure(place_limits::shared(32, false), {});
    auto next = connect(1001);
    EXPECT_EQ(status_of(next.take_answer()), 429);
    EXPECT_EQ(backend_.waits.size(), 20U);
}

TEST_F(ConnectionPool, ManySlowPostsOfOneUserLeaveMemoryForTheOthers) {
    pool(1'000, false);
    std::vector<raw_client> slow;
    for (int i = 0; i < 200; ++i) {
        slow.push_back(connect(1001));
        slow.back().send("POST /v1/hints HTTP/1.1\r\nContent-Length: 65536\r\n\r\n{");
    }
    const std::string hint =
        "POST /v1/hints HTTP/1.1\r\nContent-Length: 33\r\n\r\n{\"merchant_transaction_id\":\"abc\"}";
    auto neighbour = connect(1002);
    EXPECT_EQ(status_of(neighbour.ask(hint)), 202);
    auto root = connect(0);
    EXPECT_EQ(status_of(root.ask(hint)), 202);
}

TEST_F(ConnectionPool, ASlowImportGivesWayWhenAnotherUserWaits) {
    is_hurried_ = true;
    pool(32, false);
    const std::string begun = fmt::format(
        "POST /v1/transactions HTTP/1.1\r\nContent-Type: application/x-ndjson\r\nContent-Length: {}\r\n"
        "Expect: 100-continue\r\n\r\n",
        max_import_bytes);
    auto slow = connect(1001);
    slow.send(begun);
    ASSERT_TRUE(slow.wait_for_text("100 Continue"));
    auto next = connect(1002);
    next.send(begun);
    auto until = std::chrono::steady_clock::now();
    const bool went_on = next.wait_for([&] {
        if (std::chrono::steady_clock::now() >= until) {
            until += milliseconds(20);
            ::send(slow.native(), "\n", 1, MSG_NOSIGNAL);
        }
        next.receive();
        slow.receive();
        return next.received().find("100 Continue") != std::string::npos;
    });
    EXPECT_TRUE(went_on);
    EXPECT_NE(slow.received().find("HTTP/1.1 408 "), std::string::npos);
}

} // namespace
} // namespace prooftrack::api
