// A search reads what matches and little else; what is searched by is written with the rows, and by the upgrade.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/connection.hpp"
#include "store/metadata_match.hpp"
#include "store/schema.hpp"
#include "store/search_index.hpp"
#include "store/segments.hpp"
#include "support/store_world.hpp"

namespace prooftrack::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<std::int64_t> drain(key_merge::source source, std::int64_t below = 1 << 30) {
    std::vector<std::int64_t> keys;
    while (const auto key = source(below)) {
        keys.push_back(*key);
        below = *key;
    }
    return keys;
}

key_merge merge_of(std::vector<std::int64_t> keys) {
    key_merge merge;
    merge.add(keys_of_list(std::move(keys)));
    return merge;
}

TEST(Segments, EachIsReadOnceFromTheNewestOn) {
    std::vector<std::int64_t> read;
    const auto source = keys_by_segment(segments_of(key_span{5, 4096 * 3}), [&read](std::int64_t segment) {
        read.push_back(segment);
        return segment == 1 ? std::vector<std::int64_t>{4099, 4097, 4100} : std::vector<std::int64_t>{};
    });
    EXPECT_THAT(drain(source), ElementsAre(4100, 4099, 4097));
    EXPECT_THAT(read, ElementsAre(3, 2, 1, 0));
    EXPECT_THAT(
        drain(keys_by_segment(segments_of(std::nullopt), [](std::int64_t) { return std::vector<std::int64_t>{1}; })),
        IsEmpty());
}

TEST(Segments, AllOfTheirKeysAreGivenAndNoOthers) {
    const auto keys = keys_of_segments({0, 3});
    EXPECT_EQ(keys(4096 * 9), 4096 * 4 - 1);
    EXPECT_EQ(keys(4096 * 3 + 1), 4096 * 3);
    EXPECT_EQ(keys(4096 * 3), 4095);
    EXPECT_EQ(keys(0), std::nullopt);
}

TEST(Segments, OnlyWhatEveryFilterMayHaveIsGiven) {
    const auto both = keys_in_all({merge_of({900, 500, 400, 3, 1}), merge_of({800, 500, 3, 2})});
    std::vector<std::int64_t> keys = drain(both);
    EXPECT_THAT(keys, testing::IsSupersetOf({500, 3}));
    EXPECT_LE(keys.size(), 4U);
    EXPECT_THAT(drain(keys_in_all({merge_of({5, 4}), merge_of({})})), IsEmpty());
    EXPECT_THROW(keys_in_all({}), std::logic_error);
}

TEST(Segments, FiltersThatSeldomMeetLeaveFewKeysToLookAt) {
    std::vector<std::int64_t> even;
    std::vector<std::int64_t> odd{500};
    for (std::int64_t key = 2; key <= 1000; key += 2) {
        even.push_back(key);
        odd.push_back(key - 1);
    }
    const std::vector<std::int64_t> keys = drain(keys_in_all({merge_of(even), merge_of(odd)}));
    EXPECT_THAT(keys, testing::Contains(500));
    EXPECT_LE(keys.size(), 500U / 3);
}

TEST(MetadataMatch, ComparesAsItWasWritten) {
    EXPECT_TRUE(has_metadata(R"({"a":"x"})", std::vector<track::metadata_filter>{{"a", "x"}}));
    EXPECT_FALSE(has_metadata(R"({"a":"x"})", std::vector<track::metadata_filter>{{"a", "\"x\""}}));
    EXPECT_FALSE(has_metadata("not JSON", std::vector<track::metadata_filter>{{"a", "x"}}));
    EXPECT_TRUE(has_metadata("not JSON", {}));
}

/// The database of a world that is closed.
struct Database : testing::Test {
    store_world world;

    std::string plan(const std::string& sql) {
        world.open();
        world.close();
        db_connection db(world.path(), "");
        statement explain(db.handle(), std::string(R"sql(EXPLAIN QUERY PLAN )sql") + sql);
        query row = explain.select();
        std::string text;
        while (row.next()) text += row.string(3) + "\n";
        return text;
    }
};

TEST_F(Database, TheIndexesOfASearchNarrowBySegmentAndValue) {
    struct search {
        const char* sql;
        const char* narrowed_by;
    };
    const std::vector<search> searches{
        {R"sql(
            SELECT row
            FROM transactions INDEXED BY transactions_settled
            WHERE settled_at IS NOT NULL AND row >> 12 = 7 AND settled_at > 1 AND settled_at < 2
        )sql",
         "transactions_settled (<expr>=? AND settled_at>? AND settled_at<?)"},
        {R"sql(
            SELECT transaction_row
            FROM deliveries INDEXED BY deliveries_waiting
            WHERE state = 0 AND lane = 1 AND transaction_row < 9
            ORDER BY transaction_row DESC
            LIMIT 1
        )sql",
         "deliveries_waiting (lane=? AND transaction_row<?)"},
        {R"sql(
            SELECT transaction_row
            FROM deliveries INDEXED BY deliveries_given_up
            WHERE state >= 2 AND lane = 1 AND transaction_row < 9
            ORDER BY transaction_row DESC
            LIMIT 1
        )sql",
         "deliveries_given_up (lane=? AND transaction_row<?)"},
        {R"sql(
            SELECT key, terms
            FROM metadata_terms
            WHERE key BETWEEN 1 AND 2
            ORDER BY key DESC
        )sql",
         "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
        {R"sql(
            SELECT max(key)
            FROM metadata_terms
            WHERE key BETWEEN 1 AND 2
        )sql",
         "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
        {R"sql(
            SELECT segment
            FROM segment_ranges
            WHERE list = 1 AND greatest >= 1 AND least <= 2
            ORDER BY segment
        )sql",
         "PRIMARY KEY (list=?)"},
        {R"sql(SELECT row FROM transactions WHERE id BETWEEN 'a' AND 'b' LIMIT 9)sql", "(id>? AND id<?)"},
        {R"sql(SELECT row FROM transactions WHERE id BETWEEN x'00' AND x'FF' LIMIT 9)sql", "(id>? AND id<?)"}};
    for (const search& each : searches) {
        const std::string found = plan(each.sql);
        EXPECT_THAT(found, HasSubstr(each.narrowed_by)) << each.sql;
        EXPECT_THAT(found, Not(HasSubstr("TEMP B-TREE"))) << each.sql;
    }
}

TEST_F(Database, ARareMemberIsFoundInOnePageHoweverManyRowsThereAre) {
    for (int i = 0; i < 12; ++i) {
        std::vector<track::new_transaction> many;
        for (int j = 0; j < 1000; ++j) {
            many.push_back(make_new(fmt::format("tx-{}-{}", i, j), i * 1000 + j));
            many.back().metadata = fmt::format(R"({{"order":"A-{}-{}","shop":"x"}})", i, j);
        }
        world.add(many).value();
    }
    track::transaction_query query;
    query.metadata = {{"shop", "x"}, {"order", "A-0-7"}};
    track::transaction_page page = world.list(query);
    ASSERT_EQ(page.transactions.size(), 1U);
    EXPECT_EQ(page.transactions[0].id.str(), "tx-0-7");
    EXPECT_EQ(page.next_cursor, "");
    query = {};
    query.tracked_after = at_ms(-1);
    query.tracked_before = at_ms(3);
    page = world.list(query);
    EXPECT_EQ(page.transactions.size(), 3U) << "they are the oldest of 12,000";
    EXPECT_EQ(page.next_cursor, "");
}

/// A database alone, without the store's thread.
struct SearchIndex : testing::Test {
    SearchIndex() { create_schema(db, "log"); }
    void note(std::int64_t row, const std::string& order) {
        index.note_metadata(row, fmt::format(R"({{"order":"{}","shop":"x"}})", order));
    }
    static std::string many_members(int members, const std::string& value) {
        std::string text = "{";
        for (int i = 0; i < members; ++i) text += fmt::format("{}\"{}\":\"{}\"", i == 0 ? "" : ",", i, value);
        return text + '}';
    }
    void note_many(std::int64_t row, int members, const std::string& value) {
        index.note_metadata(row, many_members(members, value));
    }
    /// Segment 0 is full and no longer the newest.
    void fill_segment(int members) {
        for (std::int64_t row = 1; row <= 4'096; ++row) {
            note_many(row, members, "x");
            if (row % 1'000 == 0) index.flush(db);
        }
        index.flush(db);
    }
    std::int64_t rows_of_terms(std::int64_t segment) {
        return db.ask_integer(
            fmt::format(R"sql(SELECT count(*) FROM metadata_terms WHERE key >> 41 = {})sql", segment));
    }
    std::vector<std::int64_t> found(std::int64_t segment, const std::string& order) {
        return keys_with_member(db, segment, "order", order);
    }

    db_connection db{":memory:", ""};
    search_index index;
};

TEST_F(SearchIndex, ACommitIsOneRowAndAFullSegmentAFew) {
    for (std::int64_t row = 1; row < 4096; ++row) {
        note(row, fmt::format("A-{}", row));
        if (row % 100 == 0) index.flush(db);
    }
    index.flush(db);
    EXPECT_EQ(rows_of_terms(0), 41);
    EXPECT_THAT(found(0, "A-7"), ElementsAre(7));
    EXPECT_THAT(keys_with_member(db, 0, "shop", "x"), testing::SizeIs(4095));
    note(4096, "A-4096");
    note(4097, "A-7");
    index.flush(db);
    EXPECT_EQ(rows_of_terms(0), 11); // 8,190 terms
    EXPECT_EQ(rows_of_terms(1), 1);
    for (const std::int64_t row : {1, 7, 800, 4095}) EXPECT_THAT(found(0, fmt::format("A-{}", row)), ElementsAre(row));
    EXPECT_THAT(keys_with_member(db, 0, "shop", "x"), testing::SizeIs(4095)) << "they lie in several rows";
    EXPECT_THAT(found(1, "A-7"), ElementsAre(4097));
    EXPECT_THAT(found(0, "A-4096"), IsEmpty());
    EXPECT_THAT(found(2, "A-7"), IsEmpty());
}

TEST_F(SearchIndex, AfterARestartTheSegmentThatWasLeftIsSortedToo) {
    for (std::int64_t row = 1; row < 10; ++row) {
        note(row, "same");
        index.flush(db);
    }
    index = {};
    note(5000, "same");
    index.flush(db);
    EXPECT_EQ(rows_of_terms(0), 1);
    EXPECT_THAT(found(0, "same"), testing::SizeIs(9));
}

TEST_F(SearchIndex, AnOlderSegmentGathersAdditionsBeforeItIsSortedAnew) {
    note(5000, "new");
    index.flush(db);
    for (int change = 0; change < 1'600; ++change) {
        note(1 + change % 16, "anew");
        index.flush(db);
        if (change == 800) index = {}; // a restart
    }
    EXPECT_EQ(rows_of_terms(0), 4) << "of 800 terms each";
    EXPECT_THAT(found(0, "anew"), testing::Each(testing::Le(16)));
    note(17, "anew");
    index.flush(db);
    EXPECT_EQ(rows_of_terms(0), 1);
    EXPECT_THAT(found(0, "anew"), testing::SizeIs(17));
}

// Each change sorted all terms of the segment anew in its turn: what is sorted was written again every 17 changes.
TEST_F(SearchIndex, WhatAChangeCostsDoesNotGrowWithTheMembersOfTheOthers) {
    fill_segment(15);
    const std::int64_t before = sqlite3_total_changes64(db.handle());
    for (std::int64_t row = 1; row <= 500; ++row) {
        note_many(row, 15, "y");
        index.flush(db);
    }
    EXPECT_LE(sqlite3_total_changes64(db.handle()) - before, 550);
    EXPECT_THAT(keys_with_member(db, 0, "7", "y"), testing::SizeIs(500));
}

// 65,536 terms are 16 members of each row: above that old terms are sought, which reads every row.
TEST_F(SearchIndex, RowsWithManyMembersAreReadAgainOnlyWhenMostTermsMayBeOld) {
    db.execute(R"sql(
        INSERT INTO transactions (row, id, state, kind, watched, tracked_at, overdue_at, polls, bad_requests,
            verifications_done, was_overdue, options_digest, metadata)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4095)
        SELECT i, 't' || i, 0, 0, 1, 0, 0, 0, 0, 0, 0, x'00', x'7b7d' FROM n
    )sql");
    const std::string metadata = many_members(17, "x");
    statement set(db.handle(), R"sql(UPDATE transactions SET metadata = ?)sql");
    set.execute(blob_view{metadata});
    fill_segment(17);
    db.execute(R"sql(UPDATE transactions SET metadata = x'7b7d')sql"); // reading them again would lose their terms
    int value = 0;
    const auto change = [&](int times) {
        for (int end = value + times; value < end; ++value) {
            note_many(1, 800, std::to_string(value));
            index.flush(db);
        }
    };
    change(60); // 48,000 terms of one row
    EXPECT_THAT(keys_with_member(db, 0, "7", "x"), testing::SizeIs(4095));
    change(100);
    EXPECT_THAT(keys_with_member(db, 0, "7", "x"), IsEmpty());
}

TEST_F(SearchIndex, TheNewestSegmentTakesARowACommitBeforeItIsSorted) {
    for (int change = 0; change < 4096; ++change) {
        note(7, fmt::format("B-{}", change));
        index.flush(db);
    }
    EXPECT_EQ(rows_of_terms(0), 4096);
    note(7, "B-4096");
    index.flush(db);
    EXPECT_LE(rows_of_terms(0), 6) << "4,098 terms";
    EXPECT_THAT(found(0, "B-0"), ElementsAre(7));
    EXPECT_THAT(found(0, "B-4096"), ElementsAre(7));
}

TEST_F(SearchIndex, ARangeCoversWhatWasNotedAndIsSeldomWritten) {
    for (std::int64_t row = 1; row < 4096 * 3; ++row) index.note(ranged_list::tracked, row, 1'000'000 + row);
    index.note(ranged_list::tracked, 5, 3'000'000); // tracked anew
    index.note(ranged_list::recorded, 5, -7);
    const std::int64_t before = sqlite3_total_changes64(db.handle());
    index.flush(db);
    EXPECT_LE(sqlite3_total_changes64(db.handle()) - before, 9);
    EXPECT_THAT(segments_in_range(db, ranged_list::tracked, 1'000'001, 1'000'001), ElementsAre(0));
    EXPECT_THAT(segments_in_range(db, ranged_list::tracked, 1'012'000, 1'012'000), ElementsAre(0, 2));
    EXPECT_THAT(segments_in_range(db, ranged_list::tracked, 3'000'000, 9'000'000), ElementsAre(0));
    EXPECT_THAT(segments_in_range(db, ranged_list::tracked, 0, 900'000), IsEmpty());
    EXPECT_THAT(segments_in_range(db, ranged_list::recorded, -8, -6), ElementsAre(0));
    remove_ranges_below(db, ranged_list::tracked, 2);
    EXPECT_THAT(segments_in_range(db, ranged_list::tracked, 0, 9'000'000), ElementsAre(2));
}

TEST_F(Database, WhatIsKeptForASearchGoesWithItsSegment) {
    track::new_transaction one = make_new("a");
    one.metadata = R"({"k":"v","n":1,"twice":"t"})";
    world.add({one}).value();
    world.record(make_settlement("a", 10, {"backend"})).value();
    world.attempt({delivery_id{1}, at_ms(20), 1, track::delivery_state::delivered, 200, "", std::nullopt});
    world.prune({at_ms(1'000), at_ms(1'000), 100});
    world.reopen();
    world.add({make_new("b", 1)}).value(); // of the same times
    track::transaction_query query;
    query.tracked_after = at_ms(0);
    query.tracked_before = at_ms(2);
    EXPECT_EQ(world.list(query).transactions.size(), 1U);
    world.close();
    db_connection db(world.path(), "");
    EXPECT_EQ(db.ask_integer(R"sql(SELECT count(*) FROM metadata_terms)sql"), 0);
    EXPECT_EQ(db.ask_integer(R"sql(SELECT count(*) FROM segment_ranges WHERE list = 0)sql"), 1);
}

// 65,536 terms are 16 members of each row; a row that is changed again and again leaves more.
TEST_F(Database, MetadataThatChangesForEverLeavesABoundedNumberOfTerms) {
    constexpr int rows = 5'000; // of which the first is in no newest segment
    for (int i = 0; i < rows; i += 1000) {
        std::vector<track::new_transaction> many;
        for (int j = 0; j < 1000; ++j) many.push_back(make_new(fmt::format("t-{}", i + j)));
        for (track::new_transaction& each : many) each.metadata = R"({"k":"v"})";
        world.add(std::move(many)).value();
    }
    options_change change{
        .id = make_id("t-0"),
        .revision = row_revision{1},
        .metadata = "{}",
        .callback_url = std::nullopt,
        .callback_lane = "",
        .options_digest = make_digest(1)};
    constexpr int changes = 160;
    constexpr int members = 800;
    for (int i = 0; i < changes; ++i) {
        change.metadata = "{";
        for (int j = 0; j < members; ++j) change.metadata += fmt::format("{}\"{}\":{}", j == 0 ? "" : ",", j, i);
        change.metadata += '}';
        change.revision = world.set_options(change).value();
    }
    for (const int asked : {0, changes - 1}) {
        track::transaction_query query;
        query.metadata = {{"7", std::to_string(asked)}};
        EXPECT_EQ(world.list(query).transactions.size(), asked == 0 ? 0U : 1U);
    }
    world.close();
    db_connection db(world.path(), "");
    statement sum(db.handle(), R"sql(SELECT sum(length(terms)) / 5 FROM metadata_terms)sql");
    query row = sum.select();
    ASSERT_TRUE(row.next());
    EXPECT_GE(row.integer(0), rows - 1 + members);
    EXPECT_LE(row.integer(0), 65'536 * 5 / 4 + members + rows) << changes * members << " were noted";
}

TEST_F(Database, ARowThatTakesThePlaceOfAPrunedSegmentIsFoundWithoutARestart) {
    world.add({make_new("a")}).value();
    world.record(make_settlement("a", 10, {})).value();
    world.prune({at_ms(1'000), at_ms(1'000), 100});
    world.add({make_new("b", 1)}).value();
    track::transaction_query query;
    query.tracked_before = at_ms(2);
    EXPECT_EQ(world.list(query).transactions.size(), 1U);
}

TEST_F(Database, TheUpgradeFillsWhatASearchNeeds) {
    std::vector<track::new_transaction> many;
    for (int i = 0; i < 300; ++i) {
        many.push_back(make_new(fmt::format("tx-{}", i)));
        many.back().metadata = fmt::format(R"({{"order":"A-{}", "n": {}}})", i, i);
    }
    world.add(many).value();
    world.record(make_settlement("tx-7", 10, {"backend"})).value();
    world.close();
    {
        db_connection db(world.path(), "");
        const std::string ranges = R"sql(
            SELECT group_concat(list || ' ' || segment || ' ' || least || ' ' || greatest)
            FROM segment_ranges
        )sql";
        const std::string before = db.ask_text(ranges);
        db.execute(R"sql(
            DELETE FROM metadata_terms;
            DELETE FROM segment_ranges;
        )sql");
        index_everything(db);
        EXPECT_EQ(db.ask_text(ranges), before);
        EXPECT_THAT(keys_with_member(db, 0, "order", "A-7"), ElementsAre(8));
        EXPECT_THAT(keys_with_member(db, 0, "n", "299"), ElementsAre(300));
    }
    track::transaction_query query;
    query.metadata = {{"order", "A-7"}};
    EXPECT_EQ(world.list(query).transactions.size(), 1U);
}

} // namespace
} // namespace prooftrack::store
