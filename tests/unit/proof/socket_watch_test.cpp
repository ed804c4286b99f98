#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "base/time.hpp"
#include "proof/socket_watch.hpp"

namespace prooftrack::proof {
namespace {

/// One end of a pair of sockets, watched; what it does when it is told is the test's.
class watched_end final : public watched_socket {
  public:
    explicit watched_end(std::shared_ptr<socket_watch> watch) : watch_(std::move(watch)) {
        std::array<int, 2> ends{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
        socket = ends[0];
        peer = ends[1];
        EXPECT_TRUE(watch_->add(socket, *this));
    }
    ~watched_end() {
        remove();
        ::close(socket);
        if (peer >= 0) ::close(peer);
    }
    watched_end(const watched_end&) = delete;
    watched_end& operator=(const watched_end&) = delete;

    void on_ready(bool readable, bool writable) override {
        if (readable) ++reads;
        if (writable) ++writes;
        if (then) then();
    }
    void remove() {
        if (std::exchange(removed_, true)) return;
        watch_->remove(socket, *this);
    }
    void say(const std::string& words) const {
        EXPECT_EQ(::send(peer, words.data(), words.size(), MSG_NOSIGNAL), static_cast<ssize_t>(words.size()));
    }
    std::string take() const {
        std::array<char, 64> bytes{};
        const ssize_t size = ::recv(socket, bytes.data(), bytes.size(), 0);
        return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(0, size))};
    }

    int socket = -1;
    int peer = -1;
    int reads = 0;
    int writes = 0;
    std::function<void()> then;

  private:
    std::shared_ptr<socket_watch> watch_;
    bool removed_ = false;
};

class SocketWatch : public testing::Test {
  protected:
    boost::asio::io_context io_{1};
    std::shared_ptr<socket_watch> watch_ = std::make_shared<socket_watch>(io_.get_executor());
};

TEST_F(SocketWatch, ReportsWhatCanBeReadUntilItIsReadAndTheEnd) {
    watched_end end(watch_);
    end.say("first");
    std::string heard;
    end.then = [&] {
        if (end.reads == 1) return; // not read: told again
        heard = end.take();
        if (!heard.empty()) {
            ::close(std::exchange(end.peer, -1));
        } else {
            end.remove();
        }
    };
    io_.run_for(seconds(10));
    EXPECT_EQ(end.reads, 3);
    EXPECT_EQ(heard, "") << "the end";
    EXPECT_EQ(end.writes, 0) << "nobody asked for room";
    EXPECT_TRUE(io_.stopped()) << "without sockets there is nothing to wait for";
}

TEST_F(SocketWatch, ReportsWritableOnlyWhileThatIsWanted) {
    watched_end end(watch_);
    watch_->want_writable(end.socket, end, true);
    end.then = [&] {
        watch_->want_writable(end.socket, end, false);
        end.say("x");
        if (end.reads == 1) end.remove();
    };
    io_.run_for(seconds(10));
    EXPECT_EQ(end.writes, 1);
    EXPECT_EQ(end.reads, 1);
    EXPECT_TRUE(io_.stopped());
}

TEST_F(SocketWatch, WhoWasRemovedInTheSameRoundIsNotNotified) {
    watched_end first(watch_);
    watched_end second(watch_);
    for (watched_end* each : {&first, &second}) {
        each->say("x");
        each->then = [&] {
            first.remove();
            second.remove();
        };
    }
    io_.run_for(seconds(10));
    EXPECT_EQ(first.reads + second.reads, 1);
    EXPECT_TRUE(io_.stopped());
}

TEST_F(SocketWatch, GoesOnAfterARoundOfSeveral) {
    watched_end first(watch_);
    watched_end second(watch_);
    int rounds = 0;
    const auto hear = [&](watched_end& end) {
        EXPECT_EQ(end.take(), "x");
        if (&end == &second && ++rounds < 3) {
            first.say("x");
            second.say("x");
        }
    };
    first.then = [&] {
        hear(first);
        if (first.reads == 3) first.remove();
    };
    second.then = [&] {
        hear(second);
        if (rounds == 3) second.remove();
    };
    first.say("x");
    second.say("x");
    io_.run_for(seconds(10));
    EXPECT_EQ(first.reads, 3);
    EXPECT_EQ(second.reads, 3);
}

TEST_F(SocketWatch, MoreThanOneRoundHoldsAreAllNotified) {
    std::vector<std::unique_ptr<watched_end>> ends;
    for (int i = 0; i < 200; ++i) {
        ends.push_back(std::make_unique<watched_end>(watch_));
        watched_end& each = *ends.back();
        each.say("x");
        each.then = [&each] { each.remove(); };
    }
    io_.run_for(seconds(10));
    for (const auto& each : ends) EXPECT_EQ(each->reads, 1);
    EXPECT_TRUE(io_.stopped());
}

TEST_F(SocketWatch, ASocketThatComesAfterAllWereGoneIsWatched) {
    { watched_end gone(watch_); }
    watched_end end(watch_);
    end.say("x");
    end.then = [&] { end.remove(); };
    io_.run_for(seconds(10));
    EXPECT_EQ(end.reads, 1);
    EXPECT_TRUE(io_.stopped());
}

TEST_F(SocketWatch, MayBeDroppedByOneThatItNotifies) {
    auto end = std::make_unique<watched_end>(watch_);
    end->say("x");
    bool reported = false;
    end->then = [&] {
        reported = true;
        watch_.reset();
        boost::asio::post(io_, [&] { end.reset(); });
    };
    io_.run_for(seconds(10));
    EXPECT_TRUE(reported);
    EXPECT_TRUE(io_.stopped());
}

TEST_F(SocketWatch, WhatCannotBeWatchedIsRefused) {
    watched_end end(watch_);
    EXPECT_FALSE(watch_->add(-1, end));
    EXPECT_EQ(errno, EBADF);
}

} // namespace
} // namespace prooftrack::proof
