// Several stores on one database of PostgreSQL: commits in turn, figures that follow, and what each hears of others.

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "contract/store/postgres_under_test.hpp"
#include "store/cluster.hpp"
#include "support/postgres_server.hpp"

namespace prooftrack::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

/// What a node hears is not asked for here.
class deaf_observer final : public cluster_observer {
  public:
    void on_lease(steady_duration /*until*/) override {}
    void on_gained(const shard_set& /*shards*/, shard_gain /*how*/, milliseconds /*silent*/) override {}
    void on_view(const cluster_view& /*view*/) override {}
    void on_news() override {}
    void on_fenced(const std::string& /*why*/) override {}
};

/// One node's store. Nobody keeps its lease until it joins: nothing here takes as long.
class node_store : public store_calls {
  public:
    node_store(const std::string& schema, const std::string& name) {
        postgres_options options;
        options.url = postgres_server::shared().url(schema);
        options.node = name;
        options.seed = std::hash<std::string>{}(name);
        store_ = make_postgres_store(loop_.get_executor(), options, reported);
    }
    ~node_store() override {
        store_->close([] {});
        run();
    }
    store& subject() override { return *store_; }
    void run() override {
        loop_.restart();
        loop_.run();
    }
    cluster_store& cluster() { return *store_->cluster(); }
    void join() { cluster().join(observer_); }

    std::vector<track::active_transaction> take_up(const shard_set& shards) {
        std::vector<track::active_transaction> all;
        const auto number = ask<std::uint64_t>([&](store&, auto handler) {
            cluster().take_up(
                shards,
                [&all](std::vector<track::active_transaction> chunk) {
                    for (auto& each : chunk) all.push_back(std::move(each));
                },
                std::move(handler));
        });
        EXPECT_EQ(number.value(), all.size());
        return all;
    }
    void let_go(const shard_set& shards) {
        ask<std::monostate>([&](store&, auto handler) { cluster().let_go(shards, std::move(handler)); }).value();
    }
    /// What is new since the last call; the first one gives nothing.
    cluster_news news() {
        cluster_news read =
            ask<cluster_news>([&](store&, auto handler) { cluster().read_news(cursor_, std::move(handler)); }).value();
        cursor_ = read.next;
        return read;
    }
    op_result<std::monostate> want_poll(const std::string& id) {
        return ask<std::monostate>([&](store&, auto handler) { cluster().want_poll(make_id(id), std::move(handler)); });
    }

    recorded_store_facts reported;

  private:
    boost::asio::io_context loop_{1};
    deaf_observer observer_;
    news_cursor cursor_;
    std::unique_ptr<store> store_;
};

std::vector<std::string> ids_of(const std::vector<track::active_transaction>& rows) {
    std::vector<std::string> ids;
    for (const auto& each : rows) ids.push_back(each.id.str());
    return ids;
}

std::vector<std::string> wanted_of(std::vector<track::active_transaction> rows) {
    std::erase_if(rows, [](const track::active_transaction& row) { return !row.is_wanted; });
    return ids_of(rows);
}

class PostgresNodes : public testing::Test {
  protected:
    void SetUp() override {
        if (!postgres_server::programs()) GTEST_SKIP() << "no PostgreSQL server is installed (Debian: postgresql)";
        world_ = std::make_unique<postgres_under_test>(postgres_under_test::place::fresh);
        a_ = std::make_unique<node_store>(world_->schema(), "a");
        b_ = std::make_unique<node_store>(world_->schema(), "b");
        a_->news();
        b_->news();
    }
    node_store& a() { return *a_; }
    node_store& b() { return *b_; }
    const std::string& schema() const { return world_->schema(); }
    void run(const std::string& sql) { postgres_server::shared().run("SET search_path TO " + schema() + "; " + sql); }
    std::string ask(const std::string& what, const std::string& table) {
        return postgres_server::shared().ask("SELECT " + what + " FROM " + schema() + "." + table);
    }
    /// Looks again and again, for as long as things take on a busy machine.
    template <class Condition>
    static bool comes_true(Condition condition) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (!condition()) {
            if (std::chrono::steady_clock::now() >= until) return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return true;
    }
    void age_mail(int by_seconds) const {
        postgres_server::shared().run(
            "UPDATE " + schema() + ".mail SET at = at - INTERVAL '" + std::to_string(by_seconds) + " s'");
    }
    static shard_set only(const add_outcome& added) { return shard_set().set(added.shard); }

  private:
    std::unique_ptr<postgres_under_test> world_;
    std::unique_ptr<node_store> a_;
    std::unique_ptr<node_store> b_;
};

TEST_F(PostgresNodes, NumberTheirEventsInTheOrderOfTheirCommitsWithoutGaps) {
    for (int i = 0; i < 20; ++i) {
        node_store& one = i % 2 == 0 ? a() : b();
        one.add({make_new("t" + std::to_string(i))}).value();
    }
    for (int i = 0; i < 20; ++i) {
        node_store& one = i % 3 == 0 ? a() : b();
        const auto done = one.record(make_settlement("t" + std::to_string(i), i, {"backend"}));
        EXPECT_EQ(done.value().seq, event_seq{static_cast<std::uint64_t>(i) + 1});
    }
    EXPECT_EQ(a().status().last_seq, event_seq{20});
    EXPECT_EQ(b().status().lanes.at("backend").pending, 20U);
    EXPECT_EQ(a().status().lanes.at("backend").pending, 20U);
    const auto counts = b().status().transactions;
    EXPECT_EQ(counts.at({track::tracking_state::settled, track::status_kind::completed}), 20U);
}

TEST_F(PostgresNodes, OnlyTheFirstOfTwoChangesOfARowIsTaken) {
    a().add({make_new("t")}).value();
    transition first = make_settlement("t", 1, {"backend"});
    transition second = make_settlement("t", 2, {"backend"});
    first.revision = second.revision = a().find(make_id("t")).revision;
    EXPECT_TRUE(b().record_as_is(first).has_value());
    EXPECT_EQ(a().record_as_is(second).error().code, store_error::stale);
    EXPECT_THAT(a().events().events, SizeIs(1));
}

TEST_F(PostgresNodes, WhatIsAddedElsewhereIsNewsForWhoeverHoldsItsShard) {
    b().take_up(all_shards());
    a().add({make_new("x"), make_new("y")}).value();
    EXPECT_THAT(ids_of(b().news().rows), UnorderedElementsAre("x", "y"));
    EXPECT_THAT(b().news().rows, IsEmpty());
    EXPECT_THAT(a().news().rows, IsEmpty()) << "it holds nothing";
}

TEST_F(PostgresNodes, ATakenUpShardComesWithItsWatchedRowsAndNoOther) {
    const auto added = a().add({make_new("x"), make_new("y")}).value();
    EXPECT_THAT(ids_of(b().take_up(only(added[0]))), ElementsAre("x"));
    EXPECT_THAT(ids_of(b().take_up(only(added[1]))), ElementsAre("y"));
    a().record(make_settlement("x", 1, {})).value();
    b().let_go(only(added[0]));
    const auto again = b().take_up(only(added[0]));
    EXPECT_TRUE(again.empty() || again.front().facts.state == track::tracking_state::settled);
}

TEST_F(PostgresNodes, AChangeByWhoDoesNotHoldTheRowIsNewsForItsHolder) {
    a().add({make_new("x")}).value();
    b().take_up(all_shards());
    b().news();
    const auto done = a().record(make_settlement("x", 1, {"backend"})).value();
    const cluster_news read = b().news();
    ASSERT_THAT(read.rows, SizeIs(1));
    EXPECT_EQ(read.rows.front().revision, done.revision);
    EXPECT_THAT(read.lanes, ElementsAre("backend"));
    EXPECT_EQ(read.last_seq, event_seq{1});
    EXPECT_THAT(done.heads, IsEmpty()) << "its delivery is b's";
    EXPECT_THAT(b().heads("backend"), SizeIs(1));
    EXPECT_THAT(a().heads("backend"), IsEmpty());
}

TEST_F(PostgresNodes, WhatTheHolderChangesItselfIsNoNews) {
    b().take_up(all_shards());
    b().add({make_new("x")}).value();
    b().news();
    b().record(make_settlement("x", 1, {"backend"})).value();
    const cluster_news read = b().news();
    EXPECT_THAT(read.rows, IsEmpty());
    EXPECT_THAT(read.lanes, IsEmpty());
    EXPECT_EQ(a().news().last_seq, event_seq{1});
}

TEST_F(PostgresNodes, AWantedPollIsNewsAndOfNoneThatIsNotWatched) {
    a().add({make_new("x")}).value();
    b().take_up(all_shards());
    b().news();
    EXPECT_TRUE(a().want_poll("x").has_value());
    EXPECT_THAT(b().news().wanted_polls, ElementsAre(make_id("x")));
    EXPECT_EQ(a().want_poll("nobody").error().code, store_error::not_found);
}

/// Its former owner has let it go when the mail comes, and the next one has not taken it up.
TEST_F(PostgresNodes, WhoTakesAShardUpIsToldOfPollsThatAreStillWanted) {
    a().add({make_new("x"), make_new("y")}).value();
    EXPECT_TRUE(a().want_poll("x").has_value());
    EXPECT_THAT(b().news().wanted_polls, IsEmpty());
    EXPECT_THAT(wanted_of(b().take_up(all_shards())), ElementsAre("x"));
    EXPECT_THAT(wanted_of(b().take_up(~all_shards())), IsEmpty());
    run("UPDATE transactions SET last_polled_at = (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT");
    EXPECT_THAT(wanted_of(b().take_up(all_shards())), ElementsAre("x")) << "by a clock that may be ahead";
    age_mail(31);
    EXPECT_THAT(wanted_of(b().take_up(all_shards())), IsEmpty());
}

TEST_F(PostgresNodes, ARetryByHandElsewhereIsNewsWithItsLane) {
    b().take_up(all_shards());
    b().add({make_new("x")}).value();
    const auto made = b().record(make_settlement("x", 1, {"backend"})).value();
    const delivery_id id = made.heads.front().id;
    b().news();
    const auto head = a().ask<delivery_head>(
        [&](store& subject, auto handler) { subject.retry_delivery(id, wall_time(seconds(9)), std::move(handler)); });
    EXPECT_TRUE(head.value().waits) << "nothing for the one that does not hold it";
    const cluster_news read = b().news();
    EXPECT_THAT(read.retried, ElementsAre(id));
    EXPECT_THAT(read.lanes, ElementsAre("backend"));
}

TEST_F(PostgresNodes, PausesAndMaintenanceAreNewsForAll) {
    a().ask<std::optional<wall_time>>([](store& subject, auto handler) {
           subject.set_paused("backend", wall_time(seconds(5)), std::move(handler));
       })
        .value();
    EXPECT_TRUE(b().news().controls_changed);
    EXPECT_FALSE(b().news().controls_changed);
    EXPECT_TRUE(b().status().pauses.contains("backend"));
}

TEST_F(PostgresNodes, APauseAfterA429IsNewsForTheOthersWithWhatIsLeftOfIt) {
    a().cluster().tell_throttled(seconds(20));
    a().cluster().tell_throttled(seconds(60));
    a().cluster().tell_throttled(seconds(40));
    EXPECT_EQ(a().news().throttled, std::nullopt) << "its own";
    const auto left = b().news().throttled;
    ASSERT_TRUE(left);
    EXPECT_LE(*left, seconds(60)) << "the longest";
    EXPECT_GT(*left, seconds(50));
    EXPECT_EQ(b().news().throttled, std::nullopt) << "told once";
}

TEST_F(PostgresNodes, WhatIsLeftOfAPauseGoesByTheDatabasesClock) {
    a().cluster().tell_throttled(seconds(60));
    a().status(); // it is committed
    age_mail(45);
    node_store late(schema(), "late");
    const auto left = late.news().throttled; // the first ones
    ASSERT_TRUE(left);
    EXPECT_LE(*left, seconds(15));
    EXPECT_GT(*left, seconds(5));
    age_mail(15);
    EXPECT_EQ(b().news().throttled, std::nullopt) << "it is over";
}

TEST_F(PostgresNodes, APauseThatEndedBeforeItCouldBeWrittenIsNotTold) {
    a().cluster().tell_throttled(milliseconds(0));
    EXPECT_TRUE(a().add({make_new("x")}).has_value());
    EXPECT_EQ(postgres_server::shared().ask("SELECT count(*) FROM " + schema() + ".mail WHERE kind = 6"), "0");
}

TEST_F(PostgresNodes, WhoIsTakenForGoneWritesNothingMore) {
    a().add({make_new("x")}).value();
    postgres_server::shared().run("UPDATE " + schema() + ".writers SET boot = '' WHERE node = 'b'");
    EXPECT_FALSE(b().add({make_new("y")}).has_value());
    EXPECT_FALSE(a().knows(make_id("y")));
    EXPECT_TRUE(a().add({make_new("z")}).has_value());
}

TEST_F(PostgresNodes, WhatAnEarlierStartHeldIsNotHeldByTheNextOne) {
    b().add({make_new("x")}).value();
    b().take_up(all_shards());
    b().join();
    a().take_up(all_shards()); // as if it had taken over
    a().news();
    run("UPDATE nodes SET state = 2 WHERE id = 'b'; "
        "UPDATE writers SET boot = '', former_boot = boot, former_batch = batch WHERE node = 'b'");
    // Nobody has told it to let go before it writes again.
    ASSERT_TRUE(comes_true([this] { return b().record(make_settlement("x", 1, {"backend"})).has_value(); }));
    const cluster_news read = a().news();
    EXPECT_THAT(ids_of(read.rows), ElementsAre("x"));
    EXPECT_THAT(read.lanes, ElementsAre("backend"));
    EXPECT_THAT(b().heads("backend"), IsEmpty());
}

TEST_F(PostgresNodes, ALaterStartKnowsTheLanesAsTheyAreNow) {
    b().add({make_new("x"), make_new("y")}).value();
    b().record(make_settlement("x", 1, {"backend"})).value();
    b().join();
    run("DELETE FROM deliveries; UPDATE lanes SET lane = 'other', callback = 'other', pending = 0, total = 0; "
        "UPDATE prooftrackd SET batch = batch + 1; UPDATE nodes SET state = 2 WHERE id = 'b'; "
        "UPDATE writers SET boot = '', former_boot = boot, former_batch = batch WHERE node = 'b'");
    ASSERT_TRUE(comes_true([this] { return b().record(make_settlement("y", 2, {"backend"})).has_value(); }));
    EXPECT_EQ(ask("count(*)", "lanes WHERE lane = 'backend' AND row = 2 AND pending = 1"), "1");
}

TEST_F(PostgresNodes, EachStopsWhenTheLogHasAnotherName) {
    a().add({make_new("x")}).value();
    run("UPDATE counters SET log_id = 'feedfeedfeedfeed'; UPDATE prooftrackd SET batch = batch + 1");
    EXPECT_FALSE(a().add({make_new("y")}).has_value());
    EXPECT_TRUE(comes_true([this] {
        static_cast<void>(a().probe()); // the outcome comes with an answer
        return !a().reported.fatal.empty();
    }));
    EXPECT_EQ(ask("log_id", "counters"), "feedfeedfeedfeed") << "renamed once";
    EXPECT_EQ(ask("count(*)", "transactions"), "1");
}

TEST_F(PostgresNodes, WhoOnlyReadsHearsFromAnotherThatTheDatabaseWasSetBack) {
    a().add({make_new("x")}).value();
    EXPECT_EQ(b().status().last_seq, event_seq{});
    run("UPDATE writers SET batch = batch - 1 WHERE node = 'a'; "
        "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a, nodes "
        "WHERE application_name = 'prooftrackd ' || boot AND id = 'a'");
    for (node_store* const each : {&a(), &b()}) {
        EXPECT_TRUE(comes_true([each] {
            static_cast<void>(
                each->ask<store_status>([](store& subject, auto handler) { subject.status(std::move(handler)); }));
            return !each->reported.fatal.empty();
        }));
    }
    EXPECT_THAT(a().reported.fatal, ElementsAre(HasSubstr("of this node, and")));
    EXPECT_THAT(b().reported.fatal, ElementsAre(HasSubstr("another log_id: another node has found it")));
}

TEST_F(PostgresNodes, OldMailIsRemovedAndWhoMissedItIsTold) {
    a().add({make_new("x")}).value();
    run("INSERT INTO mail (no, at, kind, subject) SELECT n, clock_timestamp() - INTERVAL '1 hour', 0, 1 "
        "FROM generate_series(1, 499) n; "
        "UPDATE counters SET next_mail = 500; UPDATE prooftrackd SET batch = batch + 1");
    EXPECT_TRUE(a().want_poll("x").has_value());
    EXPECT_EQ(ask("string_agg(no::TEXT, ' ')", "mail"), "500");
    const cluster_news missed = b().news();
    EXPECT_TRUE(missed.controls_changed);
    EXPECT_TRUE(missed.replays_changed);
    EXPECT_TRUE(a().want_poll("x").has_value());
    EXPECT_FALSE(b().news().controls_changed) << "it goes on behind";
}

TEST_F(PostgresNodes, MailAboutALaneThatIsForgottenIsPassedBy) {
    a().add({make_new("x")}).value();
    run("INSERT INTO mail (no, kind, subject) VALUES (1, 2, 77); "
        "UPDATE counters SET next_mail = 2; UPDATE prooftrackd SET batch = batch + 1");
    EXPECT_THAT(b().news().lanes, IsEmpty());
    EXPECT_TRUE(b().reported.fatal.empty());
}

} // namespace
} // namespace prooftrack::store
