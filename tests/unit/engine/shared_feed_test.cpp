// The event log's live end when other nodes record events as well.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/ahead_events.hpp"
#include "event_feed_fixture.hpp"
#include "support/fake_cluster.hpp"

namespace prooftrack::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

class SharedFeed : public EventFeed {
  protected:
    SharedFeed() {
        store_.share(cluster_);
        feed_.set_event_listener(&listener_);
        feed_.on_foreign([this](const std::string& event) { foreign_.push_back(event); });
    }
    ~SharedFeed() override { feed_.set_event_listener(nullptr); }
    /// Durable, by another node, up to this one.
    void commit_up_to(std::uint64_t last) {
        while (disk_.last_seq < last) commit(disk_.last_seq + 1);
    }
    std::vector<std::uint64_t> from_to(std::uint64_t first, std::uint64_t last) {
        std::vector<std::uint64_t> all;
        for (std::uint64_t seq = first; seq <= last; ++seq) all.push_back(seq);
        return all;
    }

    struct recorder final : api::event_listener {
        void on_event(const api::log_event& event) override { seen.push_back(value_of(event.seq)); }
        std::vector<std::uint64_t> seen;
    } listener_;
    fake_cluster cluster_;
    std::vector<std::string> foreign_;
};

TEST_F(SharedFeed, AnEventThatIsAheadWaitsForThoseOfOtherNodes) {
    publish_up_to(2);
    commit_up_to(4);
    publish(5);
    EXPECT_THAT(listener_.seen, ElementsAre(1, 2));
    EXPECT_EQ(feed_.last_seq(), event_seq{2});
    commit_up_to(6);
    publish(7);
    EXPECT_EQ(store_.waiting(), 1U) << "one read at a time";
    store_.pump();
    EXPECT_THAT(listener_.seen, ElementsAre(1, 2, 3, 4, 5, 6, 7)) << "each once, in their order";
    EXPECT_THAT(foreign_, ElementsAre(frozen(3), frozen(4), frozen(6)));
    publish(8);
    EXPECT_EQ(store_.waiting(), 0U) << "nothing is missing";
    EXPECT_EQ(feed_.next_wake(), std::nullopt);
}

TEST_F(SharedFeed, WhatWasReadBeforeItsRecordIsReportedIsPublishedOnce) {
    commit_up_to(1);
    feed_.catch_up(event_seq{1}, event_seq{1});
    store_.pump();
    feed_.publish(event_seq{1}, frozen(1));
    EXPECT_THAT(listener_.seen, ElementsAre(1));
}

TEST_F(SharedFeed, CatchesUpToWhatOthersRecordedAndAnswersItsReaders) {
    const auto waits = read(0, 100, 1min);
    commit_up_to(1'200);
    feed_.catch_up(event_seq{1'200}, event_seq{1});
    feed_.catch_up(event_seq{1'100}, event_seq{1});
    store_.pump();
    EXPECT_EQ(listener_.seen, from_to(1, 1'200));
    EXPECT_EQ(store_.operations(), 3U) << "500 a read";
    EXPECT_EQ(foreign_.size(), 1'200U);
    EXPECT_THAT(waits->seqs, ElementsAre(1));
    EXPECT_EQ(feed_.next_wake(), std::nullopt);
}

TEST_F(SharedFeed, WhatIsKeptAheadIsBoundedAndReadAgain) {
    commit_up_to(1);
    for (std::uint64_t seq = 2; seq <= 1'200; ++seq) publish(seq);
    store_.pump();
    EXPECT_EQ(listener_.seen, from_to(1, 1'200));
    EXPECT_EQ(foreign_.size(), 1U + 1'199U - ahead_events::most) << "the dropped ones count as read";
}

TEST(AheadEvents, HoldWhatComesFirst) {
    ahead_events ahead;
    for (std::uint64_t seq = 1; seq <= ahead_events::most; ++seq) ahead.keep(event_seq{seq + 10}, "x");
    ahead.keep(event_seq{5'000}, "y");
    EXPECT_EQ(ahead.size(), ahead_events::most);
    EXPECT_EQ(ahead.take(event_seq{5'000}), std::nullopt);
    ahead.keep(event_seq{1}, "first");
    EXPECT_EQ(ahead.size(), ahead_events::most);
    EXPECT_EQ(ahead.take(event_seq{1}), "first");
    EXPECT_EQ(ahead.take(event_seq{1}), std::nullopt);
    EXPECT_EQ(ahead.take(event_seq{10 + ahead_events::most}), std::nullopt) << "it went for the first";
    ahead.drop_to(event_seq{20});
    EXPECT_EQ(ahead.size(), ahead_events::most - 11);
    ahead.clear();
    EXPECT_EQ(ahead.bytes(), 0U);
    const std::string large(ahead_events::most_bytes / 2, 'x');
    ahead.keep(event_seq{1}, large);
    ahead.keep(event_seq{2}, large);
    EXPECT_EQ(ahead.bytes(), ahead_events::most_bytes);
    ahead.keep(event_seq{3}, "x");
    EXPECT_EQ(ahead.size(), 2U);
    ahead.keep(event_seq{0}, "x");
    EXPECT_EQ(ahead.size(), 2U);
    EXPECT_EQ(ahead.bytes(), large.size() + 1);
}

TEST_F(SharedFeed, AReadThatFailsIsRepeatedAfterASecond) {
    commit_up_to(2);
    store_.fail_operation(1, store::store_error::unreachable);
    feed_.catch_up(event_seq{2}, event_seq{1});
    store_.pump();
    EXPECT_THAT(listener_.seen, IsEmpty());
    EXPECT_EQ(feed_.next_wake(), start_ + 1s);
    EXPECT_EQ(wakes_changed_, 1);
    run_to(start_ + 1s);
    store_.pump();
    EXPECT_THAT(listener_.seen, ElementsAre(1, 2));
    EXPECT_EQ(feed_.next_wake(), std::nullopt);
}

TEST_F(SharedFeed, WhatWasPrunedBeforeItWasReadHereIsLeftOut) {
    publish_up_to(2);
    commit_up_to(9);
    for (std::uint64_t seq = 1; seq <= 6; ++seq) disk_.events.erase(seq);
    feed_.catch_up(event_seq{9}, event_seq{7});
    const auto all = read(0);
    store_.pump();
    EXPECT_THAT(listener_.seen, ElementsAre(1, 2, 7, 8, 9));
    EXPECT_THAT(all->seqs, ElementsAre(7, 8, 9)) << "it waited until they were here";
    EXPECT_EQ(read(2)->problem, "cursor_gone");
    for (std::uint64_t seq = 7; seq <= 9; ++seq) disk_.events.erase(seq);
    commit_up_to(10);
    disk_.events.erase(10);
    feed_.catch_up(event_seq{10}, event_seq{11});
    store_.pump();
    EXPECT_EQ(feed_.last_seq(), event_seq{10}) << "nothing is left of them";
    publish(11);
    EXPECT_THAT(read(0)->seqs, ElementsAre(11));
}

TEST_F(SharedFeed, ACursorOfAnotherNodeIsGoodHere) {
    publish_up_to(2);
    commit_up_to(6);
    const auto got = read(4);
    EXPECT_EQ(got->answers, 0);
    store_.pump();
    EXPECT_THAT(got->seqs, ElementsAre(5, 6));
    EXPECT_THAT(listener_.seen, ElementsAre(1, 2, 3, 4, 5, 6));
    commit_up_to(8);
    const auto at_end = read(8, 100, 30s);
    store_.pump();
    EXPECT_EQ(at_end->answers, 0) << "it waits for the next one";
    EXPECT_EQ(feed_.next_wake(), start_ + 30s);
    publish(9);
    EXPECT_THAT(at_end->seqs, ElementsAre(9));
}

TEST_F(SharedFeed, ACursorBeyondTheLogIsGoneAlsoHere) {
    publish_up_to(2);
    commit_up_to(6);
    const auto got = read(7, 100, 30s);
    store_.pump();
    EXPECT_EQ(got->problem, "cursor_gone");
    EXPECT_THAT(
        got->members,
        ElementsAre(api::problem_member::number("oldest_seq", 1), api::problem_member::number("last_seq", 6)));
    EXPECT_EQ(feed_.next_wake(), std::nullopt);
}

TEST_F(SharedFeed, ASearchFromACursorOfAnotherNodeIsGoodHere) {
    publish_up_to(2);
    commit_up_to(6);
    track::event_query query{event_seq{4}, std::nullopt, std::nullopt, 10};
    const auto got = search(query);
    store_.pump();
    EXPECT_THAT(got->seqs, ElementsAre(5, 6));
    query.after = event_seq{7};
    const auto beyond = search(query);
    store_.pump();
    EXPECT_EQ(beyond->problem, "cursor_gone");
}

TEST_F(SharedFeed, WhoseCursorTakesTooLongIsToldToComeAgain) {
    publish_up_to(2);
    commit_up_to(6);
    const auto got = read(4);
    store_.commit();
    store_.answer_one(); // the log has it
    store_.fail_operation(1, store::store_error::unreachable);
    store_.pump();
    run_to(start_ + 5s - 1ms);
    EXPECT_EQ(got->answers, 0);
    run_to(start_ + 5s);
    EXPECT_EQ(got->problem, "unavailable");
    store_.pump();
    EXPECT_EQ(got->answers, 1);
    const auto failed = read(9);
    store_.fail_operation(1, store::store_error::unreachable);
    store_.pump();
    EXPECT_EQ(failed->problem, "store_unavailable");
}

TEST_F(SharedFeed, AReaderWhoLeavesWhileItsCursorIsLookedForIsNotAnswered) {
    commit_up_to(3);
    const auto got = read(2, 100, 30s);
    feed_.cancel(last_wait_);
    store_.pump();
    EXPECT_EQ(got->answers, 0);
    const auto waits = read(3, 100, 30s);
    commit_up_to(5);
    const auto second = read(5, 100, 30s);
    store_.pump();
    feed_.cancel(last_wait_);
    publish(6);
    EXPECT_EQ(second->answers, 0) << "it has one number for both waits";
    EXPECT_EQ(waits->answers, 1);
}

} // namespace
} // namespace prooftrack::engine
