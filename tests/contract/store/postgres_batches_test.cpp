// What shares a commit on PostgreSQL, when the server refuses a part of it: that one fails alone, and the others are
// written once.

#include <map>
#include <optional>
#include <set>
#include <thread>

#include <sys/socket.h>

#include <gmock/gmock.h>

#include "contract/store/postgres_under_test.hpp"
#include "support/postgres_server.hpp"

namespace prooftrack::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::string refused = "refused"; ///< as an id, a status or an error

class PostgresTogether : public testing::Test {
  protected:
    void SetUp() override {
        if (!postgres_server::programs()) GTEST_SKIP() << "no PostgreSQL server is installed (Debian: postgresql)";
        made_ = std::make_unique<postgres_under_test>(postgres_under_test::place::fresh);
        std::vector<track::new_transaction> first;
        for (int i = 0; i < 8; ++i) first.push_back(make_new("t" + std::to_string(i)));
        world().add(first).value();
        for (int i = 0; i < 4; ++i) world().record(make_settlement("t" + std::to_string(i), i, {"backend"})).value();
    }
    postgres_under_test& world() { return *made_; }
    void run(const std::string& sql) {
        postgres_server::shared().run("SET search_path TO " + world().schema() + "; " + sql);
    }
    std::string ask(const std::string& sql) {
        return postgres_server::shared().ask("SET search_path TO " + world().schema() + "; " + sql);
    }
    void forbid(const std::string& table, const std::string& column) {
        run("ALTER TABLE " + table + " ADD CHECK (" + column + " IS DISTINCT FROM 'refused')");
    }

    /// The outcome of each call that was made together, in the order of the calls.
    auto note(const std::string& name) {
        return [this, name](const auto& outcome) {
            order_.push_back(name);
            if (!outcome.has_value()) failures_[name] = outcome.error();
        };
    }
    std::set<std::string> failed() const {
        std::set<std::string> names;
        for (const auto& [name, why] : failures_) names.insert(name);
        return names;
    }
    const op_error& failure(const std::string& name) const { return failures_.at(name); }
    void forget_outcomes() {
        order_.clear();
        failures_.clear();
    }

    static transition with_status(transition change, const std::string& status) {
        change.facts.status = status;
        return change;
    }
    static attempt_record ended(std::uint64_t id, const std::string& error) {
        const auto state = error.empty() ? track::delivery_state::delivered : track::delivery_state::dead;
        return {delivery_id{id}, at_ms(1000), 1, state, error.empty() ? 200 : 500, error, std::nullopt};
    }
    /// One of every kind that is foreseen or kept back, and those in `bad` so that the server can refuse them.
    void call_all(store& subject, const std::set<std::string>& bad) {
        const auto id = [&bad](const std::string& call, const std::string& good) {
            return make_new(bad.contains(call) ? refused : good);
        };
        const auto text = [&bad](const std::string& call, const std::string& good) {
            return bad.contains(call) ? refused : good;
        };
        subject.add({make_new("n0")}, std::nullopt, note("n0"));
        subject.record(with_status(make_settlement("t4", 10, {"backend"}), text("t4", "completed")), note("t4"));
        subject.add({make_new("n1"), id("n2", "n2"), make_new("n3")}, std::nullopt, note("n2"));
        subject.record_attempt(ended(1, text("d1", "")), note("d1"));
        subject.find(make_id("n1"), [this](const auto& found) { has_n1_ = found.value().has_value(); });
        subject.record(make_settlement("t5", 10, {"backend", "new-lane"}), note("t5"));
        subject.record_attempt(ended(2, text("d2", "500")), note("d2"));
        subject.add({id("n4", "n4")}, std::nullopt, note("n4"));
        transition plain = make_change("t6", track::tracking_state::overdue, text("t6", "on_hold"), 10);
        plain.is_history = true;
        subject.record(plain, note("t6"));
        subject.add({make_new("n5"), make_new("n6")}, std::nullopt, note("n5"));
        subject.record_attempt(ended(3, ""), note("d3"));
    }
    void expect_only_failed(const std::set<std::string>& bad) {
        EXPECT_EQ(failed(), bad);
        EXPECT_THAT(order_, ElementsAre("n0", "t4", "n2", "d1", "t5", "d2", "n4", "t6", "n5", "d3"));
        EXPECT_EQ(has_n1_, !bad.contains("n2")) << "a read sees what became of it in the end";
        const std::uint64_t events = bad.contains("t4") ? 5U : 6U;
        EXPECT_EQ(world().events().events.size(), events);
        EXPECT_EQ(value_of(world().events().last_seq), events);
        EXPECT_EQ(world().deliveries().deliveries.size(), events + 1);
        for (const char* const id : {"n0", "n5", "n6"}) EXPECT_TRUE(world().knows(make_id(id))) << id;
        EXPECT_EQ(world().knows(make_id("n3")), !bad.contains("n2"));
        EXPECT_EQ(world().knows(make_id("n4")), !bad.contains("n4"));
        EXPECT_EQ(world().find(make_id("t5")).revision, row_revision{2});
        EXPECT_EQ(world().find(make_id("t4")).revision, row_revision{bad.contains("t4") ? 1U : 2U});
        EXPECT_EQ(world().find(make_id("t6")).revision, row_revision{bad.contains("t6") ? 1U : 2U});
        EXPECT_EQ(world().history(make_id("t6"))->changes.size(), bad.contains("t6") ? 1U : 2U);
        EXPECT_EQ(world().load_delivery(3)->view.attempts, 1U);
    }
    /// What is kept rather than counted agrees with the tables, and nothing but ids that were known leaves a gap.
    void expect_right_figures() {
        for (const char* const wrong :
             {"SELECT count(*), max(number), (SELECT next_history - 1 FROM counters) FROM history "
              "HAVING count(*) <> max(number) OR max(number) <> (SELECT next_history - 1 FROM counters)",
              "SELECT count(*), max(seq) FROM events "
              "HAVING count(*) <> max(seq) OR max(seq) <> (SELECT next_event - 1 FROM counters)",
              "SELECT count(*), max(id) FROM deliveries "
              "HAVING count(*) <> max(id) OR max(id) <> (SELECT next_delivery - 1 FROM counters)",
              "SELECT count(*), max(row) FROM transactions "
              "HAVING count(*) <> max(row) OR max(row) <> (SELECT next_transaction - 1 FROM counters)",
              "SELECT state, kind FROM (SELECT state, kind, count(*) AS number FROM transactions GROUP BY 1, 2) t "
              "FULL JOIN transaction_counts c USING (state, kind) "
              "WHERE coalesce(t.number, 0) <> coalesce(c.number, 0)",
              "SELECT l.row FROM lanes l LEFT JOIN (SELECT lane, count(*) AS total, count(*) FILTER (WHERE state = 0) "
              "AS pending, count(*) FILTER (WHERE state = 2) AS dead FROM deliveries GROUP BY 1) d ON d.lane = l.row "
              "WHERE (l.total, l.pending, l.dead) IS DISTINCT FROM (d.total, d.pending, d.dead)"}) {
            EXPECT_EQ(ask(std::string("SELECT count(*) FROM (") + wrong + ") w"), "0") << wrong;
        }
        const auto told = world().status().transactions;
        std::uint64_t all = 0;
        for (const auto& [cell, number] : told) all += number;
        EXPECT_EQ(std::to_string(all), ask("SELECT count(*) FROM transactions"));
        world().reopen();
        EXPECT_EQ(world().status().transactions, told);
    }
    void check_refused(const std::set<std::string>& bad) {
        const std::size_t commits = world().reported().commits;
        world().together([&](store& subject) { call_all(subject, bad); });
        EXPECT_EQ(world().reported().commits, commits + 2) << "the one that was waited for, and theirs";
        expect_only_failed(bad);
        for (const std::string& name : bad) EXPECT_THAT(failure(name).message(), HasSubstr("SQLSTATE")) << name;
        expect_right_figures();
        EXPECT_THAT(world().reported().states, IsEmpty());
    }

    std::vector<std::string> order_;
    std::optional<bool> has_n1_;

  private:
    std::map<std::string, op_error> failures_;
    std::unique_ptr<postgres_under_test> made_;
};

TEST_F(PostgresTogether, AllOfThemAreOneCommit) { check_refused({}); }

TEST_F(PostgresTogether, AnAddOfSeveralThatIsRefusedFailsAlone) {
    forbid("transactions", "id");
    check_refused({"n2"});
}

TEST_F(PostgresTogether, AnAddOfOneThatIsRefusedFailsAlone) {
    forbid("transactions", "id");
    check_refused({"n4"});
}

TEST_F(PostgresTogether, AnEventThatIsRefusedFailsAloneWithItsChange) {
    forbid("events", "status");
    check_refused({"t4"});
}

TEST_F(PostgresTogether, AChangeThatIsRefusedFailsAlone) {
    forbid("transactions", "status");
    check_refused({"t6"});
}

TEST_F(PostgresTogether, ALineOfTheHistoryThatIsRefusedFailsAloneWithItsChange) {
    forbid("history", "to_status");
    check_refused({"t6"});
}

TEST_F(PostgresTogether, AnAttemptThatIsRefusedFailsAlone) {
    forbid("deliveries", "last_error");
    check_refused({"d1"});
}

TEST_F(PostgresTogether, SeveralThatAreRefusedFailAlone) {
    forbid("transactions", "id");
    forbid("events", "status");
    forbid("deliveries", "last_error");
    check_refused({"n2", "t4", "d2", "n4"});
}

/// It fails in the program, and what it has written is refused by the server besides, which nobody has heard yet.
TEST_F(PostgresTogether, OneThatFailsByItselfAfterItHasWrittenFailsAlone) {
    for (const bool is_refused : {false, true}) {
        const std::string id = is_refused ? "t6" : "t7";
        if (is_refused) run("ALTER TABLE transactions ADD CHECK (state <= 6) NOT VALID");
        if (!is_refused) run("ALTER TABLE transactions DROP CONSTRAINT transactions_state_check");
        forget_outcomes();
        const std::string suffix = is_refused ? "-refused" : "-kept";
        world().together([&](store& subject) {
            subject.add({make_new("x" + suffix), make_new("y" + suffix)}, std::nullopt, note("add"));
            const auto unknown = static_cast<track::tracking_state>(7); // there is nowhere to count it
            subject.record(make_change(id, unknown, "processing", 10), note("unknown"));
            subject.record(make_settlement("x" + suffix, 20, {"backend"}), note("x"));
            subject.add({make_new("z" + suffix)}, std::nullopt, note("z"));
        });
        EXPECT_EQ(failed(), (std::set<std::string>{"unknown"}));
        EXPECT_THAT(order_, ElementsAre("add", "unknown", "x", "z"));
        EXPECT_EQ(world().find(make_id(id)).facts.state, track::tracking_state::tracking);
        EXPECT_EQ(world().find(make_id(id)).revision, row_revision{1});
        EXPECT_EQ(world().find(make_id("x" + suffix)).revision, row_revision{2});
        expect_right_figures();
    }
}

class PostgresManyTogether : public PostgresTogether {
  protected:
    static constexpr int many = 131; // 64, 64 and 3
    static std::string id(int i) { return "m" + std::to_string(i); }
    void call_many(store& subject, const std::optional<int> bad = {}) {
        std::vector<track::new_transaction> all;
        for (int i = 0; i < many; ++i) all.push_back(make_new(id(i)));
        subject.add(all, std::nullopt, note("add"));
        for (int i = 0; i < many; ++i) {
            const transition change = make_settlement(id(i), i, {"mass"});
            subject.record(with_status(change, i == bad ? refused : "completed"), note(id(i)));
        }
    }
    void expect_all(std::uint64_t events) {
        EXPECT_THAT(order_, SizeIs(many + 1));
        EXPECT_EQ(value_of(world().events().last_seq), 4 + events);
        EXPECT_EQ(world().heads("mass").size(), events);
        std::uint64_t last = 0;
        for (const auto& each : world().heads("mass")) {
            EXPECT_GT(value_of(each.id), last);
            last = value_of(each.id);
        }
        expect_right_figures();
    }
};

TEST_F(PostgresManyTogether, RowsAreWrittenOnceAndInTheirOrder) {
    world().together([&](store& subject) { call_many(subject); });
    EXPECT_THAT(failed(), IsEmpty());
    expect_all(many);
    EXPECT_THAT(world().find(make_id(id(70))).proof, HasSubstr("\"m70\""));
}

TEST_F(PostgresManyTogether, OneInTheMiddleOfThemFailsAlone) {
    forbid("events", "status");
    world().together([&](store& subject) { call_many(subject, 70); });
    EXPECT_THAT(failed(), ElementsAre(id(70)));
    expect_all(many - 1);
    EXPECT_EQ(world().find(make_id(id(70))).revision, row_revision{1});
    EXPECT_EQ(world().find(make_id(id(130))).revision, row_revision{2});
}

/// The server ends the session, or only answers no more, within the batch or at its end.
class PostgresTogetherCut : public PostgresManyTogether {
  protected:
    /// Tried again while the server is away.
    void wait_for_it() {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (!world().probe() && std::chrono::steady_clock::now() < until)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    /// At the commit of what is called together next.
    void cut_at(commit_moment moment) {
        world().at_theirs(moment, [](int socket) { ::shutdown(socket, SHUT_RDWR); });
    }
};

TEST_F(PostgresTogetherCut, InTheMiddleNothingIsWrittenAndTheyCanBeMadeAgain) {
    run("CREATE FUNCTION cut() RETURNS TRIGGER LANGUAGE plpgsql AS 'BEGIN "
        "PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END'; "
        "CREATE TRIGGER cut BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.status = 'refused') "
        "EXECUTE FUNCTION cut()");
    world().together([&](store& subject) { call_many(subject, 70); });
    EXPECT_THAT(failed(), SizeIs(many + 1));
    for (const std::string& name : failed()) EXPECT_EQ(failure(name).code, store_error::unreachable) << name;
    run("DROP TRIGGER cut ON events");
    wait_for_it();
    EXPECT_FALSE(world().knows(make_id(id(0))));
    EXPECT_EQ(value_of(world().events().last_seq), 4U);
    expect_right_figures();
    forget_outcomes();
    world().together([&](store& subject) { call_many(subject); });
    EXPECT_THAT(failed(), IsEmpty());
    expect_all(many);
    EXPECT_THAT(world().reported().fatal, IsEmpty());
}

TEST_F(PostgresTogetherCut, AtTheEndOfWhatWasDoneAgainEachHasItsOwnOutcome) {
    forbid("events", "status");
    cut_at(commit_moment::sent); // COMMIT has reached the server
    world().together([&](store& subject) { call_many(subject, 70); });
    EXPECT_THAT(failed(), ElementsAre(id(70)));
    wait_for_it();
    expect_all(many - 1);
    EXPECT_THAT(world().reported().states, ElementsAre(track::store_state::unreachable, track::store_state::ok));
}

TEST_F(PostgresTogetherCut, BeforeTheCommitOfWhatWasDoneAgainNothingIsWritten) {
    forbid("events", "status");
    cut_at(commit_moment::before);
    world().together([&](store& subject) { call_many(subject, 70); });
    EXPECT_THAT(failed(), SizeIs(many + 1));
    wait_for_it();
    EXPECT_FALSE(world().knows(make_id(id(0))));
    expect_right_figures();
    forget_outcomes();
    world().together([&](store& subject) { call_many(subject, 70); });
    EXPECT_THAT(failed(), ElementsAre(id(70)));
    expect_all(many - 1);
}

/// What was noted for searches of a call that failed alone is not written by the next read.
TEST_F(PostgresTogether, RowsOfManyBytesAreSentBeforeTheEndAndAllOfThemOnce) {
    std::vector<track::new_transaction> wanted;
    for (int i = 0; i < 301; ++i) { // twice the MiB that is kept back, and a bit
        wanted.push_back(make_new("big" + std::to_string(i)));
        wanted.back().metadata = R"({"a":")" + std::string(8'000, 'x') + R"("})";
    }
    for (const add_outcome& each : world().add(wanted).value()) EXPECT_EQ(each.what, add_result::created);
    EXPECT_EQ(ask("SELECT count(*) FROM transactions WHERE id LIKE 'big%' AND length(metadata) = 8008"), "301");
    EXPECT_EQ(ask("SELECT count(*) FROM history JOIN transactions ON row = transaction_row WHERE id LIKE 'b%'"), "301");
}

TEST_F(PostgresTogether, ASearchBehindACallThatFailedAloneIsAnswered) {
    forbid("transactions", "id");
    world().reopen(); // nothing is noted yet
    track::new_transaction bad = make_new(refused);
    bad.metadata = R"({"order":"A-17"})";
    EXPECT_FALSE(world().add({make_new("good"), bad}).has_value());
    track::transaction_query by_metadata;
    by_metadata.metadata = {{"order", "A-17"}};
    const auto page = world().ask<track::transaction_page>(
        [&](store& subject, auto handler) { subject.list(by_metadata, std::move(handler)); });
    ASSERT_TRUE(page.has_value()) << page.error().message();
    EXPECT_THAT(page.value().transactions, IsEmpty());
    EXPECT_THAT(world().reported().states, IsEmpty());
    expect_right_figures();
}

} // namespace
} // namespace prooftrack::store
