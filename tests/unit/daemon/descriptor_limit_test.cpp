// How many descriptors the daemon may have open, and whether its configuration fits.

#include "prooftrackd/descriptor_limit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

namespace prooftrack::daemon {
namespace {

using testing::HasSubstr;

/// Gives the process's own limit back.
class DescriptorLimit : public testing::Test {
  protected:
    DescriptorLimit() { ::getrlimit(RLIMIT_NOFILE, &before_); }
    ~DescriptorLimit() override { ::setrlimit(RLIMIT_NOFILE, &before_); }

    rlimit before_{};
};

TEST_F(DescriptorLimit, TheSoftLimitIsRaisedToTheHardOne) {
    const rlimit low{256, before_.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    raise_descriptor_limit();
    rlimit now{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &now), 0);
    EXPECT_EQ(now.rlim_cur, before_.rlim_max);
    EXPECT_EQ(now.rlim_max, before_.rlim_max);
}

TEST_F(DescriptorLimit, TheHardLimitIsThatOfTheProcessWhateverTheSoftOneIs) {
    const rlimit low{256, before_.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    EXPECT_EQ(hard_descriptor_limit(), before_.rlim_max);
}

TEST(DescriptorShortage, CountsClientsConnectionsAndDeliveries) {
    config::configuration config;
    config.api.max_clients = 1'000;
    config.proof.connections = 200;
    EXPECT_EQ(descriptor_shortage(config, 1'296), std::nullopt) << "96 of its own";
    const auto shortage = descriptor_shortage(config, 1'295);
    ASSERT_TRUE(shortage);
    EXPECT_THAT(*shortage, HasSubstr("may open 1295 files"));
    EXPECT_THAT(*shortage, HasSubstr("add up to 1296"));
    EXPECT_THAT(*shortage, HasSubstr("LimitNOFILE="));
    for (const std::size_t in_flight : {16U, 3U}) config.callbacks.emplace_back().max_in_flight = in_flight;
    EXPECT_THAT(descriptor_shortage(config, 1'314).value_or(""), HasSubstr("add up to 1315"));
    EXPECT_EQ(descriptor_shortage(config, 1'315), std::nullopt);
}

TEST(DescriptorShortage, AutomaticConnectionsAreWhatTheOthersLeave) {
    config::configuration config;
    config.api.max_clients = 1'000;
    EXPECT_EQ(connections_within(config, RLIM_INFINITY), 1'024U);
    EXPECT_EQ(connections_within(config, 2'119), 1'023U);
    EXPECT_EQ(connections_within(config, 1'104), 8U);
    EXPECT_EQ(descriptor_shortage(config, 1'104), std::nullopt);
    EXPECT_EQ(connections_within(config, 100), 8U) << "no fewer: the shortage is told of";
    EXPECT_THAT(descriptor_shortage(config, 1'103).value_or(""), HasSubstr("add up to 1104"));
    config.proof.connections = 2'000;
    EXPECT_EQ(connections_within(config, 100), 2'000U);
}

TEST(DescriptorShortage, NoLimitIsEnough) { EXPECT_EQ(descriptor_shortage({}, RLIM_INFINITY), std::nullopt); }

} // namespace
} // namespace prooftrack::daemon
