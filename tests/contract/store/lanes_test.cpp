// What each lane owes, lanes that fail, and the status.

#include <gmock/gmock.h>

#include "contract/store/store_under_test.hpp"

namespace prooftrack::store {
namespace {

using testing::ElementsAre;
using testing::Key;

constexpr const char* host = "https://shop.example:443";

class Lanes : public store_contract {
  protected:
    void SetUp() override { world.add({make_new("a"), make_new("b")}).value(); }
    void fail(std::uint64_t id, std::int64_t next_ms, std::uint32_t attempts = 1) {
        world.attempt(
            {delivery_id{id}, at_ms(1000), attempts, track::delivery_state::pending, 500, "500", at_ms(next_ms)});
    }
    void end(std::uint64_t id, track::delivery_state state) {
        world.attempt({delivery_id{id}, at_ms(1000), 1, state, 200, "", std::nullopt});
    }
    track::delivery_view view(std::uint64_t id) { return world.load_delivery(id).value().view; }
    void track_with_url(const std::string& id) {
        track::new_transaction wanted = make_new(id);
        wanted.callback_url = "https://shop.example/hook";
        wanted.callback_lane = host;
        world.add({wanted}).value();
    }
};
INSTANTIATE_TEST_SUITE_P(Store, Lanes, every_store(), store_name);

TEST_P(Lanes, ACallbackStaysListedAHostOnlyWhileItHasDeliveriesOrFails) {
    track_with_url("u");
    world.record(make_settlement("u", 10, {"backend"})).value(); // 1 and 2
    EXPECT_THAT(world.status().lanes, ElementsAre(Key("backend"), Key(host)));
    const lane_summary url = world.status().lanes.at(host);
    EXPECT_EQ(url.lane, host);
    EXPECT_EQ(url.callback, "callback_url");
    EXPECT_EQ(world.status().lanes.at("backend").callback, "backend");
    end(1, track::delivery_state::delivered);
    end(2, track::delivery_state::dead);
    EXPECT_EQ(world.status().lanes.at(host).dead, 1U);
    EXPECT_EQ(world.status().lanes.at("backend").pending, 0U);
    world.retry(2, at_ms(5)).value();
    end(2, track::delivery_state::delivered);
    EXPECT_THAT(world.status().lanes, ElementsAre(Key("backend")));
    world.set_failing(host, at_ms(7));
    world.reopen();
    EXPECT_THAT(world.status().lanes, ElementsAre(Key("backend"), Key(host)));
    world.set_failing(host, std::nullopt);
    EXPECT_THAT(world.status().lanes, ElementsAre(Key("backend")));
}

TEST_P(Lanes, TheOldestPendingOneIsTheFirstThatWasRecorded) {
    world.record(make_settlement("a", 1000, {"backend"})).value();
    world.record(make_settlement("b", 500, {"backend"})).value(); // the clock stepped back
    EXPECT_EQ(world.status().lanes.at("backend").oldest_pending, at_ms(1000));
    end(1, track::delivery_state::delivered);
    EXPECT_EQ(world.status().lanes.at("backend").oldest_pending, at_ms(500));
    world.record(make_settlement("b", 400, {"ledger"})).value();
    EXPECT_EQ(world.status().lanes.at("ledger").oldest_pending, at_ms(501)) << "as the event says it";
}

TEST_P(Lanes, AFailingOneIsRememberedAlsoWithoutAnyDelivery) {
    world.set_failing("backend", at_ms(77));
    world.set_failing(host, at_ms(78));
    world.reopen();
    const auto lanes = world.status().lanes;
    EXPECT_THAT(lanes, ElementsAre(Key("backend"), Key(host)));
    EXPECT_EQ(lanes.at("backend").failing_since, at_ms(77));
    EXPECT_EQ(lanes.at("backend").callback, "backend");
    EXPECT_EQ(lanes.at(host).failing_since, at_ms(78));
    EXPECT_EQ(lanes.at(host).callback, "callback_url");
    world.set_failing("backend", std::nullopt);
    EXPECT_EQ(world.status().lanes.at("backend").failing_since, std::nullopt);
}

TEST_P(Lanes, ARecoveryFreesWhatItShouldAndTheAttemptDoesNotCount) {
    world.record(make_settlement("a", 10, {"backend"})).value(); // 1
    world.record(make_settlement("a", 20, {"backend"})).value(); // 2 waits
    world.record(make_settlement("b", 50, {"backend", "ledger"})).value();
    fail(1, 6000);
    fail(3, 9000);
    fail(4, 6000); // on the other lane
    world.set_failing("backend", at_ms(77));
    std::vector<wall_time> asked;
    const lane_recovery how{at_ms(2000), [&](const track::waiting_delivery& one) {
                                asked.push_back(one.next_attempt_at);
                                return one.attempts == 1 && one.last_attempt_at == at_ms(1000) &&
                                       one.next_attempt_at == at_ms(6000);
                            }};
    EXPECT_EQ(world.end_failing("backend", how), 1U);
    EXPECT_THAT(asked, testing::UnorderedElementsAre(at_ms(6000), at_ms(9000)));
    EXPECT_EQ(view(1).attempts, 0U);
    EXPECT_EQ(view(1).next_attempt_at, at_ms(2000));
    EXPECT_EQ(view(2).next_attempt_at, std::nullopt);
    EXPECT_EQ(view(3).attempts, 1U);
    EXPECT_EQ(view(3).next_attempt_at, at_ms(9000));
    EXPECT_EQ(view(4).next_attempt_at, at_ms(6000));
    EXPECT_EQ(world.status().lanes.at("backend").failing_since, std::nullopt);
    const std::vector<delivery_head> heads = world.heads("backend");
    ASSERT_EQ(heads.size(), 2U);
    EXPECT_EQ(heads[0].id, delivery_id{1});
    EXPECT_EQ(heads[1].id, delivery_id{3});
}

TEST_P(Lanes, ARecoveryLeavesAloneWhatIsDueAndWhatHasNoAttemptThatCounts) {
    world.add({make_new("c")}).value();
    world.record(make_settlement("a", 10, {"backend"})).value(); // 1
    world.record(make_settlement("b", 10, {"backend"})).value(); // 2
    world.record(make_settlement("c", 10, {"backend"})).value(); // 3
    fail(1, 2000);
    fail(2, 1999);
    fail(3, 6000, 0);
    const lane_recovery how{at_ms(2000), [](const track::waiting_delivery&) { return true; }};
    EXPECT_EQ(world.end_failing("backend", how), 0U);
    EXPECT_EQ(view(1).attempts, 1U);
    EXPECT_EQ(view(2).attempts, 1U);
    EXPECT_EQ(view(3).attempts, 0U);
    EXPECT_EQ(view(3).next_attempt_at, at_ms(6000));
}

TEST_P(Lanes, ARecoveryOfALaneThatNeverWasChangesNothing) {
    EXPECT_EQ(world.end_failing("nobody", {at_ms(1), [](const track::waiting_delivery&) { return true; }}), 0U);
    EXPECT_TRUE(world.status().lanes.empty());
}

TEST_P(Lanes, ARecoveryLooksAtAllOfAGreatBacklog) {
    constexpr int number = 2300;
    std::vector<track::new_transaction> many;
    for (int i = 0; i < number; ++i) many.push_back(make_new("m" + std::to_string(i)));
    world.add(many).value();
    const auto defer = [this](const op_result<recorded_transition>& recorded) {
        const delivery_id id = recorded.value().heads.at(0).id;
        world.subject().record_attempt(
            {id, at_ms(1000), 1, track::delivery_state::pending, 500, "500", at_ms(60'000)}, [](auto) {});
    };
    for (int i = 0; i < number; ++i)
        world.subject().record(make_settlement("m" + std::to_string(i), i, {"mass"}), defer);
    world.run();
    EXPECT_EQ(world.end_failing("mass", {at_ms(9000), [](const track::waiting_delivery&) { return true; }}), 2300U);
    const std::vector<delivery_head> heads = world.heads("mass", 5000);
    EXPECT_EQ(heads.size(), 2300U);
    for (const delivery_head& head : heads) ASSERT_EQ(head.next_attempt_at, at_ms(9000));
}

TEST_P(Lanes, AStartGetsTheLanesAndTheStatus) {
    world.record(make_settlement("a", 10, {"backend"})).value();
    world.put_consumer("ledger").value();
    world.reopen();
    const store_status loaded = world.status();
    EXPECT_EQ(loaded.lanes.at("backend").pending, 1U);
    EXPECT_EQ(loaded.consumers, 1U);
    EXPECT_EQ(loaded.first_seq, event_seq{1});
    EXPECT_EQ(loaded.last_seq, event_seq{1});
    EXPECT_EQ(loaded.transactions.at({track::tracking_state::settled, track::status_kind::completed}), 1U);
    EXPECT_GT(loaded.db_bytes, 0U);
    EXPECT_NE(loaded.log_id, "");
}

TEST_P(Lanes, TheBaseUrlIsRememberedAndTheLastOneGiven) {
    EXPECT_EQ(world.remember_base_url("https://one.example"), "");
    EXPECT_EQ(world.remember_base_url("https://two.example"), "https://one.example");
    world.reopen();
    EXPECT_EQ(world.remember_base_url("https://two.example"), "https://two.example");
}

} // namespace
} // namespace prooftrack::store
