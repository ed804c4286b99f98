#include <gtest/gtest.h>

#include "store/row_codec.hpp"
#include "store/totals.hpp"

namespace prooftrack::store {
namespace {

TEST(PackedId, ALowerCaseUuidIsSixteenBytesAndReadsBack) {
    const std::string id = "550e8400-e29b-41d4-a716-446655440000";
    const packed_id packed(id);
    EXPECT_TRUE(packed.is_uuid());
    EXPECT_EQ(packed.bytes().size(), 16U);
    EXPECT_EQ(unpack_uuid(packed.bytes()), id);
}

TEST(PackedId, AnythingElseStaysText) {
    for (const char* const id :
         {"550E8400-e29b-41d4-a716-446655440000", "550e8400e29b41d4a716446655440000", "03b22d25d523a5285",
          "550e8400-e29b-41d4-a716-44665544000g", "550e8400-e29b-41d4-a716-4466554400000", "a",
          "550e8400_e29b_41d4_a716_446655440000"}) {
        const packed_id packed(id);
        EXPECT_FALSE(packed.is_uuid()) << id;
        EXPECT_EQ(packed.bytes(), id);
    }
}

TEST(Statement, ParametersAreBoundNeverSpliced) {
    db_connection db(":memory:", "");
    db.execute(R"sql(CREATE TABLE t (a TEXT, b BLOB, c INTEGER) STRICT)sql");
    statement insert(db.handle(), R"sql(INSERT INTO t VALUES (?, ?, ?))sql");
    const std::string nasty = "'); DROP TABLE t; --";
    insert.execute(nasty, blob_view{std::string_view("\0x", 2)}, std::optional<int>());
    statement select(db.handle(), R"sql(SELECT a, b, c FROM t WHERE a = ?)sql");
    query row = select.select(nasty);
    ASSERT_TRUE(row.next());
    EXPECT_EQ(row.text(0), nasty);
    EXPECT_EQ(row.text(1), std::string_view("\0x", 2));
    EXPECT_TRUE(row.is_blob(1));
    EXPECT_TRUE(row.is_null(2));
}

TEST(Statement, AWrongNumberOfParametersAndARunInsideARunAreBugs) {
    db_connection db(":memory:", "");
    db.execute(R"sql(
        CREATE TABLE t (a INTEGER) STRICT;
        INSERT INTO t VALUES (1), (2);
    )sql");
    statement select(db.handle(), R"sql(SELECT a FROM t WHERE a > ?)sql");
    EXPECT_THROW(select.execute(), std::logic_error);
    EXPECT_THROW(select.execute(1, 2), std::logic_error);
    query row = select.select(0);
    ASSERT_TRUE(row.next());
    EXPECT_THROW(select.execute(0), std::logic_error);
}

TEST(Statement, AnErrorNamesItsCode) {
    db_connection db(":memory:", "");
    db.execute(R"sql(CREATE TABLE t (a INTEGER PRIMARY KEY) STRICT)sql");
    statement insert(db.handle(), R"sql(INSERT INTO t VALUES (?))sql");
    insert.execute(1);
    try {
        insert.execute(1);
        FAIL();
    } catch (const sqlite_error& error) {
        EXPECT_EQ(error.code(), SQLITE_CONSTRAINT_PRIMARYKEY);
        EXPECT_EQ(error.reach(), failure_reach::operation);
        EXPECT_EQ(error.describe("add").operation, "add");
    }
    insert.execute(2); // usable again
}

TEST(Totals, UndoTakesBackOneOperation) {
    db_connection db(":memory:", "");
    db.execute(R"sql(
        CREATE TABLE lanes (
          row INTEGER PRIMARY KEY,
          lane TEXT,
          callback TEXT,
          pending INTEGER,
          dead INTEGER,
          total INTEGER,
          failing_since INTEGER
        )
    )sql");
    totals sums;
    const std::int64_t lane = sums.lane_row(db, "a", "a");
    sums.count_deliveries(lane, 2, 0, 2);
    sums.mark();
    sums.count_deliveries(lane, -1, 1, 0);
    sums.lane_row(db, "b", "b");
    EXPECT_EQ(value_of(sums.take_event_seq()), 1U);
    sums.count_transaction(std::nullopt, count_cell{});
    sums.undo();
    EXPECT_EQ(sums.find_lane("a")->pending, 2);
    EXPECT_EQ(sums.find_lane("a")->dead, 0);
    EXPECT_EQ(sums.find_lane("b"), nullptr);
    EXPECT_EQ(value_of(sums.take_event_seq()), 1U);
    EXPECT_EQ(sums.transactions(count_cell{}), 0U);
}

TEST(Failures, ReachAsFarAsTheyShould) {
    EXPECT_EQ(sqlite_error(SQLITE_FULL, "").reach(), failure_reach::batch);
    EXPECT_EQ(sqlite_error(SQLITE_IOERR_WRITE, "", EDQUOT).reach(), failure_reach::batch);
    EXPECT_EQ(
        sqlite_error(SQLITE_IOERR_FSYNC, "", ENOSPC).reach(),
        failure_reach::store); // it may have been half-written
    EXPECT_EQ(sqlite_error(SQLITE_READONLY_DBMOVED, "").reach(), failure_reach::store);
    EXPECT_EQ(sqlite_error(SQLITE_CORRUPT_VTAB, "").reach(), failure_reach::store);
    EXPECT_EQ(sqlite_error(SQLITE_CONSTRAINT_UNIQUE, "").reach(), failure_reach::operation);
    EXPECT_TRUE(sqlite_error(SQLITE_IOERR_FSYNC, "").doubts_file());
    EXPECT_FALSE(sqlite_error(SQLITE_NOMEM, "").doubts_file());
}

} // namespace
} // namespace prooftrack::store
