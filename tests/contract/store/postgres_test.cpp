// What is PostgreSQL's alone: one writer, a commit whose answer is lost, a server that is away, and the start.

#include <algorithm>
#include <thread>

#include <sys/socket.h>

#include <gmock/gmock.h>

#include "contract/store/postgres_under_test.hpp"
#include "store/postgres/pg_marks.hpp"
#include "store/postgres/pg_membership.hpp"
#include "store/postgres/pg_target.hpp"
#include "support/postgres_server.hpp"

namespace prooftrack::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(PostgresServer, IsInstalled) {
    if (!postgres_server::programs()) GTEST_SKIP() << "no PostgreSQL server is installed (Debian: postgresql)";
}

class Postgres : public testing::Test {
  protected:
    void SetUp() override {
        if (!postgres_server::programs()) GTEST_SKIP() << "no PostgreSQL server is installed (Debian: postgresql)";
        made_ = std::make_unique<postgres_under_test>(postgres_under_test::place::fresh);
    }
    postgres_under_test& world() { return *made_; }
    static postgres_server& server() { return postgres_server::shared(); }
    std::string table(const std::string& name) { return world().schema() + "." + name; }
    void cut_at(commit_moment moment) {
        world().at(moment, [](int socket) { ::shutdown(socket, SHUT_RDWR); });
    }
    std::string refusal() { return refusal(world().options()); }
    static std::string refusal(const postgres_options& options) {
        recorded_store_facts facts;
        boost::asio::io_context loop;
        try {
            make_postgres_store(loop.get_executor(), options, facts);
        } catch (const store_start_error& error) {
            EXPECT_EQ(error.exit_status(), 75);
            return error.what();
        }
        return "";
    }
    void wait_for_the_end() {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (world().reported().fatal.empty() && std::chrono::steady_clock::now() < until) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
            static_cast<void>(world().probe()); // the outcome comes with an answer
        }
    }
    /// The outcome of adding, tried again while the server is away.
    op_result<std::vector<add_outcome>> add_in_time(const std::string& id) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (true) {
            auto outcome = world().add({make_new(id)});
            const bool is_away = !outcome && outcome.error().code == store_error::unreachable;
            if (!is_away || std::chrono::steady_clock::now() >= until) return outcome;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
    }

    /// Likewise. The answer of a commit may be read though the connection was cut behind it: then the next call finds
    /// that it is lost.
    bool knows_in_time(const std::string& id) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (true) {
            const auto found = world().ask<std::optional<track::transaction_view>>(
                [&id](store& subject, auto handler) { subject.find(make_id(id), std::move(handler)); });
            const bool is_away = !found && found.error().code == store_error::unreachable;
            if (!is_away || std::chrono::steady_clock::now() >= until) return found.value().has_value();
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
    }

  private:
    std::unique_ptr<postgres_under_test> made_;
};

class PostgresCommit : public Postgres {};

TEST_F(PostgresCommit, IsAnsweredAsWhatItIsWhenItsAnswerIsLost) {
    world().add({make_new("a")}).value();
    cut_at(commit_moment::sent);
    const auto outcome = world().add({make_new("b")}); // COMMIT has reached the server
    ASSERT_TRUE(outcome.has_value()) << outcome.error().message();
    EXPECT_TRUE(knows_in_time("b"));
    EXPECT_THAT(world().reported().states, ElementsAre(track::store_state::unreachable, track::store_state::ok));
    EXPECT_THAT(world().reported().fatal, IsEmpty());
    EXPECT_EQ(world().status().transactions.at({track::tracking_state::tracking, track::status_kind::none}), 2U);
}

TEST_F(PostgresCommit, IsRefusedAndNotThereWhenItWasLostOnTheWay) {
    world().add({make_new("a")}).value();
    cut_at(commit_moment::before); // it is sent into a closed socket
    EXPECT_EQ(world().add({make_new("b")}).error().code, store_error::unreachable);
    EXPECT_TRUE(add_in_time("c").has_value());
    EXPECT_FALSE(world().knows(make_id("b")));
    EXPECT_EQ(world().status().transactions.at({track::tracking_state::tracking, track::status_kind::none}), 2U);
}

TEST_F(PostgresCommit, OfManyWhoseAnswerIsLostEachHasItsOwnOutcomeInOrder) {
    world().add({make_new("a")}).value();
    cut_at(commit_moment::sent);
    std::vector<int> order;
    std::vector<bool> done;
    for (int i = 0; i < 20; ++i) {
        transition stale = make_settlement("a", i, {"backend"});
        stale.revision = row_revision{1};
        world().subject().record(stale, [&order, &done, i](const auto& outcome) {
            order.push_back(i);
            done.push_back(outcome.has_value());
        });
    }
    world().run();
    EXPECT_EQ(std::count(done.begin(), done.end(), true), 1) << "the others are stale";
    EXPECT_THAT(order, SizeIs(20));
    EXPECT_TRUE(add_in_time("z").has_value());
    EXPECT_EQ(world().find(make_id("a")).revision, row_revision{2});
    EXPECT_EQ(world().events().events.size(), 1U);
}

class PostgresOwner : public Postgres {};

TEST_F(PostgresOwner, ASecondStoreIsRefusedUntilTheFirstHasEnded) {
    world().add({make_new("a")}).value();
    EXPECT_THAT(refusal(), HasSubstr("uses this database"));
    world().reopen();
    EXPECT_TRUE(world().knows(make_id("a")));
}

TEST_F(PostgresOwner, WhoLostItsConnectionAndItsPlaceWritesNothingMore) {
    world().add({make_new("a")}).value();
    world().at(commit_moment::before, [this](int socket) {
        ::shutdown(socket, SHUT_RDWR);
        server().run("UPDATE " + table("writers") + " SET boot = 'another daemon'");
    });
    EXPECT_FALSE(world().add({make_new("b")}).has_value());
    wait_for_the_end();
    EXPECT_THAT(world().reported().fatal, ElementsAre(HasSubstr("taken the database over")));
    EXPECT_EQ(world().add({make_new("c")}).error().code, store_error::failed);
    EXPECT_EQ(server().ask("SELECT count(*) FROM " + table("transactions")), "1");
}

TEST_F(PostgresOwner, AWriterThatIsNoneAnyMoreIsFencedThoughItsConnectionLives) {
    world().add({make_new("a")}).value();
    world().break_disk();
    EXPECT_EQ(world().add({make_new("b")}).error().code, store_error::failed);
    EXPECT_EQ(server().ask("SELECT count(*) FROM " + table("transactions")), "1");
}

TEST_F(PostgresOwner, ADatabaseThatWasSetBackStopsItAndGetsAnotherLog) {
    world().add({make_new("a")}).value();
    const std::string log_id = world().status().log_id;
    world().at(commit_moment::before, [this](int socket) {
        ::shutdown(socket, SHUT_RDWR);
        server().run("UPDATE " + table("writers") + " SET batch = batch - 1");
    });
    EXPECT_FALSE(world().add({make_new("b")}).has_value());
    wait_for_the_end();
    EXPECT_THAT(world().reported().fatal, ElementsAre(HasSubstr("set back to an earlier state")));
    EXPECT_NE(server().ask("SELECT log_id FROM " + table("counters")), log_id);
}

/// When others have committed more since than was lost, before it looks again.
class PostgresSetBack : public Postgres {
  protected:
    void go_back_by_one() { server().run("UPDATE " + table("prooftrackd") + " SET batch = batch - 1"); }
    /// So many commits of another node, by a session of its own.
    void commit_elsewhere(int commits) {
        const std::atomic<bool> never{false};
        pg_link link(connect_to(parse_pg_url(server().url(world().schema())).value(), secret(), "another", never));
        for (int i = 0; i < commits; ++i) {
            begin_turn(link);
            link.ask("COMMIT");
        }
    }
    /// The connection is lost with a commit that is not there, and `meanwhile` comes before the next one is made.
    void lose_connection(std::function<void()> meanwhile) {
        world().at(commit_moment::before, [then = std::move(meanwhile)](int socket) {
            ::shutdown(socket, SHUT_RDWR);
            then();
        });
        EXPECT_FALSE(world().add({make_new("lost")}).has_value());
    }
    std::string log_id() { return server().ask("SELECT log_id FROM " + table("counters")); }
    std::string transactions() { return server().ask("SELECT count(*) FROM " + table("transactions")); }
};

TEST_F(PostgresSetBack, ACommitOfAnotherHistoryWithTheSameNumberHidesNothing) {
    world().add({make_new("a")}).value();
    const std::string log = log_id();
    lose_connection([this] {
        go_back_by_one();
        commit_elsewhere(5);
    });
    wait_for_the_end();
    EXPECT_THAT(world().reported().fatal, ElementsAre(HasSubstr("set back to an earlier state (it ends with commit")));
    EXPECT_NE(log_id(), log);
    EXPECT_EQ(world().add({make_new("b")}).error().code, store_error::failed);
    EXPECT_EQ(transactions(), "1");
}

TEST_F(PostgresSetBack, OthersWhoCommitMeanwhileAreNotTakenForThat) {
    world().add({make_new("a")}).value();
    const std::string log = log_id();
    lose_connection([this] { commit_elsewhere(5); });
    EXPECT_TRUE(add_in_time("b").has_value());
    EXPECT_THAT(world().reported().states, ElementsAre(track::store_state::unreachable, track::store_state::ok));
    EXPECT_THAT(world().reported().fatal, IsEmpty());
    EXPECT_EQ(log_id(), log);
}

TEST_F(PostgresSetBack, AMarkThatWasForgottenMeanwhileIsNotTakenForThat) {
    world().add({make_new("a")}).value();
    lose_connection([this] {
        server().run("DELETE FROM " + table("marks"));
        commit_elsewhere(1);
    });
    EXPECT_TRUE(add_in_time("b").has_value());
    EXPECT_THAT(world().reported().fatal, IsEmpty());
}

TEST_F(PostgresSetBack, ItIsFoundThoughTheConnectionLives) {
    world().add({make_new("a")}).value();
    const std::string log = log_id();
    go_back_by_one();
    commit_elsewhere(2);
    EXPECT_FALSE(world().add({make_new("b")}).has_value());
    wait_for_the_end();
    EXPECT_THAT(world().reported().fatal, ElementsAre(HasSubstr("set back to an earlier state")));
    EXPECT_NE(log_id(), log);
    EXPECT_EQ(transactions(), "1");
}

TEST_F(PostgresSetBack, OnlyTheNewestMarksAreKept) {
    world().add({make_new("a")}).value();
    server().run(
        "INSERT INTO " + table("marks") + " SELECT -n, 'old' FROM generate_series(1, " + std::to_string(most_marks) +
        ") n");
    commit_elsewhere(2);
    EXPECT_EQ(server().ask("SELECT count(*) FROM " + table("marks")), std::to_string(most_marks));
    EXPECT_EQ(server().ask("SELECT count(*) FROM " + table("marks") + " WHERE mark <> 'old'"), "2")
        << "one of each session, however much it commits";
}

class PostgresAway : public Postgres {};

TEST_F(PostgresAway, AnotherTimelineWithNothingLostIsToldAndChangesNothing) {
    world().add({make_new("a")}).value();
    const std::string log_id = world().status().log_id;
    server().stop();
    EXPECT_EQ(world().add({make_new("b")}).error().code, store_error::unreachable);
    server().start_as_successor();
    EXPECT_TRUE(add_in_time("c").has_value());
    ASSERT_THAT(world().reported().failovers, SizeIs(1));
    EXPECT_EQ(world().reported().failovers.front().second, world().reported().failovers.front().first + 1);
    EXPECT_THAT(world().reported().states, ElementsAre(track::store_state::unreachable, track::store_state::ok));
    EXPECT_THAT(world().reported().fatal, IsEmpty());
    EXPECT_EQ(world().status().log_id, log_id);
    EXPECT_TRUE(world().knows(make_id("a")));
}

TEST_F(PostgresAway, EveryCallIsRefusedAtOnceAndItGoesOnByItself) {
    world().add({make_new("a")}).value();
    server().stop();
    const auto refused = world().add({make_new("b")});
    const auto read =
        world().ask<store_status>([](store& subject, auto handler) { subject.status(std::move(handler)); });
    server().start();
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, store_error::unreachable);
    EXPECT_THAT(refused.error().message(), HasSubstr("PostgreSQL cannot be reached"));
    EXPECT_EQ(read.error().code, store_error::unreachable);
    EXPECT_TRUE(add_in_time("c").has_value());
    EXPECT_FALSE(world().knows(make_id("b")));
    EXPECT_THAT(world().reported().states, ElementsAre(track::store_state::unreachable, track::store_state::ok));
    EXPECT_THAT(world().reported().failovers, IsEmpty());
}

TEST_F(PostgresAway, AnIdleStoreFindsItsEndedSessionByItself) {
    world().add({make_new("a")}).value();
    server().run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'prooftrackd %'");
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (world().reported().states.size() < 2 && std::chrono::steady_clock::now() < until) {
        world().loop().restart();
        world().loop().run_for(std::chrono::milliseconds(20)); // nothing is called
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_THAT(world().reported().states, ElementsAre(track::store_state::unreachable, track::store_state::ok));
    world().add({make_new("b")}).value();
}

class PostgresStart : public Postgres {};

TEST_F(PostgresStart, RefusesTheSchemaOfAnotherProgram) {
    server().run("CREATE TABLE " + table("orders") + " (id BIGINT)");
    EXPECT_THAT(refusal(), HasSubstr("holds tables of another program"));
    EXPECT_EQ(server().ask("SELECT count(*) FROM pg_tables WHERE schemaname = '" + world().schema() + "'"), "1");
}

TEST_F(PostgresStart, RefusesANewerSchemaAndCountersThatDoNotFit) {
    world().reopen();
    world().subject().close([] {});
    world().run();
    server().run("UPDATE " + table("prooftrackd") + " SET schema_version = 99");
    EXPECT_THAT(refusal(), HasSubstr("the database has schema 99"));
    server().run(
        "UPDATE " + table("prooftrackd") + " SET schema_version = 2; UPDATE " + table("counters") +
        " SET next_event = 5");
    EXPECT_THAT(refusal(), HasSubstr("the counters do not fit the tables"));
}

TEST_F(PostgresStart, ADatabaseOfTheVersionBeforeIsBroughtUpToDate) {
    world().add({make_new("a"), make_new("b")}).value();
    world().record(make_settlement("a", 1, {"backend"})).value();
    world().subject().close([] {});
    world().run();
    server().run(
        "SET search_path TO " + world().schema() +
        "; DROP TABLE nodes, writers, marks, shards, moves, mail; "
        "ALTER TABLE prooftrackd DROP COLUMN mark; "
        "ALTER TABLE prooftrackd ADD COLUMN boot TEXT NOT NULL DEFAULT 'a1b2'; "
        "ALTER TABLE counters DROP COLUMN next_mail; ALTER TABLE lanes DROP COLUMN changed; "
        "DROP INDEX transactions_watched; "
        "CREATE INDEX transactions_watched ON transactions (watched) WHERE watched = 1; "
        "UPDATE prooftrackd SET schema_version = 1");
    world().reopen();
    EXPECT_EQ(world().status().lanes.at("backend").pending, 1U);
    world().add({make_new("c")}).value();
    EXPECT_EQ(world().record(make_settlement("b", 2, {"backend"})).value().seq, event_seq{2});
    EXPECT_EQ(server().ask("SELECT schema_version FROM " + table("prooftrackd")), "2");
    EXPECT_EQ(server().ask("SELECT count(*) FROM " + table("shards")), "256");
}

TEST_F(PostgresStart, RefusesARoleThatMayNotCreateTables) {
    server().run(
        "CREATE ROLE poor_" + world().schema() + " LOGIN; GRANT USAGE ON SCHEMA " + world().schema() + " TO poor_" +
        world().schema());
    postgres_options options = world().options();
    options.url.replace(options.url.find("postgres@"), std::string("postgres").size(), "poor_" + world().schema());
    EXPECT_THAT(refusal(options), HasSubstr("needs CREATE on its schema"));
}

TEST_F(PostgresStart, TakesARoleThatMayNotAskTheServerForItsTimeline) {
    const std::string role = "plain_" + world().schema();
    server().run(
        "CREATE ROLE " + role + " LOGIN; GRANT USAGE, CREATE ON SCHEMA " + world().schema() + " TO " + role +
        "; REVOKE EXECUTE ON FUNCTION pg_current_wal_lsn() FROM PUBLIC");
    postgres_options options = world().options();
    options.url.replace(options.url.find("postgres@"), std::string("postgres").size(), role);
    EXPECT_EQ(refusal(options), "");
    server().run("GRANT EXECUTE ON FUNCTION pg_current_wal_lsn() TO PUBLIC");
}

TEST_F(PostgresStart, WarnsOfASessionThatWouldNotWaitForTheDisk) {
    postgres_options options = world().options();
    options.url += "%20-csynchronous_commit%3Doff";
    std::vector<std::string> warnings;
    options.warn = [&warnings](const std::string& warning) { warnings.push_back(warning); };
    recorded_store_facts facts;
    boost::asio::io_context loop;
    auto made = make_postgres_store(loop.get_executor(), options, facts);
    EXPECT_THAT(warnings, testing::Contains(HasSubstr("synchronous_commit is off")));
    made->close([] {});
    loop.run();
}

} // namespace
} // namespace prooftrack::store
