// Group commit, what SQLite and the kernel say of a full disk and a broken one, and the log.

#include <atomic>
#include <cerrno>
#include <fstream>

#include <sys/types.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/disk_space.hpp"
#include "support/power_loss_vfs.hpp"
#include "support/store_world.hpp"

namespace prooftrack::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

/// While it lives, the kernel answers with this error to everything that SQLite's own VFS writes.
class refusing_kernel {
  public:
    explicit refusing_kernel(int error) {
        answered = error;
        answer_with(reinterpret_cast<sqlite3_syscall_ptr>(&refuse));
    }
    refusing_kernel(const refusing_kernel&) = delete;
    refusing_kernel& operator=(const refusing_kernel&) = delete;
    ~refusing_kernel() { answer_with(nullptr); } // null brings the real one back

  private:
    static ssize_t refuse(int /*descriptor*/, const void* /*bytes*/, std::size_t /*count*/, off_t /*offset*/) {
        errno = answered;
        return -1;
    }
    void answer_with(sqlite3_syscall_ptr call) {
        for (const char* const name : {"pwrite", "pwrite64"}) vfs_->xSetSystemCall(vfs_, name, call);
    }
    static inline std::atomic<int> answered = 0;
    sqlite3_vfs* vfs_ = sqlite3_vfs_find(nullptr);
};

char lock_byte(const store_world& world) {
    std::ifstream file(world.path().string() + ".lock");
    return static_cast<char>(file.get());
}

TEST(GroupCommit, WhatIsQueuedTogetherSharesACommitAndASync) {
    power_loss_disk disk("group-commit");
    store_world world("group-commit");
    world.open();
    const std::uint64_t before = disk.syncs();
    constexpr int calls = 500;
    int answered = 0;
    for (int i = 0; i < calls; ++i) {
        world.subject().add({make_new("tx-" + std::to_string(i))}, std::nullopt, [&](auto) { ++answered; });
    }
    world.run();
    EXPECT_EQ(answered, calls);
    EXPECT_EQ(world.facts().committed_operations, static_cast<std::size_t>(calls));
    EXPECT_LT(world.facts().commits, 100U);
    EXPECT_EQ(disk.syncs() - before, world.facts().commits);
    world.close();
}

TEST(GroupCommit, ReadsAloneCommitNothing) {
    power_loss_disk disk("reads");
    store_world world("reads");
    world.open();
    world.probe().value();
    const std::uint64_t before = disk.writes();
    world.status();
    world.events();
    EXPECT_FALSE(world.knows(make_id("a")));
    EXPECT_EQ(disk.writes(), before);
    world.close();
}

TEST(Closing, FoldsTheLogIn) {
    store_world world;
    world.add({make_new("a")}).value();
    ASSERT_TRUE(std::filesystem::exists(world.path().string() + "-wal"));
    world.close();
    EXPECT_FALSE(std::filesystem::exists(world.path().string() + "-wal"));
}

TEST(FullDisk, NeedsSomeSpaceBeforeItCountsAsUsable) {
    constexpr std::uint64_t mib = std::uint64_t{1} << 20U;
    EXPECT_EQ(recovery_bytes(100'000 * mib), 16 * mib);
    EXPECT_EQ(recovery_bytes(100 * mib), 2 * mib);
    EXPECT_EQ(recovery_bytes(0), 16 * mib) << "not known";
}

TEST(FullDisk, AUsedUpQuotaIsAFullDiskToo) {
    for (const int error : {EDQUOT, ENOSPC}) {
        store_world world;
        world.add({make_new("a")}).value();
        {
            const refusing_kernel kernel(error);
            EXPECT_EQ(world.add({make_new("b")}).error().code, store_error::full) << error;
        }
        EXPECT_TRUE(world.probe().has_value());
        EXPECT_THAT(world.facts().states, ElementsAre(track::store_state::full, track::store_state::ok));
        EXPECT_THAT(world.facts().fatal, SizeIs(0));
        EXPECT_FALSE(world.knows(make_id("b")));
    }
}

TEST(FullDisk, ARequestThatIsRefusedAnywayGetsItsOwnAnswer) {
    store_world world;
    world.add({make_new("a")}).value();
    world.record(make_settlement("a", 10, {"backend"})).value();
    world.attempt({delivery_id{1}, at_ms(20), 1, track::delivery_state::dead, 410, "", std::nullopt});
    const auto set_paused = [&world](const std::string& callback) {
        return world.ask<std::optional<wall_time>>(
            [&](auto& subject, auto handler) { subject.set_paused(callback, at_ms(30), std::move(handler)); });
    };
    ASSERT_TRUE(set_paused("backend"));
    const refusing_kernel kernel(ENOSPC);
    EXPECT_EQ(set_paused("ledger").error().code, store_error::full);
    EXPECT_EQ(world.retry(1, at_ms(40)).error().code, store_error::paused);
    EXPECT_EQ(world.retry(77, at_ms(40)).error().code, store_error::not_found);
    const auto count = [&world](auto call) { return world.ask<std::uint64_t>(call).error().code; };
    EXPECT_EQ(
        count([](auto& subject, auto handler) { subject.retry_dead("backend", at_ms(40), std::move(handler)); }),
        store_error::paused);
    EXPECT_EQ(
        count([](auto& subject, auto handler) { subject.flush_callback("backend", at_ms(40), std::move(handler)); }),
        store_error::paused);
    const auto dismissal = world.ask<track::delivery_view>(
        [](auto& subject, auto handler) { subject.dismiss_delivery(delivery_id{77}, "", std::move(handler)); });
    EXPECT_EQ(dismissal.error().code, store_error::not_found);
}

TEST(BrokenDisk, AnFsyncErrorStopsTheStoreMarksTheFileAndTheNextStartRewritesIt) {
    power_loss_disk disk("fsync");
    store_world world("fsync");
    world.add({make_new("a")}).value();
    EXPECT_EQ(lock_byte(world), '.');
    disk.fail_sync(1, SQLITE_IOERR_FSYNC);
    const auto failed = world.add({make_new("b")});
    ASSERT_FALSE(failed.has_value());
    EXPECT_EQ(failed.error().code, store_error::failed);
    ASSERT_THAT(world.facts().fatal, SizeIs(1));
    EXPECT_THAT(world.facts().fatal[0], HasSubstr("commit"));
    EXPECT_EQ(lock_byte(world), '!');
    // Nothing is tried again, not even reading or closing.
    const std::uint64_t writes = disk.writes();
    const std::uint64_t syncs = disk.syncs();
    EXPECT_EQ(world.add({make_new("c")}).error().code, store_error::failed);
    EXPECT_EQ(
        world.ask<store_status>([](store& subject, auto handler) { subject.status(std::move(handler)); }).error().code,
        store_error::failed);
    EXPECT_EQ(world.backup().error().code, store_error::failed);
    world.close();
    EXPECT_EQ(disk.writes(), writes);
    EXPECT_EQ(disk.syncs(), syncs);
    EXPECT_THAT(world.facts().fatal, SizeIs(1));

    world.open();
    EXPECT_EQ(lock_byte(world), '.');
    EXPECT_TRUE(world.knows(make_id("a")));
    EXPECT_FALSE(std::filesystem::exists(world.path().string() + ".rewrite"));
    EXPECT_TRUE(world.add({make_new("d")}).has_value());
    world.close();
}

TEST(BrokenDisk, AFileSystemThatTurnsReadOnlyOrFailsWritesStopsTheStore) {
    for (const int code : {SQLITE_READONLY, SQLITE_IOERR_WRITE, SQLITE_CORRUPT, SQLITE_CANTOPEN}) {
        power_loss_disk disk("readonly");
        store_world world("readonly");
        world.add({make_new("a")}).value();
        disk.set_broken(code);
        EXPECT_EQ(world.add({make_new("b")}).error().code, store_error::failed);
        EXPECT_THAT(world.facts().fatal, SizeIs(1));
        EXPECT_EQ(lock_byte(world), '!');
        disk.set_broken(std::nullopt);
        EXPECT_EQ(world.probe().error().code, store_error::failed); // for good
        world.close();
    }
}

TEST(BrokenDisk, AFileSystemThatTheKernelTurnedReadOnlyStopsTheStore) {
    store_world world;
    world.add({make_new("a")}).value();
    {
        const refusing_kernel kernel(EROFS);
        EXPECT_EQ(world.add({make_new("b")}).error().code, store_error::failed);
    }
    ASSERT_THAT(world.facts().fatal, SizeIs(1));
    EXPECT_THAT(world.facts().fatal[0], HasSubstr("Read-only file system"));
    EXPECT_EQ(lock_byte(world), '!');
    EXPECT_EQ(world.add({make_new("c")}).error().code, store_error::failed); // for good
    world.reopen();
    EXPECT_TRUE(world.knows(make_id("a")));
    EXPECT_FALSE(world.knows(make_id("b")));
    EXPECT_EQ(lock_byte(world), '.');
    EXPECT_TRUE(world.add({make_new("d")}).has_value());
}

TEST(BrokenDisk, EveryWriteAndSyncOfAStartAndACommitMayFail) {
    for (std::uint64_t n = 1; n <= 12; ++n) {
        for (const bool sync : {false, true}) {
            power_loss_disk disk("nth");
            store_world world("nth");
            if (sync) {
                disk.fail_sync(n, SQLITE_IOERR_FSYNC);
            } else {
                disk.fail_write(n, SQLITE_IOERR_WRITE);
            }
            try {
                for (int i = 0; i < 3; ++i) {
                    const auto added = world.add({make_new("tx-" + std::to_string(i))});
                    if (!added) {
                        EXPECT_EQ(added.error().code, store_error::failed);
                    }
                }
            } catch (const store_start_error& error) {
                EXPECT_EQ(error.exit_status(), 75) << error.what();
            }
            world.close();
            disk.clear_faults(); // one that was planned further on
            world.open();
            EXPECT_TRUE(world.add({make_new("after")}).has_value()) << (sync ? "sync " : "write ") << n;
            world.close();
        }
    }
}

TEST(Checkpoints, TheWalStaysSmall) {
    store_world world;
    track::new_transaction wanted = make_new("x");
    for (int i = 0; i < 60; ++i) {
        std::vector<track::new_transaction> many;
        for (int j = 0; j < 100; ++j) {
            many.push_back(make_new("tx-" + std::to_string(i) + "-" + std::to_string(j)));
            many.back().metadata = "{\"pad\":\"" + std::string(3000, 'x') + "\"}";
        }
        world.add(many).value();
    }
    const store_status status = world.status();
    EXPECT_GT(status.db_bytes, 16U << 20U); // 18 MB were added
    EXPECT_LT(status.wal_bytes, 8U << 20U);
    EXPECT_GT(status.wal_bytes, 0U);
    EXPECT_GT(status.free_bytes, 0U);
}

} // namespace
} // namespace prooftrack::store
