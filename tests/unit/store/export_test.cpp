// Exports of the SQLite store: bounded, in a thread of their own, and nothing is left of them.

#include <atomic>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/copy_reader.hpp"
#include "support/drained.hpp"
#include "support/store_world.hpp"

namespace prooftrack::store {
namespace {

using source = std::shared_ptr<byte_source>;

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
    constexpr std::size_t rows_a_piece = (copy_reader::piece_bytes + 999) / 1000;
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
