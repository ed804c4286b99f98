// Lists over the thousands of lanes that transactions' own callback_urls may have: a page looks at a bounded number.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/control_ops.hpp"
#include "store/list_ops.hpp"
#include "store/paging.hpp"
#include "store/schema.hpp"

namespace prooftrack::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// A database alone, without the store's thread.
class ManyLanes : public testing::Test {
  protected:
    ManyLanes() {
        db_.connection = std::make_unique<db_connection>(":memory:", "");
        create_schema(*db_.connection, "log");
    }
    /// On each lane one delivery: that of transaction N is N.
    void fill(std::size_t lanes, track::delivery_state state) {
        db_.connection->execute(fmt::format(
            R"sql(
            CREATE TEMP TABLE number AS
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {0}) SELECT i FROM n;
            INSERT INTO transactions (row, id, state, kind, watched, status, tracked_at, overdue_at, settled_at, polls,
                bad_requests, verifications_done, was_overdue, options_digest, metadata)
            SELECT i, 't' || i, 1, 3, 0, 'completed', i, i, i, 1, 0, 0, 0, x'00', CAST('{{}}' AS BLOB) FROM number;
            INSERT INTO events SELECT i, 'e' || i, 'transaction.completed', i, 1, 'completed', i, x'', NULL FROM number;
            INSERT INTO lanes SELECT i, 'https://h' || i || ':443', 'callback_url', 0, 0, 1, NULL FROM number;
            INSERT INTO deliveries SELECT i, i, i, i, 1, 1, i, 200, NULL, NULL, 'https://h', NULL, NULL FROM number;
            UPDATE counters SET next_transaction = {0} + 1, next_event = {0} + 1, next_delivery = {0} + 1;
            INSERT INTO transaction_counts VALUES (1, 3, {0});)sql",
            lanes));
        put(1, lanes, state);
        load();
    }
    void put(std::size_t first, std::size_t last, track::delivery_state state) {
        db_.sql(R"sql(UPDATE deliveries SET state = ? WHERE id BETWEEN ? AND ?)sql").execute(state, first, last);
        const bool is_pending = state == track::delivery_state::pending;
        const bool is_dead = state == track::delivery_state::dead;
        db_.sql(R"sql(UPDATE lanes SET pending = ?, dead = ? WHERE row BETWEEN ? AND ?)sql")
            .execute(is_pending, is_dead, first, last);
    }
    void put(std::size_t id, track::delivery_state state) { put(id, id, state); }
    void load() { db_.sums.load(*db_.connection); }

    /// The ids on every page, and the most statements that one of them took.
    std::vector<std::string> not_delivered(std::size_t limit = 1'000) {
        track::transaction_query query;
        query.not_delivered_to = "callback_url";
        query.limit = limit;
        return all_pages([&] {
            std::vector<std::string> ids;
            const auto page = list_transactions(db_, query).value();
            for (const track::transaction_view& each : page.transactions) ids.push_back(each.id.str());
            query.cursor = page.next_cursor;
            return std::pair(ids, query.cursor.empty());
        });
    }
    std::vector<std::string> in_state(track::delivery_state state, std::size_t limit = 1'000) {
        track::delivery_query query;
        query.state = state;
        query.limit = limit;
        return all_pages([&] {
            std::vector<std::string> ids;
            const auto page = list_deliveries(db_, query).value();
            for (const track::delivery_view& each : page.deliveries) ids.push_back(each.transaction.str());
            query.cursor = page.next_cursor;
            return std::pair(ids, query.cursor.empty());
        });
    }

    database db_;
    std::size_t statements_ = 0; ///< of the page that took most

  private:
    template <class Read>
    std::vector<std::string> all_pages(Read read) {
        std::vector<std::string> all;
        statements_ = 0;
        for (bool is_last = false; !is_last;) {
            std::size_t number = 0;
            const auto count = [](unsigned /*event*/, void* to, void* /*statement*/, void* /*text*/) {
                ++*static_cast<std::size_t*>(to);
                return 0;
            };
            sqlite3_trace_v2(db_.connection->handle(), SQLITE_TRACE_STMT, count, &number);
            auto [ids, is_end] = read();
            sqlite3_trace_v2(db_.connection->handle(), 0, nullptr, nullptr);
            all.insert(all.end(), ids.begin(), ids.end());
            statements_ = std::max(statements_, number);
            is_last = is_end;
        }
        return all;
    }
};

TEST_F(ManyLanes, ThoseThatOnlyDeliveredAreNotLookedAt) {
    fill(500, track::delivery_state::delivered);
    EXPECT_THAT(not_delivered(), IsEmpty());
    EXPECT_LE(statements_, 10U);
    EXPECT_THAT(in_state(track::delivery_state::dismissed), IsEmpty());
    EXPECT_LE(statements_, 10U);
    put(7, track::delivery_state::dismissed);
    put(70, track::delivery_state::dead);
    put(300, track::delivery_state::pending);
    load();
    EXPECT_THAT(not_delivered(), ElementsAre("t300", "t70", "t7"));
    EXPECT_LE(statements_, 30U);
    EXPECT_THAT(in_state(track::delivery_state::dismissed), ElementsAre("t7"));
    EXPECT_LE(statements_, 20U);
    dismiss_one_delivery(db_, delivery_id{70}, "").value();
    EXPECT_THAT(in_state(track::delivery_state::dismissed), ElementsAre("t70", "t7"));
    db_.sums.flush(*db_.connection);
    put(8, track::delivery_state::dead);
    load();
    lane_walk at = begin_walk(db_);
    dismiss_dead_deliveries(db_, std::nullopt, "", at, 10);
    EXPECT_THAT(in_state(track::delivery_state::dismissed), ElementsAre("t70", "t8", "t7"));
    EXPECT_THAT(not_delivered(), ElementsAre("t300", "t70", "t8", "t7"));
}

TEST_F(ManyLanes, WhenMoreOfThemHaveOneThanAPageLooksAtItsRowsAreLookedAtInstead) {
    fill(most_rows_looked_at + 1, track::delivery_state::dead);
    std::vector<std::string> newest_first;
    for (std::size_t i = most_rows_looked_at + 1; i > 0; --i) newest_first.push_back(fmt::format("t{}", i));
    EXPECT_EQ(not_delivered(100), newest_first);
    EXPECT_LE(statements_, 400U);
    EXPECT_EQ(in_state(track::delivery_state::dead, 100), newest_first);
    EXPECT_LE(statements_, 400U);
    put(1, track::delivery_state::delivered);
    load();
    newest_first.pop_back();
    EXPECT_EQ(not_delivered(), newest_first) << "few enough: each is looked at";
    EXPECT_EQ(in_state(track::delivery_state::dead), newest_first);
    EXPECT_THAT(in_state(track::delivery_state::pending), IsEmpty());
}

} // namespace
} // namespace prooftrack::store
