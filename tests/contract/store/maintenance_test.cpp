// An operator's maintenance: one row, with the time of its beginning.

#include "contract/store/store_under_test.hpp"

namespace prooftrack::store {
namespace {

class Maintenance : public store_contract {
  protected:
    using mark = std::optional<track::maintenance_mark>;

    mark set(mark wanted) {
        return world
            .ask<mark>([&](store& subject, auto handler) { subject.set_maintenance(wanted, std::move(handler)); })
            .value();
    }
    mark shown() { return world.status().maintenance; }
};
INSTANTIATE_TEST_SUITE_P(Store, Maintenance, every_store(), store_name);

TEST_P(Maintenance, IsOffUntilItIsTurnedOn) {
    EXPECT_EQ(shown(), std::nullopt);
    EXPECT_EQ(set(std::nullopt), std::nullopt);
    const track::maintenance_mark first{at_ms(1'000), "Proof moves to \u2192 another place"};
    EXPECT_EQ(set(first), first);
    EXPECT_EQ(shown(), first);
    EXPECT_EQ(set(std::nullopt), std::nullopt);
    EXPECT_EQ(shown(), std::nullopt);
}

TEST_P(Maintenance, TurnedOnAgainItKeepsItsBeginningAndTakesTheNewNote) {
    set(track::maintenance_mark{at_ms(1'000), "first"});
    const track::maintenance_mark second{at_ms(1'000), "second"};
    EXPECT_EQ(set(track::maintenance_mark{at_ms(2'000), "second"}), second);
    EXPECT_EQ(shown(), second);
    const track::maintenance_mark bare{at_ms(1'000), ""};
    EXPECT_EQ(set(track::maintenance_mark{at_ms(3'000), ""}), bare);
    set(std::nullopt);
    const track::maintenance_mark anew{at_ms(4'000), ""};
    EXPECT_EQ(set(anew), anew) << "what has ended is forgotten";
}

TEST_P(Maintenance, SurvivesACrashAndAStop) {
    const track::maintenance_mark night{at_ms(1'000), "night shift"};
    const auto turn = [](mark wanted) {
        return [wanted](store& subject) { subject.set_maintenance(wanted, [](const op_result<mark>&) {}); };
    };
    world.crash(crash_point::after_commit, 1, turn(night));
    EXPECT_EQ(shown(), night);
    world.reopen();
    EXPECT_EQ(shown(), night);
    world.crash(crash_point::before_commit, 2, turn(std::nullopt));
    EXPECT_EQ(shown(), night) << "its end was not acknowledged";
    world.crash(crash_point::after_commit, 3, turn(std::nullopt));
    EXPECT_EQ(shown(), std::nullopt);
}

TEST_P(Maintenance, AFullStoreRefusesItAndChangesNothing) {
    ASSERT_EQ(shown(), std::nullopt);
    world.set_full(true);
    error_code refused;
    world.subject().set_maintenance(
        track::maintenance_mark{at_ms(1), ""}, [&](const op_result<mark>& done) { refused = done.error().code; });
    world.run();
    EXPECT_EQ(refused, store_error::full);
    world.set_full(false);
    EXPECT_EQ(shown(), std::nullopt);
}

} // namespace
} // namespace prooftrack::store
