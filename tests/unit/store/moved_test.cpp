// Somebody moves, removes or overwrites the files of a store that is open.

#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/connection.hpp"
#include "store/lock_file.hpp"
#include "support/store_world.hpp"

namespace prooftrack::store {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class Moved : public testing::Test {
  protected:
    Moved() { world_.add({make_new("before")}).value(); }

    std::filesystem::path path(const char* suffix = "") const { return world_.path().string() + suffix; }
    void move(const char* from, const char* to) { std::filesystem::rename(path(from), path(to)); }
    bool is_there(const char* suffix) const { return std::filesystem::exists(path(suffix)); }

    /// Where a backup lies that knows `before` alone.
    std::filesystem::path back_up() {
        std::filesystem::path kept = path(".saved");
        std::filesystem::rename(world_.backup().value().path, kept);
        return kept;
    }
    void expect_stopped(const char* why) {
        EXPECT_EQ(world_.add({make_new("late")}).error().code, store_error::moved);
        ASSERT_THAT(world_.facts().fatal, SizeIs(1));
        EXPECT_THAT(world_.facts().fatal[0], HasSubstr(why));
        EXPECT_FALSE(world_.add({make_new("later")}).has_value()) << "for good";
        world_.close();
    }
    std::pair<int, std::string> refused_start() {
        try {
            world_.open();
        } catch (const store_start_error& refused) {
            return {refused.exit_status(), refused.what()};
        }
        return {0, ""};
    }

    store_world world_;
};

TEST_F(Moved, NothingIsAcknowledgedIntoAFileThatWasMovedAway) {
    move("", ".before");
    expect_stopped("was moved or removed");
    // The moved file is whole, and no write-ahead log of it waits for the next one.
    EXPECT_FALSE(is_there("-wal"));
    db_connection moved(path(".before"), "");
    EXPECT_EQ(moved.ask_integer(R"sql(SELECT count(*) FROM transactions WHERE id = 'before')sql"), 1);
}

TEST_F(Moved, AnotherFileInItsPlaceIsNotTakenForIt) {
    const auto saved = back_up();
    move("", ".before");
    std::filesystem::copy_file(saved, path());
    expect_stopped("another file stands there");
    EXPECT_TRUE(world_.knows(make_id("before")));
    EXPECT_FALSE(world_.knows(make_id("late")));
}

TEST_F(Moved, ARemovedOneIsMissedAndItsLastChangesAreKept) {
    std::filesystem::remove(path());
    expect_stopped("was moved or removed");
    EXPECT_FALSE(is_there("-wal"));
    EXPECT_TRUE(is_there(".old-wal"));
}

TEST_F(Moved, ASymbolicLinkToTheDatabaseIsNoMove) {
    world_.close();
    std::filesystem::create_directory(path(".elsewhere"));
    std::filesystem::rename(path(), path(".elsewhere/real.db"));
    std::filesystem::create_symlink(path(".elsewhere/real.db"), path());
    world_.open();
    EXPECT_TRUE(world_.add({make_new("linked")}).has_value());
    EXPECT_THAT(world_.facts().fatal, SizeIs(0));
    std::filesystem::remove(path());
    std::filesystem::create_symlink(path(".elsewhere/another.db"), path());
    expect_stopped("was moved or removed");
}

TEST_F(Moved, OneThatIsStillBeingCopiedIsTriedAgain) {
    for (int i = 0; i < 500; ++i) world_.add({make_new("t" + std::to_string(i))}).value();
    const auto saved = back_up();
    move("", ".before");
    expect_stopped("was moved or removed");
    std::filesystem::copy_file(saved, path());
    std::filesystem::resize_file(path(), std::filesystem::file_size(saved) / 3);
    EXPECT_EQ(refused_start().first, 75);
    std::filesystem::copy_file(saved, path(), std::filesystem::copy_options::overwrite_existing);
    EXPECT_TRUE(world_.knows(make_id("t499")));
}

TEST_F(Moved, SoIsTheWriteAheadLogAndNothingOfItIsLost) {
    move("-wal", "-wal.before");
    expect_stopped("-wal was moved or removed");
    EXPECT_TRUE(world_.knows(make_id("before")));
}

TEST_F(Moved, SomebodyElsesWriteAheadLogIsLeftAlone) {
    move("", ".before");
    move("-wal", ".before-wal");
    std::ofstream(path("-wal")) << "theirs";
    expect_stopped("was moved or removed");
    EXPECT_TRUE(is_there("-wal"));
}

TEST_F(Moved, OneThatIsOverwrittenInPlaceIsNotMixedWithTheOldLog) {
    const auto saved = back_up();
    world_.add({make_new("since")}).value();
    std::filesystem::copy_file(saved, path(), std::filesystem::copy_options::overwrite_existing);
    expect_stopped("was overwritten");
    EXPECT_TRUE(is_there(".old-wal"));
    EXPECT_TRUE(world_.knows(make_id("before")));
    EXPECT_FALSE(world_.knows(make_id("since")));
    db_connection restored(saved, "");
    EXPECT_EQ(restored.ask_text(R"sql(PRAGMA integrity_check)sql"), "ok");
}

TEST_F(Moved, OverwrittenAndStoppedAtOnceItIsNotMixedEither) {
    const auto saved = back_up();
    world_.add({make_new("since")}).value();
    std::filesystem::copy_file(saved, path(), std::filesystem::copy_options::overwrite_existing);
    world_.close();
    EXPECT_TRUE(world_.knows(make_id("before")));
    EXPECT_FALSE(world_.knows(make_id("since")));
}

TEST_F(Moved, ANewTimeOrNewRightsAreNoNewFile) {
    std::filesystem::last_write_time(path(), std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
    std::filesystem::permissions(path(), std::filesystem::perms::owner_all);
    EXPECT_TRUE(world_.add({make_new("after")}).has_value());
    EXPECT_THAT(world_.facts().fatal, SizeIs(0));
}

TEST_F(Moved, AnIdleStoreNoticesByItself) {
    move("", ".before");
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (world_.facts().fatal.empty() && std::chrono::steady_clock::now() < until) {
        world_.loop().restart();
        const auto work = boost::asio::make_work_guard(world_.loop());
        world_.loop().run_one_for(std::chrono::milliseconds(100));
    }
    EXPECT_THAT(world_.facts().fatal, SizeIs(1));
}

TEST_F(Moved, NoEmptyDatabaseTakesThePlaceOfOneThatIsBeingReplaced) {
    const auto saved = back_up();
    move("", ".before");
    expect_stopped("was moved or removed");
    auto [status, why] = refused_start();
    EXPECT_EQ(status, 75);
    EXPECT_THAT(why, HasSubstr("Put it back"));
    EXPECT_FALSE(is_there("")) << "whoever copies one there now must not write into ours";
    std::ofstream(path()).close(); // cp has just begun
    EXPECT_EQ(refused_start().first, 75);
    std::filesystem::copy_file(saved, path(), std::filesystem::copy_options::overwrite_existing);
    EXPECT_TRUE(world_.knows(make_id("before")));
    world_.close();
    std::filesystem::remove(path()); // of a stopped one: an empty database is what is wanted
    EXPECT_EQ(refused_start().first, 0);
}

TEST_F(Moved, TheWayToAnEmptyDatabaseThatTheMessageNamesWorks) {
    std::filesystem::remove(path());
    expect_stopped("was moved or removed");
    EXPECT_THAT(refused_start().second, HasSubstr("remove " + path(".lock").string()));
    std::filesystem::remove(path(".lock"));
    EXPECT_FALSE(world_.knows(make_id("before")));
}

TEST(Restored, EachTimeUnderAnotherLogAlsoFromTheSameBackup) {
    store_world world;
    world.add({make_new("a")}).value();
    std::set<std::string> logs{world.status().log_id};
    const auto saved = world.path().string() + ".saved";
    std::filesystem::rename(world.backup().value().path, saved);
    for (int i = 0; i < 3; ++i) {
        world.close();
        std::filesystem::copy_file(saved, world.path(), std::filesystem::copy_options::overwrite_existing);
        const std::string log = world.status().log_id;
        EXPECT_EQ(log.size(), 16U);
        EXPECT_TRUE(logs.insert(log).second) << "readers that knew it would miss what comes now";
        world.reopen();
        EXPECT_EQ(world.status().log_id, log) << "and stays";
    }
}

} // namespace
} // namespace prooftrack::store
