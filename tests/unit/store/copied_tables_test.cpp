// What of SQLite's tables goes to PostgreSQL, and in which form.

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "store/copied_tables.hpp"
#include "store/schema.hpp"
#include "store/sqlite_error.hpp"

namespace prooftrack::store {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::vector<std::string> strings(db_connection& db, const std::string& sql) {
    std::vector<std::string> found;
    statement list(db.handle(), sql);
    query rows = list.select();
    while (rows.next()) found.push_back(rows.string(0));
    return found;
}

struct made_database {
    made_database() { db.execute(schema_sql()); }
    db_connection db{":memory:", ""};
};

std::string all_of(db_connection& db, const copied_table& table) {
    std::string all;
    row_stream rows(db, table);
    while (rows.next(all)) {
    }
    return all;
}

const copied_table& table_named(std::string_view name) {
    return *std::find_if(copied_tables().begin(), copied_tables().end(), [&](const auto& t) { return t.name == name; });
}

TEST(CopiedTables, EveryColumnOfEveryTableIsNamed) {
    made_database made;
    std::set<std::string> names;
    for (const copied_table& table : copied_tables()) {
        names.insert(table.name);
        std::string expected;
        std::string forms;
        statement list(made.db.handle(), R"sql(SELECT name, type FROM pragma_table_info(?))sql");
        query columns = list.select(table.name);
        while (columns.next()) {
            const std::string column = columns.string(0);
            if (column.starts_with("lease_")) continue; // never used
            expected += (expected.empty() ? "" : ", ") + column;
            const std::string type = columns.string(1);
            forms += type == "INTEGER" ? 'n' : type == "ANY" ? 'i' : 'b';
        }
        EXPECT_EQ(table.columns, expected) << table.name;
        EXPECT_EQ(table.forms, forms) << table.name;
    }
    const auto all = strings(made.db, R"sql(SELECT name FROM sqlite_schema WHERE type = 'table')sql");
    EXPECT_EQ(names, std::set<std::string>(all.begin(), all.end()));
}

TEST(CopiedTables, RowsHaveTheBinaryFormOfCopy) {
    made_database made;
    made.db.execute(R"sql(INSERT INTO consumers VALUES ('b', 258), ('a', -1), ('', 0))sql");
    const std::string head{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19};
    const std::string rows{
        "\0\2\0\0\0\0\0\0\0\10\0\0\0\0\0\0\0\0"
        "\0\2\0\0\0\1a\0\0\0\10\377\377\377\377\377\377\377\377"
        "\0\2\0\0\0\1b\0\0\0\10\0\0\0\0\0\0\1\2",
        56};
    EXPECT_EQ(all_of(made.db, table_named("consumers")), head + rows + "\377\377");
    EXPECT_EQ(all_of(made.db, table_named("pauses")), head + "\377\377") << "an empty table";
}

TEST(CopiedTables, IdsAreTextAndNullIsNotEmpty) {
    made_database made;
    made.db.execute(R"sql(
        INSERT INTO transactions (row, id, state, kind, watched, status, tracked_at, overdue_at, polls, bad_requests,
            verifications_done, was_overdue, options_digest, metadata, callback_url)
        VALUES (1, x'550e8400e29b41d4a716446655440000', 0, 0, 1, '', 0, 0, 0, 0, 0, 0, x'', x'00ff', NULL),
               (2, 'Id.2', 0, 0, 1, NULL, 0, 0, 0, 0, 0, 0, x'', x'', 'http://x')
    )sql");
    const std::string all = all_of(made.db, table_named("transactions"));
    EXPECT_THAT(all, HasSubstr(std::string("\0\0\0\44", 4) + "550e8400-e29b-41d4-a716-446655440000"));
    EXPECT_THAT(all, HasSubstr(std::string("\0\0\0\4Id.2", 8)));
    EXPECT_THAT(all, HasSubstr(std::string("\0\0\0\2\0\377", 6)));
    made.db.execute(R"sql(UPDATE transactions SET status = NULL WHERE row = 1)sql");
    EXPECT_NE(all_of(made.db, table_named("transactions")), all);
    made.db.execute(R"sql(UPDATE transactions SET id = x'00' WHERE row = 1)sql");
    EXPECT_THROW(all_of(made.db, table_named("transactions")), sqlite_error) << "no id is damage";
}

TEST(CopiedTables, PiecesAreBounded) {
    made_database made;
    made.db.execute(R"sql(
        PRAGMA foreign_keys = OFF;
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
        INSERT INTO proofs SELECT i, zeroblob(100000) FROM n
    )sql");
    row_stream rows(made.db, table_named("proofs"));
    std::string piece;
    std::size_t pieces = 0;
    for (; rows.next(piece); ++pieces, piece.clear()) EXPECT_LT(piece.size(), 400'000U);
    EXPECT_EQ(pieces, 14U);
    EXPECT_EQ(rows.rows(), 40U);
}

TEST(CopiedTables, TheDigestIsSha256) {
    running_digest digest;
    digest.add("a");
    digest.add("bc");
    EXPECT_THAT(digest.finish(), StartsWith("ba7816bf8f01cfea414140de5dae2223"));
}

} // namespace
} // namespace prooftrack::store
