// How old a transaction is, and when that is stored, so that it is as old after a kill as before.

#include <gtest/gtest.h>

#include "unit/track/tracker_fixture.hpp"

namespace prooftrack::track {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

/// Replies with a `Date`.
class dated_world : public tracker_fixture {
  public:
    void answer_pending(milliseconds date_off = milliseconds(0)) {
        const started_poll poll = wait_for_poll().value();
        poll_answer reply;
        reply.what = poll.ticket.known_body == 0 ? reply_class::good : reply_class::unchanged;
        if (reply.what == reply_class::good) {
            reply.status = "pending";
            reply.body_hash = 7;
        }
        reply.server_date = now.wall + date_off;
        answer(poll, reply);
    }
    void set_clock(milliseconds by) {
        now.wall += by;
        step(clock_jumped_event{by});
    }
    tracking_facts facts(const std::string& id) const { return core.live(core.find(id).value(), now).facts; }
};

TEST(Age, OfOneThatIsTrackedAnewIsKeptWhenTheClockIsSetBack) {
    dated_world world;
    active_transaction paid = world.make("a");
    paid.facts.state = tracking_state::settled;
    paid.facts.status = "failed";
    paid.facts.settled_at = world.now.wall;
    paid.facts.last_polled_at = world.now.wall;
    world.load({paid}); // of an earlier life
    const active_transaction anew = world.make("a", hours(2));
    world.step(tracked_event{anew, false});
    world.answer_pending();
    world.recorded();
    world.pass(minutes(10));
    world.set_clock(-hours(1));
    world.answer_pending(); // the clock is right now
    EXPECT_EQ(world.facts("a").tracked_at, anew.facts.tracked_at - hours(1));
    EXPECT_EQ(world.facts("a").overdue_at, anew.facts.overdue_at - hours(1)) << "two hours after it was tracked";
}

TEST(Age, OfOneThatIsTrackedAnewIsStoredWithItsFirstAnswerWhateverThatSays) {
    tracker_fixture world;
    world.track("a");
    world.answer(*world.wait_for_poll(), reply_class::good, "completed");
    world.recorded();
    world.track("a");
    world.answer(*world.wait_for_poll(), reply_class::server_error);
    const auto change = world.only<change_action>();
    EXPECT_FALSE(change.is_history || change.event.has_value());
    EXPECT_EQ(change.facts.last_polled_at, world.now.wall);
    world.recorded();
    world.answer(*world.wait_for_poll(), reply_class::server_error);
    EXPECT_TRUE(world.all<change_action>().empty()) << "once is enough";
}

TEST(Age, ThatNoClockVouchedForIsStoredWithTheNextAnswerThoughThatIsTheSame) {
    dated_world world;
    world.track("a");
    world.answer_pending(hours(1)); // one Date may be wrong, or the clock
    EXPECT_FALSE(world.only<change_action>().facts.last_polled_at);
    world.recorded();
    world.answer_pending();
    EXPECT_FALSE(world.only<change_action>().is_history);
    EXPECT_EQ(world.only<change_action>().facts.last_polled_at, world.now.wall);
    world.recorded();
    world.answer_pending();
    EXPECT_TRUE(world.all<change_action>().empty()) << "once is enough";
}

TEST(Age, ThatWasMendedIsStoredOnceAndAgainIfThatFailed) {
    dated_world world;
    world.track("a");
    const wall_time tracked = world.now.wall;
    world.answer_pending();
    world.recorded();
    world.set_clock(hours(1));
    for (const bool is_durable : {false, true}) {
        world.answer_pending();
        EXPECT_EQ(world.only<change_action>().facts.tracked_at, tracked + hours(1));
        world.recorded(is_durable);
    }
    world.answer_pending();
    EXPECT_TRUE(world.all<change_action>().empty());
}

} // namespace
} // namespace prooftrack::track
