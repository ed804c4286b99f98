#include "store/shard_assignment.hpp"

#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "store/cluster.hpp"

namespace prooftrack::store {
namespace {

std::vector<std::string> make_names(std::size_t number) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < number; ++i) names.push_back("shop-" + std::to_string(i));
    return names;
}

std::array<std::string, shard_count> owners_of(const std::vector<std::string>& living) {
    std::array<std::string, shard_count> owners;
    const auto assigned = assign_shards(living);
    for (std::size_t i = 0; i < shard_count; ++i)
        owners[i] = assigned[i] < 0 ? "" : living.at(static_cast<std::size_t>(assigned[i]));
    return owners;
}

TEST(ShardAssignment, GivesEachNodeItsShareAndEachShardOneNode) {
    for (const std::size_t number : {1U, 2U, 3U, 4U, 5U, 7U, 16U, 100U, 256U, 300U}) {
        std::map<std::string, std::size_t> shares;
        for (const std::string& each : owners_of(make_names(number))) ++shares[each];
        EXPECT_FALSE(shares.contains(""));
        EXPECT_EQ(shares.size(), std::min<std::size_t>(number, shard_count));
        for (const auto& [name, share] : shares) {
            EXPECT_GE(share, std::max<std::size_t>(shard_count / number, 1)) << name << " of " << number;
            EXPECT_LE(share, (shard_count + number - 1) / number) << name << " of " << number;
        }
    }
}

TEST(ShardAssignment, OfNobodyIsNobody) {
    EXPECT_EQ(owners_of({}), (std::array<std::string, shard_count>{}));
    EXPECT_TRUE(wanted_by({}, "a").none());
    const auto names = make_names(2);
    EXPECT_TRUE(wanted_by(names, "a stranger").none());
}

TEST(ShardAssignment, DoesNotDependOnTheOrderOfTheNames) {
    auto names = make_names(5);
    const auto before = owners_of(names);
    std::reverse(names.begin(), names.end());
    EXPECT_EQ(owners_of(names), before);
}

TEST(ShardAssignment, IsTheSameOnEveryMachineAndInEveryVersion) {
    // Nodes of different versions share a cluster during an upgrade.
    const std::vector<std::string> names{"a", "b", "c"};
    std::string first;
    for (std::size_t i = 0; i < 24; ++i) first += owners_of(names)[i];
    EXPECT_EQ(first, "bcccbaaccbbccbbcabaccacc");
}

TEST(ShardAssignment, WhatNodesWantIsDisjointAndComplete) {
    const auto names = make_names(3);
    shard_set all;
    std::size_t sum = 0;
    for (const std::string& each : names) {
        const shard_set wanted = wanted_by(names, each);
        all |= wanted;
        sum += wanted.count();
    }
    EXPECT_TRUE(all.all());
    EXPECT_EQ(sum, shard_count);
}

TEST(ShardAssignment, ANodeThatLeavesMovesFewShardsBetweenTheOthers) {
    for (const std::size_t number : {3U, 4U, 5U, 9U}) {
        const auto names = make_names(number);
        const auto before = owners_of(names);
        std::size_t most = 0;
        for (const std::string& gone : names) {
            std::vector<std::string> staying;
            std::remove_copy(names.begin(), names.end(), std::back_inserter(staying), gone);
            const auto after = owners_of(staying);
            std::size_t moved = 0;
            for (std::size_t i = 0; i < shard_count; ++i)
                if (before[i] != gone && before[i] != after[i]) ++moved;
            most = std::max(most, moved);
        }
        EXPECT_LE(most, shard_count / 10) << number << " nodes"; // a hash modulo the number would move most of them
    }
}

TEST(ClusterWords, AreThoseOfTheInterface) {
    EXPECT_EQ(to_string(node_state::living), "living");
    EXPECT_EQ(to_string(node_state::leaving), "leaving");
    EXPECT_EQ(to_string(node_state::gone), "gone");
    EXPECT_EQ(to_string(shard_gain::unowned), "unowned");
    EXPECT_EQ(to_string(shard_gain::handed_over), "handed_over");
    EXPECT_EQ(to_string(shard_gain::taken_over), "taken_over");
}

} // namespace
} // namespace prooftrack::store
