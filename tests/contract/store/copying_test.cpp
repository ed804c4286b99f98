// From a file of SQLite to a real PostgreSQL: everything or nothing, once.

#include <stdexcept>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/copy_to_postgres.hpp"
#include "store/lock_file.hpp"
#include "store/open_database.hpp"
#include "store/postgres/copy_target.hpp"
#include "store/postgres/pg_schema.hpp"
#include "support/postgres_server.hpp"
#include "support/store_world.hpp"

namespace prooftrack::store {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using refusal = std::pair<int, std::string>;

void edit(const std::filesystem::path& path, const std::string& sql) {
    db_connection db(path, "");
    db.execute(sql);
    db.close();
}

/// A database that people have, with some of what it does not hold, and a schema of a test.
class CopyToPostgres : public testing::Test {
  protected:
    void SetUp() override {
        if (!postgres_server::programs()) GTEST_SKIP() << "no PostgreSQL server is installed (Debian: postgresql)";
        static int number = 0;
        schema_ = "copy_" + std::to_string(++number);
        postgres_server::shared().run("CREATE SCHEMA " + schema_);
        take_old(5);
        edit(file(), R"sql(
            INSERT INTO pauses VALUES ('backend', 77);
            INSERT INTO maintenance VALUES (1, 78, 'a' || char(0) || 'b');
            INSERT INTO replays VALUES (3, 'backend', 0, 9, NULL, 5, 'x', 1, 2, 3, 4, 5, 6, NULL, 0);
            UPDATE deliveries SET last_error = CAST(x'ff00fe' AS TEXT) WHERE id = 1
        )sql");
    }
    void take_old(int version) {
        const std::string from =
            fmt::format("{}/tests/unit/store/databases/version_{}.db", PROOFTRACK_SOURCE_DIR, version);
        std::filesystem::copy_file(from, file(), std::filesystem::copy_options::overwrite_existing);
    }
    std::filesystem::path file() const { return directory_.path() / "old.db"; }
    postgres_options options() const {
        postgres_options made;
        made.url = postgres_server::shared().url(schema_);
        return made;
    }
    copy_report copy() const { return copy_to_postgres(file(), options(), {}); }
    refusal refused(const std::function<void(const copy_progress&)>& on_progress = {}) const {
        try {
            copy_to_postgres(file(), options(), on_progress);
        } catch (const store_start_error& error) {
            return {error.exit_status(), error.what()};
        }
        return {0, ""};
    }
    refusal refused_start() const {
        try {
            lock_file lock(file());
            open_database({file(), 7, ""}, lock);
        } catch (const store_start_error& error) {
            return {error.exit_status(), error.what()};
        }
        return {0, ""};
    }
    refusal refused_new_name() const {
        try {
            rename_log(options());
        } catch (const store_start_error& error) {
            return {error.exit_status(), error.what()};
        }
        return {0, ""};
    }
    void run(const std::string& sql) const { postgres_server::shared().run(in_schema(sql)); }
    std::string ask(const std::string& sql) const { return postgres_server::shared().ask(in_schema(sql)); }
    std::string tables() const {
        return postgres_server::shared().ask("SELECT count(*) FROM pg_tables WHERE schemaname = '" + schema_ + "'");
    }
    /// As a daemon's first start leaves it.
    void make_empty_tables() const {
        run(pg_schema_sql() + fmt::format(
                                  "INSERT INTO counters VALUES (1, 1, 1, 1, 1, 1, 0, 'fresh', '');"
                                  "INSERT INTO prooftrackd (one, schema_version, batch) VALUES (1, {}, 4)",
                                  pg_schema_version));
    }
    void make_node(const std::string& expires, int state = 0) const {
        run(fmt::format(
            "INSERT INTO nodes VALUES ('shop1', 'b', 'h', 1, 0, '1.0', {}, now(), now() + interval '{}')", state,
            expires));
    }

  private:
    std::string in_schema(const std::string& sql) const { return "SET search_path = " + schema_ + "; " + sql; }

    std::string schema_;
    temporary_directory directory_;
};

TEST_F(CopyToPostgres, EverythingGoesAndNoDaemonStartsOnTheFile) {
    const std::string log_id = [&] {
        db_connection db(file(), "");
        return db.ask_text("SELECT log_id FROM counters");
    }();
    const copy_report report = copy();
    EXPECT_FALSE(report.was_complete);
    EXPECT_EQ(report.log_id, log_id);
    EXPECT_EQ(ask("SELECT log_id FROM counters"), log_id);
    EXPECT_EQ(ask("SELECT count(*) FROM transactions"), std::to_string(report.rows.at("transactions")));
    EXPECT_GT(report.rows.at("proofs"), 0U);
    EXPECT_GT(report.rows.at("session_keys"), 0U);
    EXPECT_EQ(ask("SELECT count(*) FROM transactions WHERE id = '550e8400-e29b-41d4-a716-446655440000'"), "1");
    EXPECT_EQ(ask("SELECT note FROM maintenance"), "\\x610062");
    EXPECT_EQ(ask("SELECT last_error FROM deliveries WHERE id = 1"), "\\xff00fe");
    EXPECT_EQ(ask("SELECT since IS NULL AND until = 5 FROM replays"), "t");
    EXPECT_EQ(ask("SELECT count(*) FROM shards"), "256");
    EXPECT_THAT(refused_start(), testing::Pair(65, AllOf(HasSubstr(report.place), HasSubstr("--unmark-moved"))));
    EXPECT_THAT(refused(), testing::Pair(1, HasSubstr("was copied before, to " + report.place)));
    db_connection db(file(), "");
    EXPECT_GT(db.ask_integer("PRAGMA user_version"), schema_version) << "older daemons take it for a newer one";
}

TEST_F(CopyToPostgres, TheWayBackIsAnotherLog) {
    const copy_report report = copy();
    const unmark_report back = unmark_moved_file(file());
    EXPECT_EQ(back.place, report.place);
    EXPECT_NE(back.log_id, report.log_id);
    EXPECT_EQ(refused_start(), (refusal{0, ""}));
    EXPECT_EQ(unmark_moved_file(file()).place, "") << "there is no mark any more";
    EXPECT_THAT(refused(), testing::Pair(1, HasSubstr("holds a copy of another database")));
    EXPECT_EQ(ask("SELECT log_id FROM counters"), report.log_id);
    EXPECT_EQ(refused_start(), (refusal{0, ""})) << "nothing was changed";
}

TEST_F(CopyToPostgres, ACopyThatIsBrokenOffLeavesNothing) {
    for (const bool is_late : {false, true}) {
        const auto break_off = [&](const copy_progress& now) {
            if (is_late ? now.is_checking && now.table == "replays" : now.table == "events")
                throw std::runtime_error("broken off");
        };
        EXPECT_THROW(copy_to_postgres(file(), options(), break_off), std::runtime_error);
        EXPECT_EQ(tables(), "0");
        EXPECT_EQ(refused_start(), (refusal{0, ""}));
    }
    EXPECT_FALSE(copy().was_complete);
}

TEST_F(CopyToPostgres, WithoutTheMarkAnotherAttemptSetsIt) {
    const std::filesystem::path before = file().string() + ".before";
    std::filesystem::copy_file(file(), before);
    copy();
    std::filesystem::rename(before, file());
    run("UPDATE counters SET next_event = next_event + 1"); // the daemon has been started meanwhile
    EXPECT_TRUE(copy().was_complete);
    EXPECT_EQ(refused_start().first, 65);
}

TEST_F(CopyToPostgres, AFileThatChangedSinceIsNotMarked) {
    const std::filesystem::path before = file().string() + ".before";
    std::filesystem::copy_file(file(), before);
    copy();
    std::filesystem::rename(before, file());
    edit(file(), "UPDATE consumers SET seq = 0");
    EXPECT_THAT(refused(), testing::Pair(1, HasSubstr("as it was before it changed")));
    EXPECT_EQ(refused_start(), (refusal{0, ""}));
}

TEST_F(CopyToPostgres, TablesThatAreEmptyAreTaken) {
    make_empty_tables();
    make_node("10 s");
    EXPECT_THAT(refused(), testing::Pair(75, HasSubstr("cluster.node shop1")));
    run("UPDATE nodes SET expires_at = now() - interval '1 s'");
    EXPECT_FALSE(copy().was_complete);
    EXPECT_EQ(ask("SELECT batch FROM prooftrackd"), "5") << "who counts commits sees one";
    EXPECT_NE(ask("SELECT log_id FROM counters"), "fresh");
}

TEST_F(CopyToPostgres, TablesInUseStayAsTheyAre) {
    make_empty_tables();
    run("INSERT INTO consumers VALUES ('reader', 0)");
    EXPECT_THAT(refused(), testing::Pair(1, HasSubstr("holds data of prooftrackd already")));
    run("DELETE FROM consumers; UPDATE counters SET next_transaction = 2");
    EXPECT_THAT(refused(), testing::Pair(1, HasSubstr("holds data of prooftrackd already")));
    run("UPDATE counters SET next_transaction = 1; UPDATE prooftrackd SET schema_version = 1");
    EXPECT_THAT(refused(), testing::Pair(75, HasSubstr("start this prooftrackd once on it")));
    EXPECT_EQ(ask("SELECT log_id FROM counters"), "fresh");
    EXPECT_EQ(refused_start(), (refusal{0, ""}));
}

TEST_F(CopyToPostgres, AnotherProgramsTablesStayAsTheyAre) {
    run("CREATE TABLE orders (id BIGINT)");
    EXPECT_THAT(refused(), testing::Pair(1, HasSubstr("tables of another program")));
    EXPECT_EQ(tables(), "1");
}

TEST_F(CopyToPostgres, WhatComesBackChangedIsFound) {
    make_empty_tables();
    run(R"sql(
        CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.body = NEW.body || '\x20';
            RETURN NEW;
        END
        $$;
        CREATE TRIGGER spoil BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION spoil();
    )sql");
    EXPECT_THAT(refused(), testing::Pair(75, HasSubstr("other rows of events")));
    EXPECT_EQ(ask("SELECT count(*) FROM transactions"), "0");
    EXPECT_EQ(refused_start(), (refusal{0, ""}));
}

TEST_F(CopyToPostgres, AFileThatCannotBeCopiedIsRefused) {
    {
        const lock_file daemon(file());
        EXPECT_THAT(refused(), testing::Pair(75, HasSubstr("in use by another prooftrackd")));
    }
    edit(file(), "UPDATE counters SET log_id = 'copy-1'");
    EXPECT_THAT(refused(), testing::Pair(75, HasSubstr("is a backup")));
    edit(file(), "UPDATE counters SET log_id = 'a', next_event = 1");
    EXPECT_THAT(refused(), testing::Pair(65, HasSubstr("damaged")));
    edit(file(), "PRAGMA user_version = 99");
    EXPECT_THAT(refused(), testing::Pair(65, HasSubstr("schema 99")));
    edit(file(), "PRAGMA application_id = 1");
    EXPECT_THAT(refused(), testing::Pair(65, HasSubstr("not a database of prooftrackd")));
    take_old(4);
    EXPECT_THAT(refused(), testing::Pair(75, HasSubstr("older prooftrackd: start this prooftrackd once")));
    take_old(5);
    {
        lock_file failed(file());
        failed.mark();
    }
    EXPECT_THAT(refused(), testing::Pair(75, HasSubstr("disk error")));
    std::filesystem::remove(file());
    std::filesystem::remove(file().string() + ".lock");
    EXPECT_THAT(refused(), testing::Pair(64, HasSubstr("no such file")));
    EXPECT_FALSE(std::filesystem::exists(file().string() + ".lock"));
    EXPECT_EQ(tables(), "0");
}

TEST_F(CopyToPostgres, TheLogGetsAnotherNameWhileNobodyRuns) {
    EXPECT_THAT(refused_new_name(), testing::Pair(1, HasSubstr("no tables of prooftrackd")));
    make_empty_tables();
    make_node("10 s", 1);
    EXPECT_THAT(refused_new_name(), testing::Pair(75, HasSubstr("cluster.node shop1")));
    EXPECT_EQ(ask("SELECT log_id FROM counters"), "fresh");
    EXPECT_EQ(ask("SELECT batch FROM prooftrackd"), "4");
    run("UPDATE nodes SET state = 2");
    const renamed_log log = rename_log(options());
    EXPECT_EQ(log.former, "fresh");
    EXPECT_EQ(ask("SELECT log_id FROM counters"), log.now);
    EXPECT_EQ(log.now.size(), 16U);
    EXPECT_EQ(ask("SELECT batch FROM prooftrackd"), "5");
}

} // namespace
} // namespace prooftrack::store
