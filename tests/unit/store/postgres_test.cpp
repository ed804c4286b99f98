// What needs no server: the text that PostgreSQL gets, where a URL leads, and what an error means.

#include <gmock/gmock.h>

#include "store/postgres/dialect.hpp"
#include "store/postgres/pg_target.hpp"
#include "store/postgres/postgres_error.hpp"
#include "store/store.hpp"

namespace prooftrack::store {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

TEST(Dialect, NumbersParametersAndLeavesOutWhatPostgresChoosesItself) {
    EXPECT_EQ(to_postgres("a = ? AND b > ?"), "a = $1 AND b > $2");
    EXPECT_EQ(to_postgres("FROM deliveries d INDEXED BY deliveries_of\nJOIN lanes"), "FROM deliveries d \nJOIN lanes");
    EXPECT_EQ(to_postgres("CROSS JOIN events e ON e.seq = 1"), "JOIN events e ON e.seq = 1");
    EXPECT_EQ(to_postgres(std::string(12, '?')).substr(18), "$10$11$12");
}

TEST(Dialect, ManyRowsAreOneInsert) {
    constexpr const char* plain = R"sql(INSERT INTO t VALUES (?, ?))sql";
    EXPECT_EQ(insert_of_rows(plain, 1), plain);
    EXPECT_EQ(insert_of_rows(plain, 3), plain + std::string(", (?, ?), (?, ?)"));
    constexpr const char* with_columns = R"sql(
        INSERT INTO t (a, b)
        VALUES (?, 0)
        ON CONFLICT (a) DO NOTHING
    )sql";
    EXPECT_EQ(to_postgres(insert_of_rows(with_columns, 2)), R"sql(
        INSERT INTO t (a, b)
        VALUES ($1, 0), ($2, 0)
        ON CONFLICT (a) DO NOTHING
    )sql");
    constexpr const char* nested = R"sql(INSERT INTO t VALUES (coalesce(?, (1)), ?))sql";
    EXPECT_EQ(insert_of_rows(nested, 2), nested + std::string(", (coalesce(?, (1)), ?)"));
}

TEST(Dialect, TheTableThatAStatementChangesIsKnownWhenItLooksAtNoOther) {
    EXPECT_EQ(changed_table(R"sql(INSERT INTO history VALUES (?))sql"), "history");
    constexpr const char* indented = R"sql(
        INSERT INTO proofs (a)
        VALUES (?)
        ON CONFLICT (a) DO NOTHING
    )sql";
    EXPECT_EQ(changed_table(indented), "proofs");
    EXPECT_EQ(changed_table(R"sql(UPDATE session_keys SET key = ? WHERE key = ?)sql"), "session_keys");
    EXPECT_EQ(changed_table(R"sql(UPDATE history SET from_state = 1)sql"), "history");
    EXPECT_EQ(changed_table(R"sql(DELETE FROM maintenance)sql"), "maintenance");
    for (const char* const other :
         {"", "  \n", R"sql(SELECT 1)sql", R"sql(WITH mine AS (UPDATE t SET a = 1) SELECT 1)sql",
          R"sql(INSERT INTO t SELECT a FROM u)sql", R"sql(UPDATE t SET a = u.a FROM u)sql",
          R"sql(UPDATE t SET a = (SELECT 1))sql", R"sql(DELETE FROM t WHERE a IN (SELECT a FROM u))sql"}) {
        EXPECT_EQ(changed_table(other), "") << other;
    }
}

TEST(Dialect, AnArrayIsItsText) {
    pg_array made;
    EXPECT_TRUE(made.is_empty());
    EXPECT_EQ(made.text(), "{}");
    made.add("550e8400-e29b");
    EXPECT_FALSE(made.is_empty());
    EXPECT_EQ(made.text(), R"({"550e8400-e29b"})");
    made.add("null"); // quoted, it is none
    made.add("~._-A9");
    EXPECT_EQ(made.text(), R"({"550e8400-e29b","null","~._-A9"})");
    EXPECT_EQ(made.text(), R"({"550e8400-e29b","null","~._-A9"})") << "asked for again";
}

pg_target::parameters only_host(const std::string& url) {
    const auto target = parse_pg_url(url);
    EXPECT_TRUE(target.has_value()) << url;
    EXPECT_THAT(target->hosts, SizeIs(1));
    return target->hosts.at(0);
}

TEST(PgTarget, VerifiesTheServerUnlessItIsThisMachine) {
    EXPECT_EQ(only_host("postgresql://u@db.example/d").at("sslmode"), "verify-full");
    EXPECT_EQ(only_host("postgresql://u@10.0.0.1/d").at("sslmode"), "verify-full");
    EXPECT_EQ(only_host("postgresql://u@db.example/d?sslmode=require").at("sslmode"), "require");
    for (const char* const local :
         {"postgresql://u@localhost/d", "postgresql://u@127.0.0.1:1/d", "postgresql://u@[::1]/d",
          "postgresql://u@%2Frun%2Fpostgresql/d", "postgresql:///d"}) {
        EXPECT_FALSE(only_host(local).contains("sslmode")) << local;
    }
    EXPECT_EQ(only_host("postgresql://u@localhost/d").at("target_session_attrs"), "read-write");
    EXPECT_EQ(only_host("postgresql://u@localhost/d?target_session_attrs=any").at("target_session_attrs"), "any");
}

TEST(PgTarget, TriesTheHostsOneByOne) {
    const auto target = parse_pg_url("postgresql://u@a.example:1,127.0.0.1:2/d");
    ASSERT_TRUE(target.has_value());
    ASSERT_THAT(target->hosts, SizeIs(2));
    EXPECT_EQ(target->hosts[0].at("host"), "a.example");
    EXPECT_EQ(target->hosts[0].at("port"), "1");
    EXPECT_EQ(target->hosts[0].at("sslmode"), "verify-full");
    EXPECT_EQ(target->hosts[1].at("host"), "127.0.0.1");
    EXPECT_EQ(target->hosts[1].at("port"), "2");
    EXPECT_FALSE(target->hosts[1].contains("sslmode"));
}

TEST(PgTarget, RefusesWhatItCannotUse) {
    EXPECT_THAT(parse_pg_url("postgresql://u@[::1/d").error().message(), HasSubstr("store.url"));
    EXPECT_THAT(parse_pg_url("postgresql://u:secret@h/d").error().message(), HasSubstr("password_file"));
    EXPECT_THAT(parse_pg_url("postgresql://u@h/d?passfile=/x").error().message(), HasSubstr("not supported"));
    EXPECT_THAT(
        parse_pg_url("postgresql://u@a,b/d?hostaddr=1.2.3.4,1.2.3.5,1.2.3.6").error().message(), HasSubstr("fewer"));
}

TEST(PostgresError, ReachesAsFarAsWhatItIs) {
    const auto reach = [](const char* state) { return postgres_error(state, "").reach(); };
    for (const char* const of_link : {"08006", "57P01", "57P03", "25006", "58030", state_link_lost, state_timed_out})
        EXPECT_EQ(reach(of_link), failure_reach::link) << of_link;
    for (const char* const of_batch : {"53100", "53200", "40001", "40P01", "55P03", "57014", "25P02"})
        EXPECT_EQ(reach(of_batch), failure_reach::batch) << of_batch;
    for (const char* const of_operation : {"23505", "22021", "42P01"})
        EXPECT_EQ(reach(of_operation), failure_reach::operation) << of_operation;
    EXPECT_EQ(reach("22012"), failure_reach::store);
    EXPECT_EQ(postgres_error("53100", "").describe("commit").code, store_error::full);
    EXPECT_EQ(postgres_error("40001", "").describe("commit").code, store_error::unreachable);
    EXPECT_THAT(
        postgres_error(state_timed_out, "slow").describe("commit").message(),
        HasSubstr("PostgreSQL cannot be reached"));
}

} // namespace
} // namespace prooftrack::store
