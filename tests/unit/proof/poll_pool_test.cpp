// The pool's own rules with short times in place of minutes.

#include <gtest/gtest.h>

#include "client_harness.hpp"
#include "proof/poll_pool.hpp"

namespace prooftrack::proof {
namespace {

using namespace testing_support;
using namespace std::chrono_literals;

class PollPool : public testing::Test {
  protected:
    /// Polls `count` ids one after the other over a pool with these rules.
    void poll_with(const connection_rules& rules, std::size_t count, milliseconds pause = 0ms) {
        client_context context(
            io_.get_executor(), prepare_proof_setup(client_harness::options_for(server_), secret("token-1")),
            observer_);
        context.rules = rules;
        poll_pool pool(context, source_);
        for (std::size_t i = 0; i < count; ++i) {
            source_.due.push_back("tx-" + std::to_string(i));
            pool.wake(client_harness::at_once);
            run([&] { return source_.answers.size() > i; });
            if (pause > 0ms) run_for(pause);
        }
        run([&] { return observer_.busy == 0; });
        last_idle_ = observer_.idle;
    }

    void run_for(milliseconds time) {
        io_.restart();
        io_.run_for(time);
    }
    template <class Condition>
    void run(Condition condition) {
        const auto until = std::chrono::steady_clock::now() + 20s;
        while (!condition() && std::chrono::steady_clock::now() < until) {
            io_.restart();
            io_.run_one_for(5ms);
        }
        ASSERT_TRUE(condition());
    }

    scripted_http_server server_{serve_well};
    boost::asio::io_context io_{1};
    scripted_source source_;
    recording_observer observer_;
    std::size_t last_idle_ = 0;
};

TEST_F(PollPool, OpensForAsManyPollsAsAreWantedAtOnceAndClosesTheRest) {
    client_context context(
        io_.get_executor(), prepare_proof_setup(client_harness::options_for(server_), secret("token-1")), observer_);
    poll_pool pool(context, source_);
    const auto poll = [&](std::size_t count, std::size_t at_once) {
        const std::size_t before = source_.answers.size();
        for (std::size_t i = 0; i < count; ++i) source_.due.push_back("tx-" + std::to_string(before + i));
        pool.wake(at_once);
        run([&] { return source_.answers.size() == before + count; });
    };
    poll(200, 2);
    EXPECT_LE(server_.connections(), 2U);
    poll(200, 16);
    run([&] { return server_.connections() > 2; }); // each new one finds work: they double
    EXPECT_LE(server_.connections(), 16U + 2U);
    poll(1, 2);
    run([&] { return observer_.idle + observer_.busy <= 2; });
    EXPECT_EQ(pool.most_at_once(), context.options().connections);
}

TEST_F(PollPool, ReplacesAConnectionAfterItsRequests) {
    connection_rules rules;
    rules.requests = 10;
    poll_with(rules, 100);
    EXPECT_GE(server_.connections(), 8U);
    EXPECT_LE(server_.connections(), 14U);
    for (const auto& each : source_.answers) EXPECT_EQ(each.answer.what, track::reply_class::good);
    EXPECT_TRUE(source_.repeats_asked.empty());
}

TEST_F(PollPool, ReplacesAConnectionAtItsAge) {
    connection_rules rules;
    rules.age = 50ms;
    poll_with(rules, 5, 70ms);
    EXPECT_GE(server_.connections(), 5U) << "more only where connecting alone takes that long";
    EXPECT_EQ(last_idle_, 0U) << "an idle one is closed at its age";
    EXPECT_TRUE(source_.repeats_asked.empty());
}

TEST_F(PollPool, ClosesAConnectionThatIsIdleForLong) {
    connection_rules rules;
    rules.idle = 30ms;
    poll_with(rules, 1, 60ms);
    EXPECT_EQ(last_idle_, 0U);
}

TEST_F(PollPool, KeepsAConnectionThatIsIdleForAShortWhile) {
    poll_with({}, 3, 60ms);
    EXPECT_EQ(server_.connections(), 1U);
    EXPECT_EQ(last_idle_, 1U);
}

} // namespace
} // namespace prooftrack::proof
