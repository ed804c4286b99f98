// Brokers on loopback that do not answer as one would like.

#include <array>
#include <future>
#include <string>

#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "prooftrackctl/bridge/broker.hpp"
#include "prooftrackctl/bridge/tcp_link.hpp"

namespace prooftrack::ctl {
namespace {

steady_time in(milliseconds span) { return std::chrono::steady_clock::now() + span; }

class loopback_socket {
  public:
    explicit loopback_socket(int descriptor) : descriptor_(descriptor) { EXPECT_GE(descriptor, 0); }
    loopback_socket(const loopback_socket&) = delete;
    loopback_socket& operator=(const loopback_socket&) = delete;
    ~loopback_socket() { ::close(descriptor_); }
    int descriptor() const { return descriptor_; }

  private:
    int descriptor_;
};

class listener {
  public:
    listener() {
        address_.sin_family = AF_INET;
        address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::bind(socket_.descriptor(), as_any(), sizeof address_), 0);
        EXPECT_EQ(::listen(socket_.descriptor(), 0), 0);
        socklen_t size = sizeof address_;
        EXPECT_EQ(::getsockname(socket_.descriptor(), as_any(), &size), 0);
    }
    /// Fills the queue of those who wait to be accepted: who comes now gets no answer.
    void fall_silent() {
        EXPECT_EQ(::connect(first_.descriptor(), as_any(), sizeof address_), 0);
        EXPECT_NE(::connect(second_.descriptor(), as_any(), sizeof address_), 0) << "the queue has one place";
    }
    int accept() { return ::accept4(socket_.descriptor(), nullptr, nullptr, SOCK_CLOEXEC); }
    std::uint16_t port() const { return ntohs(address_.sin_port); }
    addrinfo entry(addrinfo* next = nullptr) {
        addrinfo made{};
        made.ai_family = AF_INET;
        made.ai_socktype = SOCK_STREAM;
        made.ai_addr = as_any();
        made.ai_addrlen = sizeof address_;
        made.ai_next = next;
        return made;
    }

  private:
    sockaddr* as_any() { return reinterpret_cast<sockaddr*>(&address_); }
    static int make(int flags) { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0); }

    sockaddr_in address_{};
    loopback_socket socket_{make(0)};
    loopback_socket first_{make(0)};
    loopback_socket second_{make(SOCK_NONBLOCK)};
};

TEST(TcpLink, AnAddressThatIsSilentLeavesTimeForTheNext) {
    listener silent;
    silent.fall_silent();
    listener answering;
    addrinfo second = answering.entry();
    const addrinfo first = silent.entry(&second);
    const stop_signal stop;
    tcp_link link(stop);
    const steady_time until = in(milliseconds(1'000));
    const auto failed = link.connect_to_any(first, until);
    ASSERT_FALSE(failed) << failed->text;
    EXPECT_LT(std::chrono::steady_clock::now(), until) << "half of the time is the other's";
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    ASSERT_EQ(::getpeername(link.descriptor(), reinterpret_cast<sockaddr*>(&peer), &size), 0);
    EXPECT_EQ(ntohs(peer.sin_port), answering.port());
}

TEST(TcpLink, AnAddressThatIsSilentIsGivenUpAtTheDeadline) {
    listener silent;
    silent.fall_silent();
    const stop_signal stop;
    tcp_link link(stop);
    const auto failed = link.connect_to_any(silent.entry(), in(milliseconds(50)));
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->text, "connect: no answer in time");
    EXPECT_FALSE(failed->is_lasting);
}

/// Redis' side of one connection.
class RedisBroker : public testing::Test {
  protected:
    void open(std::uint64_t replicas) {
        broker_ = make_redis_broker(
            {{"redis", false, "127.0.0.1", listener_.port(), ""}, "", ""}, {"events", std::nullopt, replicas}, stop_);
        auto opened = std::async(std::launch::async, [this] { return broker_->open(); });
        connection_.emplace(listener_.accept());
        send("+none\r\n$13\r\naof_enabled:1\r\n"); // to TYPE and INFO
        const auto failed = opened.get();
        ASSERT_FALSE(failed) << failed->text;
        received();
    }
    void send(std::string_view reply) {
        const auto sent = ::send(connection_->descriptor(), reply.data(), reply.size(), MSG_NOSIGNAL);
        EXPECT_EQ(sent, static_cast<ssize_t>(reply.size()));
    }
    /// What has come since the last call.
    std::string received() {
        std::array<char, 4096> bytes{};
        const auto count = ::recv(connection_->descriptor(), bytes.data(), bytes.size(), MSG_DONTWAIT);
        return {bytes.data(), count > 0 ? static_cast<std::size_t>(count) : 0};
    }
    /// Waits until there is a verdict or a reason to wait on.
    std::vector<broker_verdict> wait() {
        std::vector<broker_verdict> verdicts;
        for (const steady_time end = in(seconds(10)); std::chrono::steady_clock::now() < end;) {
            const auto failed = broker_->wait(verdicts, in(milliseconds(5)));
            if (failed) ADD_FAILURE() << failed->text;
            if (failed || !verdicts.empty() || !broker_->held_up_by().empty()) break;
        }
        return verdicts;
    }

    const stop_signal stop_;
    listener listener_;
    std::optional<loopback_socket> connection_;
    std::unique_ptr<broker> broker_;
};

std::size_t count_of(std::string_view text, std::string_view word) {
    std::size_t number = 0;
    for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) ++number;
    return number;
}

TEST_F(RedisBroker, WhileAReplicaIsAwayItAsksAgainAndAddsNothingTwice) {
    open(1);
    bridge_event event;
    event.id = "evt_1";
    ASSERT_FALSE(broker_->publish(event));
    send("$3\r\n1-0\r\n:0\r\n"); // the entry's id; nobody else has it
    EXPECT_TRUE(wait().empty()) << "neither taken nor refused";
    EXPECT_EQ(broker_->held_up_by(), "0 replicas of 1 have the entries");
    std::string asked = received();
    EXPECT_EQ(count_of(asked, "XADD"), 1U);
    EXPECT_EQ(count_of(asked, "WAIT"), 1U);
    send(":1\r\n");
    std::vector<broker_verdict> verdicts;
    ASSERT_FALSE(broker_->wait(verdicts, in(seconds(10))));
    ASSERT_EQ(verdicts.size(), 1U);
    EXPECT_TRUE(verdicts[0].is_confirmed);
    EXPECT_EQ(verdicts[0].tag, 1U);
    EXPECT_EQ(broker_->held_up_by(), "");
    asked = received();
    EXPECT_EQ(count_of(asked, "XADD"), 0U) << "the entry is there";
    EXPECT_EQ(count_of(asked, "WAIT"), 1U);
}

TEST_F(RedisBroker, AnErrorOfTheWaitIsARefusal) {
    open(1);
    ASSERT_FALSE(broker_->publish({}));
    send("$3\r\n1-0\r\n-ERR no\r\n");
    const auto verdicts = wait();
    ASSERT_EQ(verdicts.size(), 1U);
    EXPECT_FALSE(verdicts[0].is_confirmed);
    EXPECT_EQ(verdicts[0].reason, "ERR no");
}

} // namespace
} // namespace prooftrack::ctl
