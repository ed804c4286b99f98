// Exports of the SQLite store: bounded, in a thread of their own, and nothing is left of them.

#include <atomic>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/copy_reader.hpp"
#include "store/schema.hpp"
#include "support/drained.hpp"
#include "support/store_world.hpp"

namespace prooftrack::store {
namespace {

using source = std::shared_ptr<byte_source>;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

struct Export : testing::Test {
    op_result<source> begin(track::export_query query) {
        return world.ask<source>(
            [&](store& subject, auto handler) { subject.export_rows(std::move(query), std::move(handler)); });
    }
    /// Rows of 1,000 bytes each, counted.
    track::export_query counted() {
        track::export_query query;
        query.write_transaction = [rows = rows](std::string& out, const track::transaction_view&) {
            out.append(1000, 'x');
            ++*rows;
        };
        return query;
    }
    void add(int number) {
        for (int i = 0; i < number; i += 1000) {
            std::vector<track::new_transaction> many;
            for (int j = 0; j < 1000; ++j) many.push_back(make_new("tx-" + std::to_string(i + j)));
            world.add(many).value();
        }
    }
    bool until(const std::function<bool()>& condition) {
        for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
             std::chrono::steady_clock::now() < end;) {
            if (condition()) return true;
            world.run();
            std::this_thread::yield();
        }
        return false;
    }
    std::size_t files() {
        std::size_t number = 0;
        for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator(world.path().parent_path()))
            ++number;
        return number;
    }

    store_world world;
    std::shared_ptr<std::atomic<std::size_t>> rows = std::make_shared<std::atomic<std::size_t>>(0);
};

TEST_F(Export, TheThreadWaitsForASlowReader) {
    add(5000);
    const source slow = begin(counted()).value();
    // Full pieces, and one that waits to be put behind them.
    constexpr std::size_t rows_a_piece = (piece_writer::piece_bytes + 999) / 1000;
    constexpr std::size_t pieces = (copy_reader::most_bytes_ahead + rows_a_piece * 1000 - 1) / (rows_a_piece * 1000);
    constexpr std::size_t most = rows_a_piece * (pieces + 1);
    ASSERT_TRUE(until([&] { return *rows == most; }));
    world.add({make_new("the-store-goes-on")}).value();
    EXPECT_EQ(*rows, most);
    EXPECT_EQ(drained(*slow, [this] { world.run(); }).size(), 5'000'000U);
}

TEST_F(Export, LeavesNoFileWhoeverEndsIt) {
    add(3000);
    const std::size_t before = files();
    source dropped = begin(counted()).value();
    EXPECT_EQ(files(), before);
    dropped.reset();
    EXPECT_EQ(drained(*begin(counted()).value(), [this] { world.run(); }).size(), 3'000'000U);
    EXPECT_EQ(files(), before);
}

TEST_F(Export, OneThatFailsIsBrokenAndNeverWhole) {
    add(1000);
    track::export_query query;
    query.write_transaction = [seen = 0](std::string& out, const track::transaction_view&) mutable {
        if (++seen == 700) throw std::runtime_error("no memory");
        out.append(1000, 'x');
    };
    const source failing = begin(query).value();
    EXPECT_THROW(drained(*failing, [this] { world.run(); }), std::runtime_error);
    EXPECT_TRUE(failing->is_broken());
    std::string piece;
    EXPECT_EQ(failing->next(piece), byte_source::progress::broken);
    world.run();
    EXPECT_THAT(world.facts().failed_exports, ElementsAre(AllOf(StartsWith("export: "), HasSubstr("no memory"))));
}

TEST_F(Export, AReconciliationCountsAsOneAndBreaksAsOne) {
    add(10);
    const auto begin_job = [&](track::reconcile_job job) {
        return world.ask<source>(
            [&](store& subject, auto handler) { subject.reconcile(std::move(job), std::move(handler)); });
    };
    const source failing = begin_job([](track::reconcile_source&, const track::line_writer& write) {
                               write("one line");
                               throw std::length_error("too many ids");
                           }).value();
    EXPECT_THROW(drained(*failing, [this] { world.run(); }), std::runtime_error);
    world.run();
    EXPECT_THAT(world.facts().failed_exports, ElementsAre(AllOf(StartsWith("reconcile: "), HasSubstr("too many ids"))));
    std::vector<source> going;
    const auto long_job = [](track::reconcile_source&, const track::line_writer& write) {
        for (int i = 0; i < 3000; ++i) write(std::string(1000, 'x'));
    };
    ASSERT_TRUE(until([&] {
        if (auto begun = begin_job(long_job)) going.push_back(*begun); // the one above may not have ended yet
        return going.size() == most_exports;
    }));
    EXPECT_EQ(begin(counted()).error().code, store_error::busy);
    EXPECT_EQ(begin_job(long_job).error().code, store_error::busy);
}

TEST_F(Export, ADamagedPageIsReported) {
    add(10'000);
    world.close();
    {
        // Between the roots, which are made with the database, and the newest rows, which the start looks at.
        std::fstream file(world.path(), std::ios::in | std::ios::out | std::ios::binary);
        const std::string damage(4096, '\xFF');
        const std::size_t pages = std::filesystem::file_size(world.path()) / damage.size();
        ASSERT_GT(pages, 200U);
        file.seekp(static_cast<std::streamoff>(pages / 2 * damage.size()));
        for (std::size_t page = 0; page < pages / 4; ++page) file << damage;
    }
    const source failing = begin(counted()).value();
    EXPECT_THROW(drained(*failing, [this] { world.run(); }), std::runtime_error);
    world.run();
    EXPECT_THAT(world.facts().failed_exports, ElementsAre(AllOf(StartsWith("export: "), HasSubstr("malformed"))));
    EXPECT_TRUE(world.facts().fatal.empty());
}

TEST_F(Export, TheThreadGivesUpOnAReaderThatTakesNothing) {
    auto copy = std::make_unique<db_connection>(":memory:", "");
    create_schema(*copy, "log");
    bool is_reported = false;
    auto place = std::make_shared<char>();
    const std::weak_ptr<char> thread_is_there = place;
    copy_reading what;
    what.task = {"export", [](database&, piece_writer& out) {
                     for (int i = 0; i < 20; ++i) {
                         out.piece().append(piece_writer::piece_bytes, 'x');
                         out.end_row();
                     }
                 }};
    what.place = std::move(place);
    what.on_failed = [&](const op_error&) { is_reported = true; };
    what.patience = milliseconds(50);
    copy_reader reader(world.loop().get_executor(), std::move(copy), std::move(what));
    ASSERT_TRUE(until([&] { return thread_is_there.expired(); }));
    std::string taken;
    std::string piece;
    while (reader.next(piece) == byte_source::progress::more) taken += piece;
    EXPECT_EQ(taken.size(), copy_reader::most_bytes_ahead);
    EXPECT_TRUE(reader.is_broken());
    world.run();
    EXPECT_FALSE(is_reported);
}

TEST_F(Export, OneMoreThanTheMostIsRefusedUntilOneHasEnded) {
    add(3000);
    std::vector<source> going;
    for (std::size_t i = 0; i < most_exports; ++i) going.push_back(begin(counted()).value());
    EXPECT_EQ(begin(counted()).error().code, store_error::busy);
    going.pop_back();
    EXPECT_TRUE(until([&] { return begin(counted()).has_value(); }));
}

TEST_F(Export, TheStoreMayCloseBeforeItsReader) {
    add(3000);
    const source going = begin(counted()).value();
    world.close();
    EXPECT_EQ(drained(*going, [] {}).size(), 3'000'000U);
}

TEST_F(Export, OneThatWaitsIsEndedByTheClosing) {
    add(1000);
    std::optional<op_result<source>> outcome;
    world.subject().export_rows(counted(), [&](op_result<source> given) { outcome.emplace(std::move(given)); });
    world.close();
    ASSERT_TRUE(outcome);
    if (!*outcome) {
        EXPECT_EQ(outcome->error().code, store_error::stopped);
    }
}

} // namespace
} // namespace prooftrack::store
