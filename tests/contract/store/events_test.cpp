// The event log, its named consumers, and the keys of session requests.

#include <gmock/gmock.h>

#include "contract/store/store_under_test.hpp"

namespace prooftrack::store {
namespace {

using testing::ElementsAre;

class Events : public store_contract {
  protected:
    void SetUp() override {
        world.add({make_new("a")}).value();
        for (int i = 1; i <= 5; ++i) world.record(make_settlement("a", i * 1000, {})).value();
    }
};
INSTANTIATE_TEST_SUITE_P(Store, Events, every_store(), store_name);

TEST_P(Events, AreReadBehindAPosition) {
    event_page page = world.events(0, 2);
    ASSERT_EQ(page.events.size(), 2U);
    EXPECT_EQ(page.events[0].seq, event_seq{1});
    EXPECT_EQ(page.events[1].seq, event_seq{2});
    EXPECT_EQ(page.first_seq, event_seq{1});
    EXPECT_EQ(page.last_seq, event_seq{5});
    page = world.events(4);
    ASSERT_EQ(page.events.size(), 1U);
    EXPECT_EQ(page.events[0].seq, event_seq{5});
    EXPECT_EQ(page.events[0].body.find("\"seq\""), std::string::npos) << "the frozen bytes";
    for (const std::uint64_t beyond : {5U, 500U}) {
        EXPECT_TRUE(world.events(beyond).events.empty());
        EXPECT_EQ(world.events(beyond).last_seq, event_seq{5});
    }
}

TEST_P(Events, OfAnEmptyLogBeginBehindTheLast) {
    const event_page page = world.events(5);
    EXPECT_EQ(page.first_seq, event_seq{1});
    for (int step = 0; world.prune({at_ms(9000), at_ms(9000), 500}).more; ++step) ASSERT_LT(step, 100);
    EXPECT_EQ(world.events().first_seq, event_seq{6});
    EXPECT_EQ(world.events().last_seq, event_seq{5});
    EXPECT_EQ(world.status().first_seq, event_seq{6});
    EXPECT_TRUE(world.events().events.empty());
}

TEST_P(Events, AConsumerBeginsAtTheEndOrWhereItIsPut) {
    const auto at_end = world.put_consumer("late").value();
    EXPECT_TRUE(at_end.first);
    EXPECT_EQ(at_end.second.name, "late");
    EXPECT_EQ(at_end.second.seq, event_seq{5});
    EXPECT_EQ(at_end.second.lag, 0U);
    EXPECT_EQ(at_end.second.oldest_pending, std::nullopt);
    const auto early = world.put_consumer("early", event_seq{2}).value();
    EXPECT_TRUE(early.first);
    EXPECT_EQ(early.second.lag, 3U);
    EXPECT_EQ(early.second.oldest_pending, at_ms(3000));
    const auto again = world.put_consumer("early").value();
    EXPECT_FALSE(again.first);
    EXPECT_EQ(again.second.seq, event_seq{2}) << "it stays where it is";
    EXPECT_EQ(world.put_consumer("early", event_seq{1}).value().second.seq, event_seq{1}) << "put back on purpose";
    for (const char* const name : {"early", "fresh"})
        EXPECT_EQ(world.put_consumer(name, event_seq{6}).error().code, store_error::beyond_last);
    world.reopen();
    const std::vector<track::consumer_view> all = world.consumers();
    ASSERT_EQ(all.size(), 2U) << "what was refused is not there";
    EXPECT_EQ(all[0].seq, event_seq{1});
}

TEST_P(Events, AnAcknowledgementMovesForwardOnlyAndSurvives) {
    world.put_consumer("ledger", event_seq{0}).value();
    EXPECT_EQ(world.acknowledge("ledger", 3)->seq, event_seq{3});
    EXPECT_EQ(world.acknowledge("ledger", 1)->seq, event_seq{3});
    EXPECT_EQ(world.acknowledge("ledger", 3)->lag, 2U);
    EXPECT_EQ(world.acknowledge("ledger", 6).error().code, store_error::beyond_last);
    EXPECT_EQ(world.acknowledge("nobody", 1).error().code, store_error::not_found);
    world.reopen();
    const std::vector<track::consumer_view> all = world.consumers();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].name, "ledger");
    EXPECT_EQ(all[0].seq, event_seq{3});
    EXPECT_EQ(all[0].lag, 2U);
    EXPECT_EQ(all[0].oldest_pending, at_ms(4000));
    EXPECT_EQ(world.acknowledge("ledger", 5)->oldest_pending, std::nullopt);
}

TEST_P(Events, ConsumersAreListedByTheBytesOfTheirNames) {
    for (const char* const name : {"b", "a_1", "B", "a-1", "a1"}) world.put_consumer(name).value();
    std::vector<std::string> names;
    for (const track::consumer_view& each : world.consumers()) names.push_back(each.name);
    EXPECT_THAT(names, ElementsAre("B", "a-1", "a1", "a_1", "b"));
    EXPECT_EQ(world.status().consumers, 5U);
}

TEST_P(Events, ADeletedConsumerIsGone) {
    world.put_consumer("ledger", event_seq{2}).value();
    const track::consumer_view last = world.delete_consumer("ledger").value();
    EXPECT_EQ(last.name, "ledger");
    EXPECT_EQ(last.seq, event_seq{2});
    EXPECT_EQ(last.lag, 3U);
    EXPECT_EQ(world.delete_consumer("ledger").error().code, store_error::not_found);
    EXPECT_EQ(world.acknowledge("ledger", 3).error().code, store_error::not_found);
    EXPECT_EQ(world.status().consumers, 0U);
    EXPECT_TRUE(world.put_consumer("ledger").value().first);
}

class Sessions : public store_contract {
  protected:
    session_claim claim(std::uint8_t key, std::uint8_t body) {
        return world.claim_session(make_digest(key), make_digest(body), at_ms(0));
    }
};
INSTANTIATE_TEST_SUITE_P(Store, Sessions, every_store(), store_name);

TEST_P(Sessions, AKeyWhoseOutcomeWasNotRecordedIsUnknown) {
    EXPECT_EQ(claim(1, 1).what, session_claim::verdict::fresh);
    world.reopen();
    EXPECT_EQ(claim(1, 1).what, session_claim::verdict::outcome_unknown);
    EXPECT_EQ(claim(1, 2).what, session_claim::verdict::other_body);
    EXPECT_EQ(claim(2, 2).what, session_claim::verdict::fresh);
}

TEST_P(Sessions, AKeyIsDoneWithTheTransactionThatIsAddedForIt) {
    claim(1, 1);
    world.add({make_new("tx-of-session")}, make_digest(1)).value();
    world.reopen();
    const session_claim again = claim(1, 1);
    EXPECT_EQ(again.what, session_claim::verdict::done);
    EXPECT_EQ(again.transaction, "tx-of-session");
    EXPECT_EQ(claim(1, 2).what, session_claim::verdict::other_body);
    world.release_session(make_digest(1));
    EXPECT_EQ(claim(1, 1).what, session_claim::verdict::done) << "what is done stays";
}

TEST_P(Sessions, AKeyIsDoneAlsoWithATransactionThatWasThere) {
    world.add({make_new("known")}).value();
    claim(1, 1);
    EXPECT_EQ(world.add({make_new("known", 5)}, make_digest(1)).value()[0].what, add_result::existing);
    EXPECT_EQ(claim(1, 1).transaction, "known");
}

TEST_P(Sessions, AnAddForAKeyThatIsNotClaimedMakesNone) {
    world.add({make_new("a")}, make_digest(9)).value();
    EXPECT_TRUE(world.knows(make_id("a")));
    EXPECT_EQ(claim(9, 1).what, session_claim::verdict::fresh);
}

TEST_P(Sessions, AReleasedKeyMayBeUsedAgain) {
    claim(1, 1);
    world.release_session(make_digest(1));
    EXPECT_EQ(claim(1, 2).what, session_claim::verdict::fresh);
    world.release_session(make_digest(3)); // never claimed
    EXPECT_EQ(claim(3, 1).what, session_claim::verdict::fresh);
}

} // namespace
} // namespace prooftrack::store
