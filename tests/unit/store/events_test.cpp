#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/store_world.hpp"

namespace prooftrack {
namespace {

struct Events : testing::Test {
    Events() {
        world.add({make_new("a")}).value();
        for (int i = 1; i <= 5; ++i) world.record(make_settlement("a", i * 1000, {})).value();
    }
    op_result<std::pair<bool, consumer_view>> put(const std::string& name, std::optional<event_seq> seq = {}) {
        return world.ask<std::pair<bool, consumer_view>>(
            [&](store& door, auto handler) { door.put_consumer(name, seq, std::move(handler)); });
    }
    op_result<consumer_view> acknowledge(const std::string& name, std::uint64_t seq) {
        return world.ask<consumer_view>(
            [&](store& door, auto handler) { door.acknowledge(name, event_seq{seq}, std::move(handler)); });
    }
    store_world world;
};

TEST_F(Events, AreReadBehindACursor) {
    event_page page = world.events(0, 2);
    ASSERT_EQ(page.events.size(), 2U);
    EXPECT_EQ(page.events[0].seq, event_seq{1});
    EXPECT_EQ(page.first_seq, event_seq{1});
    EXPECT_EQ(page.last_seq, event_seq{5});
    page = world.events(4);
    ASSERT_EQ(page.events.size(), 1U);
    EXPECT_EQ(page.events[0].seq, event_seq{5});
    EXPECT_TRUE(world.events(5).events.empty());
    EXPECT_TRUE(world.events(500).events.empty());
    EXPECT_EQ(page.events[0].body.find("\"seq\""), std::string::npos);
}

TEST_F(Events, OfAnEmptyLogBeginBehindTheLast) {
    store_world fresh;
    const event_page page = fresh.events();
    EXPECT_EQ(page.first_seq, event_seq{1});
    EXPECT_EQ(page.last_seq, event_seq{0});
}

TEST_F(Events, AConsumerBeginsAtTheEndOrWhereItIsPut) {
    const auto at_end = put("late").value();
    EXPECT_TRUE(at_end.first);
    EXPECT_EQ(at_end.second.seq, event_seq{5});
    EXPECT_EQ(at_end.second.lag, 0U);
    EXPECT_EQ(at_end.second.oldest_pending, std::nullopt);
    const auto early = put("early", event_seq{2}).value();
    EXPECT_EQ(early.second.lag, 3U);
    EXPECT_EQ(early.second.oldest_pending, at_ms(3000));
    EXPECT_FALSE(put("early").value().first);
    EXPECT_EQ(put("early").value().second.seq, event_seq{2}); // stays where it is
    EXPECT_EQ(put("early", event_seq{1}).value().second.seq, event_seq{1});
    EXPECT_EQ(put("early", event_seq{6}).error().code, store_error::beyond_last);
}

TEST_F(Events, AnAcknowledgementMovesForwardOnlyAndSurvives) {
    put("ledger", event_seq{0}).value();
    EXPECT_EQ(acknowledge("ledger", 3)->seq, event_seq{3});
    EXPECT_EQ(acknowledge("ledger", 1)->seq, event_seq{3});
    EXPECT_EQ(acknowledge("ledger", 6).error().code, store_error::beyond_last);
    EXPECT_EQ(acknowledge("nobody", 1).error().code, store_error::not_found);
    world.reopen();
    const auto all =
        world.ask<std::vector<consumer_view>>([](store& door, auto handler) { door.consumers(std::move(handler)); })
            .value();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].name, "ledger");
    EXPECT_EQ(all[0].seq, event_seq{3});
    EXPECT_EQ(all[0].lag, 2U);
    EXPECT_EQ(world.status().consumers, 1U);
}

TEST_F(Events, ADeletedConsumerIsGone) {
    put("ledger").value();
    const auto remove = [&] {
        return world.ask<consumer_view>(
            [](store& door, auto handler) { door.delete_consumer("ledger", std::move(handler)); });
    };
    EXPECT_EQ(remove()->name, "ledger");
    EXPECT_EQ(remove().error().code, store_error::not_found);
}

struct Sessions : testing::Test {
    session_claim claim(std::uint8_t key, std::uint8_t body) {
        digest k{};
        digest b{};
        k.fill(key);
        b.fill(body);
        return world
            .ask<session_claim>(
                [&](store& door, auto handler) { door.claim_session(k, b, at_ms(0), std::move(handler)); })
            .value();
    }
    store_world world;
};

TEST_F(Sessions, AKeyWhoseOutcomeWasNotRecordedIsUnknownAfterACrash) {
    EXPECT_EQ(claim(1, 1).what, session_claim::verdict::fresh);
    world.reopen();
    EXPECT_EQ(claim(1, 1).what, session_claim::verdict::outcome_unknown);
    EXPECT_EQ(claim(1, 2).what, session_claim::verdict::other_body);
    EXPECT_EQ(claim(2, 2).what, session_claim::verdict::fresh);
}

TEST_F(Sessions, AKeyIsDoneWithItsTransaction) {
    claim(1, 1);
    digest key{};
    key.fill(1);
    world.add({make_new("tx-of-session")}, key).value();
    world.reopen();
    const session_claim again = claim(1, 1);
    EXPECT_EQ(again.what, session_claim::verdict::done);
    EXPECT_EQ(again.transaction, "tx-of-session");
    world.ask<std::monostate>([&](store& door, auto handler) { door.release_session(key, std::move(handler)); })
        .value();
    EXPECT_EQ(claim(1, 1).what, session_claim::verdict::done); // what is done stays
}

TEST_F(Sessions, AReleasedKeyMayBeUsedAgain) {
    claim(1, 1);
    digest key{};
    key.fill(1);
    world.ask<std::monostate>([&](store& door, auto handler) { door.release_session(key, std::move(handler)); })
        .value();
    EXPECT_EQ(claim(1, 2).what, session_claim::verdict::fresh);
}

} // namespace
} // namespace prooftrack
