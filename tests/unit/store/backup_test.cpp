#include <chrono>
#include <set>
#include <stdexcept>

#include <sys/stat.h>

#include <gtest/gtest.h>

#include "store/connection.hpp"
#include "store/copy_database.hpp"
#include "store/disk_space.hpp"
#include "support/store_world.hpp"

namespace prooftrack::store {
namespace {

TEST(Backup, IsAWholePlainFileWithALogOfItsOwn) {
    store_world world;
    world.add({make_new("a")}).value();
    world.record(make_settlement("a", 1, {"backend"})).value();
    const backup_file copy = world.backup().value();
    struct stat info {};
    ASSERT_EQ(::stat(copy.path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777U, 0600U);
    EXPECT_EQ(static_cast<std::uint64_t>(info.st_size), copy.bytes);
    EXPECT_EQ(copy.path.parent_path(), world.path().parent_path());
    db_connection db(copy.path, "");
    EXPECT_EQ(db.ask_text(R"sql(PRAGMA journal_mode)sql"), "delete");
    EXPECT_EQ(db.ask_text(R"sql(PRAGMA integrity_check)sql"), "ok");
    EXPECT_NE(db.ask_text(R"sql(SELECT log_id FROM counters)sql"), world.status().log_id);
    EXPECT_EQ(db.ask_integer(R"sql(SELECT count(*) FROM events)sql"), 1);
    EXPECT_FALSE(std::filesystem::exists(copy.path.string() + "-wal"));
    EXPECT_FALSE(std::filesystem::exists(copy.path.string() + "-journal"));
    const backup_file second = world.backup().value();
    db_connection db2(second.path, "");
    EXPECT_NE(
        db.ask_text(R"sql(SELECT log_id FROM counters)sql"), db2.ask_text(R"sql(SELECT log_id FROM counters)sql"));
}

TEST(Backup, ARestoredCopyOpensAndGoesOnUnderAnotherLog) {
    store_world world;
    world.add({make_new("a"), make_new("b")}).value();
    world.record(make_settlement("a", 1, {})).value();
    const backup_file copy = world.backup().value();
    world.record(make_settlement("b", 2, {})).value(); // lost by the restore
    const std::string log_id = world.status().log_id;
    world.close();
    std::filesystem::rename(copy.path, world.path());
    EXPECT_NE(world.status().log_id, log_id);
    EXPECT_EQ(world.find(make_id("b")).facts.state, track::tracking_state::tracking);
    EXPECT_EQ(world.record(make_settlement("b", 3, {})).value().seq, event_seq{2});
}

TEST(Backup, ChangesGoOnMeanwhileAndTheCopyIsConsistent) {
    store_world world;
    for (int i = 0; i < 20; ++i) {
        std::vector<track::new_transaction> many;
        for (int j = 0; j < 200; ++j) {
            many.push_back(make_new("tx-" + std::to_string(i) + "-" + std::to_string(j)));
            many.back().metadata = "{\"pad\":\"" + std::string(3000, 'x') + "\"}";
        }
        world.add(many).value();
    }
    std::optional<op_result<backup_file>> copy;
    int during = 0;
    world.subject().backup([&](op_result<backup_file> made) { copy.emplace(std::move(made)); });
    // One change after another until the copy is there.
    std::function<void(int)> next = [&](int i) {
        if (copy || i == 4000) return;
        const std::string id = "tx-" + std::to_string(i % 20) + "-" + std::to_string(i / 20);
        world.subject().record(make_settlement(id, i, {"backend"}), [&, i](op_result<recorded_transition> recorded) {
            EXPECT_TRUE(recorded.has_value());
            if (!copy) ++during;
            next(i + 1);
        });
    };
    next(0);
    world.run();
    ASSERT_TRUE(copy && copy->has_value());
    EXPECT_GT(during, 0);
    db_connection db((*copy)->path, "");
    EXPECT_EQ(db.ask_text(R"sql(PRAGMA integrity_check)sql"), "ok");
    EXPECT_EQ(db.ask_integer(R"sql(SELECT count(*) FROM transactions)sql"), 4000);
    const std::int64_t settled = db.ask_integer(R"sql(SELECT count(*) FROM transactions WHERE state = 1)sql");
    EXPECT_EQ(db.ask_integer(R"sql(SELECT count(*) FROM events)sql"), settled);
    EXPECT_EQ(db.ask_integer(R"sql(SELECT next_event - 1 FROM counters)sql"), settled);
    EXPECT_EQ(db.ask_integer(R"sql(SELECT sum(number) FROM transaction_counts WHERE state = 1)sql"), settled);
    EXPECT_EQ(db.ask_integer(R"sql(SELECT pending FROM lanes WHERE lane = 'backend')sql"), settled);
}

TEST(Backup, OnlyOneAtATime) {
    store_world world;
    world.add({make_new("a")}).value();
    std::vector<error_code> refused;
    int made = 0;
    for (int i = 0; i < 3; ++i) {
        world.subject().backup([&](op_result<backup_file> outcome) {
            if (outcome) {
                ++made;
            } else {
                refused.push_back(outcome.error().code);
            }
        });
    }
    world.run();
    EXPECT_EQ(made, 1);
    EXPECT_EQ(refused, std::vector<error_code>(2, make_error_code(store_error::busy)));
    EXPECT_TRUE(world.backup().has_value()); // and then again
}

TEST(Backup, AStoreThatClosesEndsItAndLeavesNoFile) {
    store_world world;
    std::vector<track::new_transaction> many;
    for (int j = 0; j < 1000; ++j) {
        many.push_back(make_new("tx-" + std::to_string(j)));
        many.back().metadata = "{\"pad\":\"" + std::string(3900, 'x') + "\"}";
    }
    world.add(many).value();
    std::optional<op_result<backup_file>> outcome;
    world.subject().backup([&](op_result<backup_file> made) { outcome.emplace(std::move(made)); });
    world.close();
    ASSERT_TRUE(outcome.has_value());
    if (!outcome->has_value()) {
        EXPECT_EQ(outcome->error().code, store_error::stopped);
        for (const auto& each : std::filesystem::directory_iterator(world.path().parent_path())) {
            EXPECT_EQ(each.path().string().find(".backup-"), std::string::npos);
        }
    }
}

TEST(Backup, NeedsSpaceForTheCopy) {
    // A file with a hole that is larger than any disk here claims the room.
    temporary_directory directory;
    const auto path = directory.path() / "x.db";
    ASSERT_TRUE(has_space_for_copy(path));
    const std::uint64_t free = measure_disk(path).free_bytes;
    FILE* const file = std::fopen(path.c_str(), "w");
    ASSERT_NE(file, nullptr);
    ASSERT_EQ(::ftruncate(::fileno(file), static_cast<off_t>(free)), 0);
    std::fclose(file);
    EXPECT_FALSE(has_space_for_copy(path));
}

TEST(DatabaseCopy, IsMadeInStepsBetweenTransactionsAndFinishedOnce) {
    store_world world;
    world.add({make_new("a")}).value();
    world.close();
    db_connection from(world.path(), "");
    database_copy copy(from, world.path().string() + ".copy", "");
    EXPECT_THROW(copy.finish("log"), std::logic_error) << "nothing is copied yet";
    from.execute(R"sql(BEGIN)sql");
    EXPECT_THROW(copy.step(std::chrono::seconds(1)), std::logic_error);
    from.execute(R"sql(COMMIT)sql");
    while (!copy.step(std::chrono::seconds(1))) {
    }
    EXPECT_THROW(copy.step(std::chrono::seconds(1)), std::logic_error);
    EXPECT_GT(copy.finish("log"), 0U);
    EXPECT_THROW(copy.finish("log"), std::logic_error);
}

} // namespace
} // namespace prooftrack::store
