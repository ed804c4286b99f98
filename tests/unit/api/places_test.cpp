#include <stdexcept>

#include <gtest/gtest.h>

#include "api/places.hpp"

namespace prooftrack::api {
namespace {

using verdict = place_count::verdict;

TEST(Places, AreKeptForOwnersAndAdminsAndSharedAmongUsers) {
    const place_limits plain = place_limits::shared(256, false);
    EXPECT_EQ(plain.everybody, 240U);
    EXPECT_EQ(plain.one_user, 120U);
    const place_limits ranked = place_limits::shared(256, true);
    EXPECT_EQ(ranked.admins, 240U);
    EXPECT_EQ(ranked.one_admin, 120U);
    EXPECT_EQ(ranked.everybody, 224U);
    EXPECT_EQ(ranked.one_user, 112U);
    EXPECT_EQ(place_limits::shared(10'000, true).everybody, 9'968U);
    for (std::size_t most = 1; most < 40; ++most) {
        const place_limits few = place_limits::shared(most, true);
        EXPECT_GE(few.one_user, 1U) << most;
        EXPECT_GE(few.everybody, 1U) << most;
    }
}

TEST(Places, OneUserLeavesRoomForTheOthersAndAllLeaveRoomForTheOwners) {
    place_count places(place_limits::shared(32, true)); // 2 kept for the owners, 2 for admins
    for (int i = 0; i < 14; ++i) {
        ASSERT_EQ(places.look(client_rank::everybody, 1001), verdict::free) << i;
        places.take(client_rank::everybody, 1001);
    }
    EXPECT_EQ(places.look(client_rank::everybody, 1001), verdict::user_is_full);
    for (int i = 0; i < 14; ++i) places.take(client_rank::everybody, 2000 + i);
    EXPECT_EQ(places.look(client_rank::everybody, 3000), verdict::rank_is_full);
    EXPECT_EQ(places.look(client_rank::admin, 500), verdict::free);
    places.take(client_rank::admin, 500);
    places.take(client_rank::admin, 501);
    EXPECT_EQ(places.look(client_rank::admin, 502), verdict::rank_is_full);
    EXPECT_EQ(places.look(client_rank::owner, 0), verdict::free);
    places.take(client_rank::owner, 0);
    places.take(client_rank::owner, 0);
    EXPECT_EQ(places.look(client_rank::owner, 0), verdict::all_is_full);
    places.give_back(client_rank::everybody, 1001);
    EXPECT_EQ(places.look(client_rank::everybody, 1001), verdict::free);
    EXPECT_EQ(places.look(client_rank::admin, 502), verdict::free);
    EXPECT_EQ(places.look(client_rank::owner, 0), verdict::free);
}

TEST(Places, OwnersMayTakeAllOfThem) {
    place_count places(place_limits::shared(16, false));
    for (int i = 0; i < 16; ++i) {
        ASSERT_EQ(places.look(client_rank::owner, 0), verdict::free);
        places.take(client_rank::owner, 0);
    }
    EXPECT_EQ(places.look(client_rank::everybody, 1), verdict::all_is_full);
    places.set_limits(place_limits::shared(32, false));
    EXPECT_EQ(places.look(client_rank::everybody, 1), verdict::free);
}

TEST(Places, NobodyGivesBackWhatWasNotTaken) {
    place_count places(place_limits::equal(4));
    EXPECT_THROW(places.give_back(client_rank::owner, 0), std::logic_error);
    places.take(client_rank::admin, 500);
    EXPECT_THROW(places.give_back(client_rank::owner, 500), std::logic_error) << "of another rank";
    EXPECT_THROW(places.give_back(client_rank::admin, 501), std::logic_error) << "of another user";
    places.give_back(client_rank::admin, 500);
    EXPECT_EQ(places.size(), 0U);
}

} // namespace
} // namespace prooftrack::api
