// The event log's live end: what is read from memory, from the store, or waited for.

#include "engine/event_feed.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "event_feed_fixture.hpp"

namespace prooftrack::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

TEST_F(EventFeed, BeginsWhereTheStoreStands) {
    for (std::uint64_t seq = 5; seq <= 9; ++seq) commit(seq);
    feed_.restore(disk_.status());
    EXPECT_EQ(feed_.first_seq(), event_seq{5});
    EXPECT_EQ(feed_.last_seq(), event_seq{9});
    EXPECT_EQ(feed_.log_id(), "log_1");
    EXPECT_EQ(feed_.next_wake(), std::nullopt);
}

TEST_F(EventFeed, TheEndOfTheLogIsAnEmptyPageWithTheCursorOfTheNext) {
    publish_up_to(3);
    const auto got = read(3);
    EXPECT_EQ(last_wait_, api::no_wait);
    EXPECT_EQ(got->answers, 1);
    EXPECT_THAT(got->seqs, IsEmpty());
    EXPECT_EQ(got->next_after, 3U);
    EXPECT_EQ(got->log_id, "log_1");
    const auto of_none = read(0);
    EXPECT_THAT(of_none->seqs, ElementsAre(1, 2, 3)) << "0 is before the oldest";
}

TEST_F(EventFeed, ANewestPageComesFromMemoryAndIsCutAtItsLimit) {
    publish_up_to(5);
    const auto got = read(2, 2);
    EXPECT_EQ(got->answers, 1) << "at once";
    EXPECT_EQ(store_.waiting(), 0U);
    EXPECT_THAT(got->seqs, ElementsAre(3, 4));
    EXPECT_EQ(got->next_after, 4U);
    EXPECT_THAT(read(4)->seqs, ElementsAre(5));
}

TEST_F(EventFeed, WhatIsNotInMemoryComesFromTheStore) {
    for (std::uint64_t seq = 1; seq <= 4; ++seq) commit(seq);
    feed_.restore(disk_.status());
    publish_up_to(6);
    const auto got = read(1, 3);
    EXPECT_EQ(last_wait_, api::no_wait);
    EXPECT_EQ(got->answers, 0);
    store_.pump();
    EXPECT_EQ(got->answers, 1);
    EXPECT_THAT(got->seqs, ElementsAre(2, 3, 4));
    EXPECT_EQ(got->next_after, 4U);
    EXPECT_EQ(got->log_id, "log_1");
    EXPECT_EQ(read(4)->answers, 1) << "5 is the first in memory";
    EXPECT_EQ(read(3)->answers, 0);
}

TEST_F(EventFeed, TheStoreShowsNothingThatIsNotPublishedYet) {
    commit(1);
    feed_.restore(disk_.status());
    commit(2);
    commit(3);
    const auto got = read(0);
    store_.pump();
    EXPECT_THAT(got->seqs, ElementsAre(1));
    EXPECT_EQ(got->next_after, 1U) << "the next read begins with what is to be published";
}

TEST_F(EventFeed, EventsOfATimeAreThosePublishedAndThePageIsBehindWhatWasLookedAt) {
    for (std::uint64_t seq = 1; seq <= 3; ++seq) commit(seq);
    feed_.restore(disk_.status());
    commit(4); // not published yet
    disk_.events.at(1).timestamp -= std::chrono::hours(1);
    const wall_time now = clock_.now().wall;
    track::event_query query{event_seq{0}, now, std::nullopt, 10};
    const auto got = search(query);
    store_.pump();
    EXPECT_THAT(got->seqs, ElementsAre(2, 3));
    EXPECT_EQ(got->next_after, 3U) << "the next read begins with what is to be published";
    query.until = now;
    const auto none = search(query);
    store_.pump();
    EXPECT_THAT(none->seqs, ElementsAre());
    EXPECT_EQ(none->next_after, 3U);
    query.after = event_seq{9};
    EXPECT_EQ(search(query)->problem, "cursor_gone");
    query.after = event_seq{0};
    const auto late = search(query);
    disk_.events.erase(1);
    store_.pump();
    EXPECT_EQ(late->problem, "cursor_gone") << "pruned while the store read";
}

TEST_F(EventFeed, AStoreThatCannotReadIsAProblem) {
    commit(1);
    feed_.restore(disk_.status());
    store_.set_failed();
    const auto got = read(0);
    store_.pump();
    EXPECT_EQ(got->answers, 1);
    EXPECT_EQ(got->problem, "store_unavailable");
}

TEST_F(EventFeed, ACursorOutsideOfTheLogIsReportedWhereItBeginsAndEnds) {
    for (std::uint64_t seq = 5; seq <= 9; ++seq) commit(seq);
    feed_.restore(disk_.status());
    for (const std::uint64_t after : {1U, 3U, 10U, 1'000U}) {
        for (const milliseconds wait : {0ms, 1'000ms}) {
            const auto got = read(after, 100, wait);
            EXPECT_EQ(last_wait_, api::no_wait);
            EXPECT_EQ(got->problem, "cursor_gone") << after;
            EXPECT_THAT(
                got->members,
                ElementsAre(api::problem_member::number("oldest_seq", 5), api::problem_member::number("last_seq", 9)));
        }
    }
    EXPECT_EQ(feed_.next_wake(), std::nullopt);
    const auto oldest = read(4);
    store_.pump();
    EXPECT_THAT(oldest->seqs, ElementsAre(5, 6, 7, 8, 9));
}

TEST_F(EventFeed, WhatIsPrunedWhileTheStoreReadsIsGone) {
    for (std::uint64_t seq = 1; seq <= 3; ++seq) commit(seq);
    feed_.restore(disk_.status());
    const auto got = read(0);
    disk_.events.erase(1);
    store_.pump();
    EXPECT_EQ(got->problem, "cursor_gone");
    EXPECT_THAT(
        got->members,
        ElementsAre(api::problem_member::number("oldest_seq", 2), api::problem_member::number("last_seq", 3)));
}

TEST_F(EventFeed, PrunedEventsLeaveMemoryAndTheRestStays) {
    publish_up_to(5);
    feed_.on_pruned(event_seq{4});
    EXPECT_EQ(feed_.first_seq(), event_seq{4});
    EXPECT_EQ(read(2)->problem, "cursor_gone");
    EXPECT_THAT(read(0)->seqs, ElementsAre(4, 5));
    feed_.on_pruned(event_seq{2});
    EXPECT_EQ(feed_.first_seq(), event_seq{4}) << "an answer that came late";
    feed_.on_pruned(event_seq{6});
    EXPECT_EQ(read(0)->answers, 1) << "nothing is left: the end";
    EXPECT_EQ(read(4)->problem, "cursor_gone");
    publish(6);
    EXPECT_THAT(read(0)->seqs, ElementsAre(6));
}

TEST_F(EventFeed, AReaderAtTheEndWaitsForTheNextEvent) {
    publish_up_to(2);
    const auto first = read(2, 100, 30s);
    EXPECT_NE(last_wait_, api::no_wait);
    const auto second = read(2, 100, 20s);
    EXPECT_EQ(feed_.next_wake(), start_ + 20s);
    EXPECT_EQ(wakes_changed_, 2) << "each moved the alarm";
    publish(3);
    EXPECT_THAT(first->seqs, ElementsAre(3));
    EXPECT_EQ(first->next_after, 3U);
    EXPECT_THAT(second->seqs, ElementsAre(3));
    EXPECT_EQ(feed_.next_wake(), std::nullopt);
    publish(4);
    EXPECT_EQ(first->answers + second->answers, 2) << "once each";
}

TEST_F(EventFeed, AWaitOverAnEmptyLogEndsWithItsFirstEvent) {
    const auto got = read(0, 100, 1s);
    EXPECT_NE(last_wait_, api::no_wait);
    publish(1);
    EXPECT_THAT(got->seqs, ElementsAre(1));
}

TEST_F(EventFeed, AWaitThatIsOverEndsWithNothingAtItsTime) {
    publish_up_to(2);
    const auto late = read(2, 100, 30s);
    const auto soon = read(2, 100, 10s);
    run_to(start_ + 10s - 1ns);
    EXPECT_EQ(soon->answers, 0);
    run_to(start_ + 10s);
    EXPECT_EQ(soon->answers, 1);
    EXPECT_THAT(soon->seqs, IsEmpty());
    EXPECT_EQ(soon->next_after, 2U);
    EXPECT_EQ(late->answers, 0);
    EXPECT_EQ(feed_.next_wake(), start_ + 30s);
    run_to(start_ + 1h);
    EXPECT_EQ(late->answers, 1);
    EXPECT_EQ(late->at, start_ + 30s);
    EXPECT_EQ(soon->answers, 1);
}

TEST_F(EventFeed, ACancelledWaitIsNeverAnswered) {
    const auto gone = read(0, 100, 10s);
    const api::wait_id its = last_wait_;
    const auto stays = read(0, 100, 20s);
    feed_.cancel(its);
    feed_.cancel(its);
    feed_.cancel(api::wait_id{99});
    EXPECT_EQ(feed_.next_wake(), start_ + 20s);
    run_to(start_ + 15s);
    publish(1);
    EXPECT_EQ(gone->answers, 0);
    EXPECT_EQ(stays->answers, 1);
}

TEST_F(EventFeed, WhoWaitsAgainFromItsAnswerWaitsForTheEventBehindIt) {
    std::vector<std::uint64_t> seen;
    std::function<void(event_seq)> follow = [&](event_seq after) {
        last_wait_ = feed_.events(after, 100, 1min, [&](api::outcome<api::event_list> result) {
            for (const api::log_event& event : std::get<api::event_list>(result).events)
                seen.push_back(value_of(event.seq));
            follow(std::get<api::event_list>(result).next_after);
        });
    };
    follow(event_seq{0});
    publish_up_to(3);
    EXPECT_THAT(seen, ElementsAre(1, 2, 3));
    EXPECT_EQ(feed_.next_wake(), start_ + 1min);
    feed_.cancel(last_wait_);
}

TEST_F(EventFeed, TheListenerIsNotifiedBeforeTheReadersAndUntilItIsTakenAway) {
    struct recorder final : api::event_listener {
        void on_event(const api::log_event& event) override { reported.push_back(*event.json); }
        std::vector<std::string> reported;
    } listener;
    feed_.set_event_listener(&listener);
    std::size_t reported_before = 0;
    feed_.events(event_seq{0}, 1, 1min, [&](const api::outcome<api::event_list>&) {
        reported_before = listener.reported.size();
    });
    publish(1);
    EXPECT_EQ(reported_before, 1U);
    EXPECT_THAT(listener.reported, ElementsAre(track::insert_seq(frozen(1), event_seq{1})));
    feed_.set_event_listener(nullptr);
    publish(2);
    EXPECT_EQ(listener.reported.size(), 1U);
}

TEST_F(EventFeed, MemoryHolds1024Events) {
    publish_up_to(1'024);
    EXPECT_EQ(read(0)->answers, 1);
    publish(1'025);
    const auto first = read(0, 1'000);
    EXPECT_EQ(first->answers, 0) << "the first one is in the store alone";
    const auto in_memory = read(1, 1'024);
    EXPECT_EQ(in_memory->answers, 1);
    EXPECT_EQ(in_memory->seqs.size(), 1'024U);
    store_.pump();
    EXPECT_EQ(first->seqs.size(), 1'000U);
    EXPECT_EQ(first->seqs.front(), 1U);
}

TEST_F(EventFeed, MemoryHolds8MiBButAlwaysTheNewestEvent) {
    publish_up_to(8, 1U << 20U); // each a little over 1 MiB
    EXPECT_EQ(read(0)->answers, 0) << "the eighth was too much";
    EXPECT_EQ(read(1)->answers, 1);
    publish(9, 9U << 20U);
    EXPECT_EQ(read(7)->answers, 0);
    EXPECT_THAT(read(8)->seqs, ElementsAre(9));
    publish(10);
    EXPECT_EQ(read(8)->answers, 0) << "the large one went for it";
    EXPECT_THAT(read(9)->seqs, ElementsAre(10));
    publish_up_to(1'000);
    EXPECT_EQ(read(9, 1'000)->seqs.size(), 991U) << "the bytes of those that went are free again";
}

TEST_F(EventFeed, TheBytesOfPrunedEventsAreFreeAgain) {
    publish_up_to(3, 1U << 20U);
    feed_.on_pruned(event_seq{4});
    publish_up_to(10, 1U << 20U);
    EXPECT_EQ(read(3)->answers, 1) << "seven of a little over 1 MiB fit";
    publish(11, 1U << 20U);
    EXPECT_EQ(read(3)->answers, 0) << "and eight do not";
}

} // namespace
} // namespace prooftrack::engine
