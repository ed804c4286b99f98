#include "net/resolver.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <string>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "net/error.hpp"
#include "support/run_task.hpp"

namespace prooftrack::net {
namespace {

namespace asio = boost::asio;
using testing_support::run_task;
using testing_support::run_until;

address_list addresses(std::initializer_list<const char*> texts) {
    address_list list;
    for (const char* text : texts) list.push_back(asio::ip::make_address(text));
    return list;
}

/// A lookup that waits until the test lets it go. Shared, because the helper thread may outlive the test's frame.
struct gate {
    std::promise<void> opened;
    std::shared_future<void> open = opened.get_future().share();
    std::atomic<int> lookups = 0;
};

TEST(HostResolver, ALiteralAddressNeedsNoLookup) {
    asio::io_context io(1);
    resolver_options options;
    options.lookup = [](const std::string&) -> result<address_list> { throw std::logic_error("looked up"); };
    host_resolver resolver(io.get_executor(), options);
    EXPECT_EQ(run_task(io, resolver.async_resolve("127.0.0.1")).value(), addresses({"127.0.0.1"}));
    EXPECT_EQ(run_task(io, resolver.async_resolve("::1")).value(), addresses({"::1"}));
}

TEST(HostResolver, TheSystemKnowsLocalhost) {
    asio::io_context io(1);
    host_resolver resolver(io.get_executor());
    const auto found = run_task(io, resolver.async_resolve("localhost"));
    ASSERT_TRUE(found.has_value());
    for (const auto& address : *found) EXPECT_TRUE(address.is_loopback()) << address;
}

TEST(HostResolver, NeverAnswersFromInsideTheCall) {
    asio::io_context io(1);
    host_resolver resolver(io.get_executor());
    bool answered = false;
    resolver.resolve("127.0.0.1", [&](const op_result<address_list>&) { answered = true; });
    EXPECT_FALSE(answered);
    io.run();
    EXPECT_TRUE(answered);
}

TEST(HostResolver, JoinsLookupsOfOneNameAndKeepsTheAnswerFresh) {
    asio::io_context io(1);
    const auto shared = std::make_shared<gate>();
    resolver_options options;
    options.fresh_for = std::chrono::hours(1);
    options.lookup = [shared](const std::string&) -> result<address_list> {
        ++shared->lookups;
        shared->open.wait();
        return addresses({"192.0.2.1"});
    };
    host_resolver resolver(io.get_executor(), options);
    int answered = 0;
    for (int i = 0; i < 5; ++i) {
        resolver.resolve(
            "a.example", [&](const op_result<address_list>& found) { answered += found.has_value() ? 1 : 0; });
    }
    shared->opened.set_value();
    run_until(io, [&] { return answered == 5; });
    EXPECT_TRUE(run_task(io, resolver.async_resolve("a.example")).has_value());
    EXPECT_EQ(shared->lookups, 1);
}

TEST(HostResolver, UsesTheLastGoodAnswerWhenDnsIsDead) {
    asio::io_context io(1);
    std::atomic<int> round = 0;
    resolver_options options;
    options.fresh_for = steady_duration::zero();
    options.lookup = [&](const std::string&) -> result<address_list> {
        if (round++ == 0) return addresses({"192.0.2.1"});
        return error_code(asio::error::host_not_found_try_again);
    };
    host_resolver resolver(io.get_executor(), options);
    EXPECT_TRUE(run_task(io, resolver.async_resolve("a.example")).has_value());
    EXPECT_EQ(run_task(io, resolver.async_resolve("a.example")).value(), addresses({"192.0.2.1"}));
    const auto other = run_task(io, resolver.async_resolve("b.example"));
    ASSERT_TRUE(other.has_error());
    EXPECT_EQ(other.error().operation, "resolve b.example");
}

TEST(HostResolver, BelievesThatANameHasGone) {
    asio::io_context io(1);
    std::atomic<int> round = 0;
    resolver_options options;
    options.fresh_for = steady_duration::zero();
    options.lookup = [&](const std::string&) -> result<address_list> {
        if (round++ == 0) return addresses({"192.0.2.1"});
        if (round == 2) return address_list();
        return make_error_code(net_error::no_address);
    };
    host_resolver resolver(io.get_executor(), options);
    EXPECT_TRUE(run_task(io, resolver.async_resolve("a.example")).has_value());
    for (int i = 0; i < 2; ++i) {
        const auto gone = run_task(io, resolver.async_resolve("a.example"));
        ASSERT_TRUE(gone.has_error());
        EXPECT_EQ(gone.error().code, net_error::no_address);
    }
}

TEST(HostResolver, AHungLookupEndsAtTheDeadlineAndItsLateAnswerIsRemembered) {
    asio::io_context io(1);
    const auto shared = std::make_shared<gate>();
    resolver_options options;
    options.deadline = milliseconds(20);
    options.fresh_for = std::chrono::hours(1);
    options.lookup = [shared](const std::string&) -> result<address_list> {
        ++shared->lookups;
        shared->open.wait();
        return addresses({"192.0.2.7"});
    };
    host_resolver resolver(io.get_executor(), options);
    const auto hung = run_task(io, resolver.async_resolve("a.example"));
    ASSERT_TRUE(hung.has_error());
    EXPECT_EQ(hung.error().code, net_error::timed_out);
    shared->opened.set_value();
    bool known = false;
    run_until(io, [&] {
        const auto found = run_task(io, resolver.async_resolve("a.example"));
        known = found.has_value();
        return known;
    });
    EXPECT_TRUE(known);
}

TEST(HostResolver, WhileDnsHangsARepeatedNameIsQueuedOnce) {
    asio::io_context io(1);
    const auto shared = std::make_shared<gate>();
    resolver_options options;
    options.deadline = milliseconds(5);
    options.fresh_for = steady_duration::zero();
    options.lookup = [shared](const std::string& host) -> result<address_list> {
        if (host == "again.example") ++shared->lookups;
        shared->open.wait();
        return addresses({"192.0.2.7"});
    };
    host_resolver resolver(io.get_executor(), options);
    EXPECT_TRUE(run_task(io, resolver.async_resolve("hung.example")).has_error());
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(run_task(io, resolver.async_resolve("again.example")).has_error());
    shared->opened.set_value();
    // Not by its deadline: the thread has then worked off what was queued before.
    run_until(io, [&] { return run_task(io, resolver.async_resolve("last.example")).has_value(); });
    EXPECT_EQ(shared->lookups, 1);
}

TEST(HostResolver, WithMoreThreadsAHungNameDelaysNobody) {
    asio::io_context io(1);
    const auto shared = std::make_shared<gate>();
    resolver_options options;
    options.threads = 2;
    options.deadline = seconds(20);
    options.lookup = [shared](const std::string& host) -> result<address_list> {
        if (host == "hung.example") shared->open.wait();
        return addresses({"192.0.2.7"});
    };
    host_resolver resolver(io.get_executor(), options);
    bool hung_answered = false;
    resolver.resolve("hung.example", [&](const op_result<address_list>&) { hung_answered = true; });
    EXPECT_TRUE(run_task(io, resolver.async_resolve("b.example")).has_value());
    EXPECT_FALSE(hung_answered);
    shared->opened.set_value();
    run_until(io, [&] { return hung_answered; });
}

TEST(HostResolver, DestroyingItNeitherWaitsNorCallsBack) {
    const auto shared = std::make_shared<gate>();
    bool answered = false;
    {
        asio::io_context io(1);
        {
            resolver_options options;
            options.lookup = [shared](const std::string&) -> result<address_list> {
                shared->open.wait();
                return addresses({"192.0.2.7"});
            };
            host_resolver resolver(io.get_executor(), options);
            resolver.resolve("hung.example", [&](const op_result<address_list>&) { answered = true; });
            io.poll();
        }
        io.restart();
        io.run();
    }
    shared->opened.set_value(); // the thread that is left behind finds the loop gone and ends
    EXPECT_FALSE(answered);
}

TEST(HostResolver, RemembersABoundedNumberOfHosts) {
    asio::io_context io(1);
    std::atomic<int> lookups = 0;
    resolver_options options;
    options.fresh_for = std::chrono::hours(1);
    options.max_hosts = 2;
    options.lookup = [&](const std::string&) -> result<address_list> {
        ++lookups;
        return addresses({"192.0.2.7"});
    };
    host_resolver resolver(io.get_executor(), options);
    for (const char* host : {"a.example", "b.example", "c.example", "c.example", "a.example"})
        EXPECT_TRUE(run_task(io, resolver.async_resolve(host)).has_value());
    EXPECT_EQ(lookups, 4) << "a was forgotten for c";
}

} // namespace
} // namespace prooftrack::net
