// How often the news are read, and what they become.

#include <gmock/gmock.h>

#include "cluster_fixture.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

using ClusterNews = Cluster;

TEST_F(ClusterNews, AreReadEachHalfSecondAndWhenThereAreSome) {
    begin();
    run_for(500ms);
    EXPECT_THAT(book_.take("read"), ElementsAre("500 read_news 1"));
    answer_news({});
    clock_.run_for(9ms);
    duties_.on_news();
    duties_.on_news();
    EXPECT_THAT(book_.take("read"), IsEmpty()) << "not within 10 ms";
    run_for(1ms);
    EXPECT_THAT(book_.take("read"), ElementsAre("510 read_news 2"));
    run_for(600ms);
    duties_.on_news();
    EXPECT_THAT(book_.take("read"), IsEmpty()) << "one at a time";
    answer_news({});
    run_for(0ms);
    EXPECT_THAT(book_.take("read"), ElementsAre("1110 read_news 3")) << "what came during the read";
    answer_news({});
    clock_.run_for(20ms);
    duties_.on_news();
    EXPECT_THAT(book_.take("read"), ElementsAre("1130 read_news 4")) << "at once";
}

TEST_F(ClusterNews, AreReadOnWhileThereAreMore) {
    begin();
    run_for(500ms);
    book_.take();
    store::cluster_news some;
    some.more = true;
    answer_news(some);
    answer_news(some);
    EXPECT_THAT(book_.take("read"), ElementsAre("500 read_news 2", "500 read_news 3"));
}

TEST_F(ClusterNews, AReadThatFailsIsRepeatedFromTheSamePlace) {
    begin();
    run_for(500ms);
    fail_news();
    book_.take();
    run_for(499ms);
    EXPECT_THAT(book_.take(), IsEmpty());
    run_for(1ms);
    EXPECT_THAT(book_.take(), ElementsAre("1000 read_news 1"));
}

TEST_F(ClusterNews, BecomeWork) {
    begin();
    run_for(500ms);
    book_.take();
    store::cluster_news news;
    news.rows = {row("t1", 3), row("t2", 4)};
    news.wanted_polls = {*transaction_id::parse("t2")};
    news.lanes = {"shop"};
    news.retried = {delivery_id{7}, delivery_id{8}};
    news.controls_changed = true;
    news.replays_changed = true;
    news.first_seq = event_seq{5};
    news.last_seq = event_seq{9};
    answer_news(std::move(news));
    EXPECT_THAT(
        book_.take(), ElementsAre(
                          "500 refresh t1", "500 refresh t2", "500 poll t2", "500 lanes 1 retried 2", "500 controls",
                          "500 replays", "500 catch_up 9 from 5"));
}

TEST_F(ClusterNews, APauseOfAnotherNodeHoldsHereAlsoWhenItBeganBeforeTheStart) {
    duties_.start([this] { is_ready_ = true; });
    book_.take();
    store::cluster_news first;
    first.throttled = 7s;
    answer_news(std::move(first));
    EXPECT_THAT(book_.take("pause"), ElementsAre("0 pause 7000"));
    run_for(500ms);
    answer_news({});
    EXPECT_THAT(book_.take("pause"), IsEmpty());
    run_for(500ms);
    store::cluster_news later;
    later.throttled = 2s;
    answer_news(std::move(later));
    EXPECT_THAT(book_.take("pause"), ElementsAre("1000 pause 2000"));
}

TEST_F(ClusterNews, ThatSayNothingOnlyMoveTheEndOfTheLog) {
    begin();
    run_for(500ms);
    book_.take();
    store::cluster_news news;
    news.first_seq = event_seq{1};
    news.last_seq = event_seq{4};
    answer_news(std::move(news));
    EXPECT_THAT(book_.take(), ElementsAre("500 catch_up 4 from 1"));
}

TEST_F(ClusterNews, ControlsThatCouldNotBeReadAreReadAgain) {
    begin();
    run_for(500ms);
    store::cluster_news news;
    news.controls_changed = true;
    answer_news(std::move(news));
    work_.controls_failed();
    book_.take();
    run_for(500ms);
    answer_news({});
    EXPECT_THAT(book_.take("controls"), ElementsAre("1000 controls"));
    run_for(500ms);
    answer_news({});
    EXPECT_THAT(book_.take("controls"), IsEmpty());
}

} // namespace
} // namespace prooftrack::engine
