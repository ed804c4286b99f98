// Nodes of a cluster on a real PostgreSQL: who owns which shard when they come, go, die and are cut off.

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "net/steady_alarm.hpp"
#include "store/postgres/cluster_thread.hpp"
#include "store/postgres/node_process.hpp"
#include "store/postgres/pg_schema.hpp"
#include "store/postgres/pg_statement.hpp"
#include "store/store.hpp"
#include "support/postgres_server.hpp"

namespace prooftrack::store {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr seconds patience{20}; // for what comes at once on a quiet machine

std::string next_boot() {
    static std::atomic<int> number{0};
    return fmt::format("{:016x}", ++number);
}

struct gain {
    shard_set shards;
    shard_gain how;
    milliseconds silent;
};

node_process make_dead_process() {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    ::waitpid(child, nullptr, 0);
    node_process dead = this_process();
    dead.pid = child;
    return dead;
}

/// A node whose engine hands over at once what is not wanted, if it is told to.
class node {
  public:
    node(const pg_target& target, const std::string& name, bool hands_over = true)
        : target_(target), identity_(name, next_boot()), hands_over_(hands_over) {
        pg_link link(connect_to(target_, password_, session_name(identity_.boot()), never_));
        if (const auto refusal = join_cluster(link, {name, identity_.boot(), "1.0"}, 0ms))
            throw std::runtime_error(*refusal);
        cluster_hooks hooks;
        hooks.lease = [this](steady_duration until) { note([&] { lease_ = until; }); };
        hooks.gained = [this](const shard_set& shards, shard_gain how, milliseconds silent) {
            note([&] {
                gains_.push_back({shards, how, silent});
                held_ |= shards;
            });
        };
        hooks.view = [this](const cluster_view& view) { on_view(view); };
        hooks.news = [this] { note([&] { ++news_; }); };
        hooks.fenced = [this](const std::string& why) {
            note([&] {
                fenced_.push_back(why);
                held_.reset();
            });
        };
        hooks.identity_changed = [this] { note([&] { ++changes_; }); };
        thread_.emplace(target_, password_, identity_, "1.0", &next_boot, hooks);
        is_made_ = true;
    }

    cluster_thread& thread() { return *thread_; }
    pg_identity& identity() { return identity_; }

    template <class Condition>
    bool comes_true(Condition condition, milliseconds within = patience) {
        std::unique_lock lock(mutex_);
        return noted_.wait_for(lock, within, [&] { return condition(*this); });
    }
    template <class Read>
    auto read(Read what) {
        const std::lock_guard lock(mutex_);
        return what(*this);
    }
    shard_set held() {
        return read([](node& n) { return n.held_; });
    }
    std::vector<std::string> fenced() {
        return read([](node& n) { return n.fenced_; });
    }
    bool gets_leases(int more) {
        for (int i = 0; i < more; ++i) {
            const steady_duration last = read([](node& n) { return n.lease_; });
            if (!comes_true([last](node& n) { return n.lease_ > last; })) return false;
        }
        return true;
    }

    // Guarded by the mutex: for `comes_true` and `read`.
    steady_duration lease_{};
    std::vector<gain> gains_;
    shard_set held_;
    cluster_view view_;
    int news_ = 0;
    int changes_ = 0;
    std::vector<std::string> fenced_;

  private:
    template <class Change>
    void note(Change change) {
        const std::lock_guard lock(mutex_);
        change();
        noted_.notify_all();
    }
    void on_view(const cluster_view& view) {
        const shard_set surplus = view.owned & ~view.wanted;
        note([&] {
            view_ = view;
            if (hands_over_ && is_made_) held_ &= ~surplus;
        });
        if (hands_over_ && is_made_ && surplus.any()) thread_->hand_over(surplus);
    }

    const pg_target& target_;
    const secret password_;
    const std::atomic<bool> never_{false};
    pg_identity identity_;
    const bool hands_over_;
    std::mutex mutex_;
    std::condition_variable noted_;
    std::atomic<bool> is_made_{false};
    std::optional<cluster_thread> thread_;
};

std::function<bool(node&)> holds(std::size_t number) {
    return [number](node& n) { return n.held_.count() == number; };
}

class PostgresCluster : public testing::Test {
  protected:
    void SetUp() override {
        if (!postgres_server::programs()) GTEST_SKIP() << "no PostgreSQL server is installed (Debian: postgresql)";
        static int number = 0;
        schema_ = "cluster_" + std::to_string(++number);
        server().run(
            "CREATE SCHEMA " + schema_ + "; SET search_path = " + schema_ + ";" + pg_schema_sql() +
            "INSERT INTO prooftrackd (one, schema_version, batch) VALUES (1, 2, 0)");
        target_ = parse_pg_url(server().url(schema_)).value();
    }
    static postgres_server& server() { return postgres_server::shared(); }
    std::unique_ptr<node> make_node(const std::string& name, bool hands_over = true) {
        return std::make_unique<node>(target_, name, hands_over);
    }
    std::unique_ptr<pg_link> connect(const std::string& boot) {
        return std::make_unique<pg_link>(connect_to(target_, secret(), session_name(boot), never_));
    }
    void run(const std::string& sql) { server().run("SET search_path = " + schema_ + ";" + sql); }
    std::string ask(const std::string& sql) { return server().ask("SET search_path = " + schema_ + ";" + sql); }
    bool comes_to(const std::string& sql, const std::string& answer) {
        const auto until = std::chrono::steady_clock::now() + patience;
        while (ask(sql) != answer) {
            if (std::chrono::steady_clock::now() >= until) return false;
            std::this_thread::sleep_for(10ms);
        }
        return true;
    }
    void insert_node(const std::string& name, const node_process& process, const char* expires) {
        run(fmt::format(
            "INSERT INTO nodes VALUES ('{}', 'an old boot', '{}', {}, {}, '1.0', 0, clock_timestamp(), "
            "clock_timestamp() + INTERVAL '{}')",
            name, process.host, process.pid, process.start, expires));
    }
    std::optional<std::string> join(const std::string& name, milliseconds waits) {
        const std::string boot = next_boot();
        return join_cluster(*connect(boot), {name, boot, "1.0"}, waits);
    }

    pg_target target_;
    const std::atomic<bool> never_{false};

  private:
    std::string schema_;
};

TEST_F(PostgresCluster, TheFirstNodeTakesEverythingAsNobodys) {
    const steady_duration before = net::system_clock_source().since_boot();
    const auto a = make_node("a");
    ASSERT_TRUE(a->comes_true([](node& n) { return n.view_.owned.all(); }));
    const auto gains = a->read([](node& n) { return n.gains_; });
    ASSERT_EQ(gains.size(), 1U);
    EXPECT_TRUE(gains.front().shards.all());
    EXPECT_EQ(gains.front().how, shard_gain::unowned);
    EXPECT_EQ(gains.front().silent, 0ms);
    const auto view = a->read([](node& n) { return n.view_; });
    EXPECT_TRUE(view.wanted.all());
    EXPECT_EQ(view.sharing, 1U);
    EXPECT_EQ(view.owner_of(200), "a");
    ASSERT_EQ(view.nodes.size(), 1U);
    EXPECT_EQ(view.nodes.front().shards, shard_count);
    ASSERT_EQ(view.moves.size(), 1U);
    EXPECT_EQ(view.moves.front().node, "a");
    EXPECT_EQ(view.moves.front().former, "");
    EXPECT_EQ(view.moves.front().shards, shard_count);
    const auto lease = a->read([](node& n) { return n.lease_; });
    EXPECT_GE(lease, before + lease_trust);
    EXPECT_LE(lease, net::system_clock_source().since_boot() + lease_trust);
}

TEST_F(PostgresCluster, NodesShareAndOneThatStopsLeavesItsShardsToTheOthers) {
    const auto a = make_node("a");
    ASSERT_TRUE(a->comes_true(holds(256)));
    const auto b = make_node("b");
    ASSERT_TRUE(b->comes_true(holds(128)));
    EXPECT_EQ(b->read([](node& n) { return n.gains_.front().how; }), shard_gain::handed_over);
    const auto c = make_node("c");
    const auto is_settled = [](node& n) {
        return n.view_.sharing == 3 && n.view_.owned == n.view_.wanted && n.held_ == n.view_.owned;
    };
    for (const auto& each : {&a, &b, &c}) ASSERT_TRUE((*each)->comes_true(is_settled));
    const shard_set former = c->held();
    EXPECT_EQ(a->held().count() + b->held().count() + former.count(), shard_count);
    EXPECT_TRUE((a->held() | b->held() | former).all());
    EXPECT_GE(former.count(), 85U);
    EXPECT_LE(former.count(), 86U);

    const auto began = std::chrono::steady_clock::now();
    c->thread().stop();
    ASSERT_TRUE(comes_to("SELECT count(*) FROM shards WHERE owner IN ('a', 'b')", "256"));
    EXPECT_LE(std::chrono::steady_clock::now() - began, 3s); // 1.5 s, and room for a machine that is busy
    EXPECT_EQ(ask("SELECT state FROM nodes WHERE id = 'c'"), "2");
    ASSERT_TRUE(a->comes_true([](node& n) { return n.held_.count() >= 128; }));
    EXPECT_EQ(a->read([](node& n) { return n.gains_.back().how; }), shard_gain::handed_over);
    EXPECT_THAT(a->fenced(), IsEmpty());
}

TEST_F(PostgresCluster, OneThatDiesIsTakenOverThoughItHadTheTurn) {
    const pg_node dead{"dead", next_boot(), "1.0"};
    const auto link = connect(dead.boot);
    ASSERT_EQ(join_cluster(*link, dead, 0ms), std::nullopt);
    const auto died = std::chrono::steady_clock::now();
    shard_claim everything;
    everything.shards = all_shards();
    ASSERT_EQ(claim_shards(*link, dead, everything).value().front().how, shard_gain::unowned);
    const auto a = make_node("a", false);
    begin_turn(*link); // and never goes on
    ASSERT_TRUE(a->comes_true([](node& n) { return n.view_.nodes.size() == 2; }));
    EXPECT_TRUE(a->held().none()) << "it may still live";
    ASSERT_TRUE(a->comes_true(holds(256)));
    const auto took = std::chrono::steady_clock::now() - died;
    EXPECT_GE(took, lease_length);
    EXPECT_LE(took, 8s); // 6 s, and room for a machine that is busy
    const gain how = a->read([](node& n) { return n.gains_.back(); });
    EXPECT_EQ(how.how, shard_gain::taken_over);
    EXPECT_GE(how.silent, lease_length);
    EXPECT_LE(how.silent, took + 1s);
    EXPECT_EQ(ask("SELECT string_agg(node, ' ') FROM writers WHERE boot <> ''"), "a");
    EXPECT_EQ(ask("SELECT state FROM nodes WHERE id = 'dead'"), "2");
    EXPECT_EQ(ask("SELECT node || former || shards || how FROM moves ORDER BY no DESC LIMIT 1"), "adead2562");
    EXPECT_EQ(
        ask("SELECT count(*) FROM pg_stat_activity WHERE application_name = '" + session_name(dead.boot) + "'"), "0");
    const auto again = connect(dead.boot);
    EXPECT_FALSE(renew_lease(*again, dead));
    EXPECT_EQ(claim_shards(*again, dead, everything).has_value(), false);
    free_shards(*again, dead, all_shards());
    end_membership(*again, dead);
    EXPECT_EQ(ask("SELECT count(*) FROM shards WHERE owner = 'a'"), "256") << "what it still says is not heard";
}

TEST_F(PostgresCluster, OneThatWasTakenForGoneJoinsAgain) {
    const auto a = make_node("a");
    ASSERT_TRUE(a->comes_true(holds(256)));
    const std::string boot = a->identity().boot();
    run("BEGIN; UPDATE nodes SET state = 2; DELETE FROM writers; UPDATE shards SET owner = NULL; COMMIT");
    ASSERT_TRUE(a->comes_true([](node& n) { return n.changes_ == 1 && n.held_.all(); }));
    EXPECT_THAT(a->fenced(), ElementsAre(HasSubstr("took it for gone")));
    EXPECT_NE(a->identity().boot(), boot);
    EXPECT_EQ(ask("SELECT boot FROM writers WHERE node = 'a'"), a->identity().boot());
    EXPECT_EQ(ask("SELECT boot FROM nodes WHERE id = 'a' AND state = 0"), a->identity().boot());

    a->identity().lose(a->identity().boot()); // a commit found it
    a->thread().look_at_identity();
    ASSERT_TRUE(a->comes_true([](node& n) { return n.changes_ == 2 && n.held_.all(); }));
    EXPECT_THAT(a->fenced(), ElementsAre(HasSubstr("took it for gone"), HasSubstr("a commit found")));
    EXPECT_EQ(ask("SELECT boot FROM writers WHERE node = 'a'"), a->identity().boot());
    EXPECT_TRUE(comes_to(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'prooftrackd " + a->identity().boot() + "'",
        "t"));
}

TEST_F(PostgresCluster, ANameThatLivesIsRefused) {
    const auto a = make_node("a");
    ASSERT_TRUE(a->comes_true(holds(256)));
    const auto refusal = join("a", patience);
    ASSERT_TRUE(refusal.has_value());
    EXPECT_THAT(*refusal, HasSubstr("another prooftrackd with cluster.node 'a' is living"));
    EXPECT_THAT(*refusal, HasSubstr(fmt::format("pid {})", ::getpid())));
    EXPECT_THAT(*refusal, HasSubstr("a cluster.node of its own"));
    EXPECT_EQ(ask("SELECT boot FROM nodes"), a->identity().boot());
    EXPECT_THAT(a->fenced(), IsEmpty());
    a->thread().stop();
    EXPECT_EQ(join("a", 0ms), std::nullopt);
}

TEST_F(PostgresCluster, ANameIsFreeWhenItsProcessOnThisMachineIsDead) {
    const node_process dead = make_dead_process();
    insert_node("dead", dead, "1 hour");
    EXPECT_EQ(join("dead", 0ms), std::nullopt);

    node_process reused = this_process();
    ASSERT_NE(reused.start, 0);
    --reused.start;
    insert_node("reused", reused, "1 hour");
    EXPECT_EQ(join("reused", 0ms), std::nullopt);
    insert_node("living", this_process(), "1 hour");
    EXPECT_NE(join("living", 0ms), std::nullopt);
}

TEST_F(PostgresCluster, ANameOfAnotherMachineIsFreeWhenItsLeaseHasRunOut) {
    const node_process elsewhere{"db7 0123456789abcdef pid:[1]", 7, 7};
    insert_node("far", elsewhere, "1 hour");
    EXPECT_THAT(join("far", 200ms).value_or(""), HasSubstr("(host db7, pid 7)"));
    EXPECT_EQ(ask("SELECT boot FROM nodes"), "an old boot");
    run("UPDATE nodes SET expires_at = clock_timestamp() + INTERVAL '300 ms'");
    EXPECT_EQ(join("far", patience), std::nullopt);
}

TEST_F(PostgresCluster, ANameIsTakenThoughItsEarlierStartHasTheTurn) {
    const pg_node paused{"a", next_boot(), "1.0"};
    const auto link = connect(paused.boot);
    ASSERT_EQ(join_cluster(*link, paused, 0ms), std::nullopt);
    begin_turn(*link);
    run("UPDATE nodes SET expires_at = clock_timestamp()");
    EXPECT_EQ(join("a", 0ms), std::nullopt);
    EXPECT_EQ(ask("SELECT batch FROM writers"), "4") << "two sessions' marks and joins: its turn came to nothing";
}

TEST_F(PostgresCluster, AJoinThatIsRepeatedForgetsNothingOfTheStartBefore) {
    const pg_node before{"a", next_boot(), "1.0"};
    const pg_node next{"a", next_boot(), "1.0", before.boot};
    const auto link = connect(next.boot);
    ASSERT_EQ(join_cluster(*link, before, 0ms), std::nullopt);
    for (int i = 0; i < 2; ++i) ASSERT_EQ(join_cluster(*link, next, 0ms), std::nullopt);
    EXPECT_EQ(
        ask("SELECT boot || ' ' || batch || ' ' || former_boot || ' ' || former_batch FROM writers"),
        next.boot + " 4 " + before.boot + " 2");
}

TEST_F(PostgresCluster, AHandOverMovesExactlyThose) {
    const auto a = make_node("a", false);
    ASSERT_TRUE(a->comes_true(holds(256)));
    const auto b = make_node("b");
    ASSERT_TRUE(b->comes_true([](node& n) { return n.view_.wanted.count() == 128; }));
    EXPECT_TRUE(b->held().none());
    const shard_set wanted = b->read([](node& n) { return n.view_.wanted; });
    shard_set two;
    for (std::size_t i = 0; i < shard_count && two.count() < 2; ++i) two[i] = wanted[i];
    a->thread().hand_over(two);
    ASSERT_TRUE(b->comes_true([](node& n) { return !n.gains_.empty(); }));
    EXPECT_EQ(b->held(), two);
    EXPECT_EQ(b->read([](node& n) { return n.gains_.front().how; }), shard_gain::handed_over);
    ASSERT_TRUE(b->gets_leases(2));
    EXPECT_EQ(b->held(), two);
    EXPECT_EQ(ask("SELECT count(*) FROM shards WHERE owner = 'a'"), "254");

    a->thread().leave();
    ASSERT_TRUE(b->comes_true([](node& n) { return n.view_.wanted.all() && n.view_.sharing == 1; }));
    EXPECT_EQ(b->read([](node& n) { return n.view_.nodes.front().state; }), node_state::leaving);
    a->thread().hand_over(all_shards());
    ASSERT_TRUE(b->comes_true(holds(256)));
}

TEST_F(PostgresCluster, CommitsAreToldToTheOthersAFewTimesHoweverManyThereAre) {
    const auto a = make_node("a");
    const auto b = make_node("b");
    ASSERT_TRUE(a->gets_leases(1) && b->gets_leases(1));
    const auto listener = connect("a listener");
    listener->run_script("LISTEN prooftrackd_news");
    const int before = b->read([](node& n) { return n.news_; });
    for (int i = 0; i < 100'000; ++i) a->thread().notify_others();
    ASSERT_TRUE(b->comes_true([before](node& n) { return n.news_ > before; }));
    ASSERT_TRUE(a->gets_leases(2));
    listener->ask("SELECT 1");
    const auto heard = listener->take_notifications();
    EXPECT_GE(heard.size(), 1U);
    EXPECT_LE(heard.size(), 1'000U);
    for (const pg_notification& each : heard) EXPECT_EQ(each.payload, a->identity().boot());
}

TEST_F(PostgresCluster, ALostConnectionIsMadeAgain) {
    const auto a = make_node("a");
    ASSERT_TRUE(a->comes_true(holds(256)));
    const std::string session = "application_name = '" + session_name(a->identity().boot()) + "'";
    EXPECT_EQ(ask("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE " + session), "1");
    ASSERT_TRUE(a->gets_leases(2));
    EXPECT_THAT(a->fenced(), IsEmpty());
    a->thread().hand_over(all_shards()); // the new one is heard too
    ASSERT_TRUE(a->comes_true([](node& n) { return n.gains_.size() == 2; }));
}

TEST_F(PostgresCluster, NobodyIsTakenForGoneBecausePostgresqlWasAway) {
    const auto a = make_node("a");
    const auto b = make_node("b");
    const auto is_settled = [](node& n) { return n.view_.sharing == 2 && n.held_.count() == 128; };
    ASSERT_TRUE(a->comes_true(is_settled) && b->comes_true(is_settled));
    const std::string moves = ask("SELECT count(*) FROM moves");
    const auto away = std::chrono::steady_clock::now();
    server().stop();
    std::this_thread::sleep_until(away + lease_length + 200ms); // both leases run out
    server().start();
    ASSERT_TRUE(a->gets_leases(3) && b->gets_leases(3));
    EXPECT_THAT(a->fenced(), IsEmpty());
    EXPECT_THAT(b->fenced(), IsEmpty());
    EXPECT_EQ(ask("SELECT count(*) FROM moves"), moves);
    EXPECT_EQ(a->held().count(), 128U);
}

TEST_F(PostgresCluster, ARestartedNodeTakesOverFromItsEarlierStart) {
    const auto a = make_node("a");
    ASSERT_TRUE(a->comes_true(holds(256)));
    const pg_node earlier{"b", next_boot(), "1.0"};
    {
        const auto link = connect(earlier.boot);
        ASSERT_EQ(join_cluster(*link, earlier, 0ms), std::nullopt);
        ASSERT_TRUE(a->comes_true([](node& n) { return n.held_.count() == 128; }));
        shard_claim rest;
        rest.shards = ~a->held();
        ASSERT_TRUE(claim_shards(*link, earlier, rest).has_value());
    }
    run(fmt::format(
        "UPDATE nodes SET pid = {}, expires_at = clock_timestamp() + INTERVAL '1 hour' WHERE id = 'b'",
        make_dead_process().pid));
    const auto b = make_node("b");
    ASSERT_TRUE(b->comes_true(holds(128)));
    EXPECT_EQ(b->read([](node& n) { return n.gains_.front().how; }), shard_gain::taken_over);
    EXPECT_EQ(ask("SELECT former FROM moves ORDER BY no DESC LIMIT 1"), "b");
}

} // namespace
} // namespace prooftrack::store
