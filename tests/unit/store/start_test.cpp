// The start: directory, lock, marks, versions, damage.

#include <fstream>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/connection.hpp"
#include "store/disk_space.hpp"
#include "store/lock_file.hpp"
#include "store/migrations.hpp"
#include "store/open_database.hpp"
#include "support/store_world.hpp"

namespace prooftrack::store {
namespace {

/// Of the copy that is made before this schema is changed.
const std::string copy_suffix = fmt::format(".v{}.bak", schema_version);

using testing::AllOf;
using testing::HasSubstr;

/// Exit status and message of a start that fails; {0, ""} when it works.
std::pair<int, std::string> try_open(store_world& world) {
    try {
        world.open();
    } catch (const store_start_error& error) {
        return {error.exit_status(), error.what()};
    }
    world.close();
    return {0, ""};
}

unsigned mode_of(const std::filesystem::path& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777U : 0U;
}

void edit(const std::filesystem::path& path, const std::string& sql) {
    db_connection db(path, "");
    db.execute(sql);
    db.close();
}

std::string bytes_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Start, MakesADirectoryAndFilesThatOnlyTheOwnerCanRead) {
    store_world world;
    world.add({make_new("a")}).value();
    EXPECT_EQ(mode_of(world.path().parent_path()), 0700U);
    EXPECT_EQ(mode_of(world.path()), 0600U);
    EXPECT_EQ(mode_of(world.path().string() + "-wal"), 0600U);
    EXPECT_EQ(mode_of(world.path().string() + ".lock"), 0600U);
    EXPECT_FALSE(std::filesystem::exists(world.path().string() + "-shm"));
    world.close();
    std::filesystem::permissions(world.path(), std::filesystem::perms(0644));
    world.open();
    EXPECT_EQ(mode_of(world.path()), 0600U);
}

TEST(Start, AMissingDirectoryAboveIs75) {
    boost::asio::io_context loop;
    recorded_store_facts facts;
    temporary_directory directory;
    try {
        make_sqlite_store(loop.get_executor(), {directory.path() / "a" / "b" / "x.db", 1, ""}, facts);
        FAIL();
    } catch (const store_start_error& error) {
        EXPECT_EQ(error.exit_status(), 75);
        EXPECT_THAT(error.what(), HasSubstr("a/b"));
    }
}

TEST(Start, ADirectoryThatCannotBeWrittenIs75) {
    if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
    store_world world;
    world.open();
    world.close();
    std::filesystem::permissions(world.path(), std::filesystem::perms(0400));
    EXPECT_EQ(try_open(world).first, 75);
}

TEST(Start, ASecondDaemonIs75AndNamesTheHolder) {
    store_world world;
    world.open();
    boost::asio::io_context loop;
    recorded_store_facts facts;
    try {
        make_sqlite_store(loop.get_executor(), {world.path(), 1, ""}, facts);
        FAIL();
    } catch (const store_start_error& error) {
        EXPECT_EQ(error.exit_status(), 75);
        EXPECT_THAT(error.what(), HasSubstr("pid " + std::to_string(::getpid())));
    }
    world.add({make_new("a")}).value(); // the first one is not disturbed
    world.close();
    EXPECT_EQ(try_open(world).first, 0);
}

TEST(Start, AnotherProgramThatHasTheDatabaseOpenIs75) {
    store_world world;
    world.open();
    world.close();
    // Another process: locks of the same one do not count against each other.
    int ready[2];
    int done[2];
    ASSERT_EQ(::pipe(ready), 0);
    ASSERT_EQ(::pipe(done), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        char byte = 0;
        {
            db_connection db(world.path(), "");
            db.execute(R"sql(PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE)sql");
            if (::write(ready[1], "r", 1) != 1) ::_exit(1);
            if (::read(done[0], &byte, 1) < 0) ::_exit(1);
        }
        ::_exit(0);
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    const auto [status, what] = try_open(world);
    EXPECT_EQ(status, 75) << what;
    EXPECT_THAT(what, HasSubstr("another program"));
    ASSERT_EQ(::write(done[1], "d", 1), 1);
    int ended = 0;
    ASSERT_EQ(::waitpid(child, &ended, 0), child);
    for (const int each : {ready[0], ready[1], done[0], done[1]}) ::close(each);
    EXPECT_EQ(try_open(world).first, 0);
}

TEST(Start, SettingsAreWhatTheyShouldBe) {
    store_world world;
    world.open();
    world.close();
    lock_file lock(world.path());
    store_options options{world.path(), 1, ""};
    const auto opened = open_database(options, lock);
    db_connection& db = *opened->connection;
    EXPECT_EQ(db.ask_text(R"sql(PRAGMA locking_mode)sql"), "exclusive");
    EXPECT_EQ(db.ask_text(R"sql(PRAGMA journal_mode)sql"), "wal");
    EXPECT_EQ(db.ask_integer(R"sql(PRAGMA synchronous)sql"), 2);
    EXPECT_EQ(db.ask_integer(R"sql(PRAGMA foreign_keys)sql"), 1);
    EXPECT_EQ(db.ask_integer(R"sql(PRAGMA trusted_schema)sql"), 0);
    EXPECT_EQ(db.ask_integer(R"sql(PRAGMA secure_delete)sql"), 0);
    EXPECT_EQ(db.ask_integer(R"sql(PRAGMA wal_autocheckpoint)sql"), 0);
    EXPECT_EQ(db.ask_integer(R"sql(PRAGMA application_id)sql"), application_id);
    EXPECT_EQ(db.ask_integer(R"sql(PRAGMA user_version)sql"), schema_version);
    const std::string tables_that_are_not_strict = R"sql(
        SELECT count(*)
        FROM pragma_table_list
        WHERE schema = 'main'
          AND type = 'table'
          AND strict = 0
          AND name NOT LIKE 'sqlite_%'
    )sql";
    EXPECT_EQ(db.ask_integer(tables_that_are_not_strict), 0);
    const std::string write_schema = R"sql(
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = '';
    )sql";
    EXPECT_THROW(db.execute(write_schema), sqlite_error); // DEFENSIVE
}

TEST(Start, AFileThatIsNoDatabaseIs65AndStaysAsItIs) {
    store_world world;
    world.open();
    world.close();
    std::ofstream(world.path(), std::ios::trunc) << std::string(10'000, 'x');
    const auto [status, what] = try_open(world);
    EXPECT_EQ(status, 65);
    EXPECT_THAT(what, AllOf(HasSubstr("damaged"), HasSubstr("prooftrackctl backup"), HasSubstr(world.path().string())));
    EXPECT_EQ(bytes_of(world.path()), std::string(10'000, 'x'));
}

TEST(Start, AForeignDatabaseIs65AndStaysAsItIs) {
    store_world world;
    std::filesystem::create_directory(world.path().parent_path());
    edit(world.path(), R"sql(
        CREATE TABLE theirs (a);
        INSERT INTO theirs VALUES (1);
    )sql");
    const std::string before = bytes_of(world.path());
    const auto [status, what] = try_open(world);
    EXPECT_EQ(status, 65);
    EXPECT_THAT(what, HasSubstr("not a database of prooftrackd"));
    EXPECT_EQ(bytes_of(world.path()), before);
}

TEST(Start, ANewerSchemaIs65WithTheCommandsForTheWayBack) {
    store_world world;
    world.open();
    world.close();
    edit(world.path(), R"sql(PRAGMA user_version = 9)sql");
    const std::string before = bytes_of(world.path());
    const auto [status, what] = try_open(world);
    EXPECT_EQ(status, 65);
    EXPECT_THAT(what, AllOf(HasSubstr("schema 9"), HasSubstr("cp " + world.path().string() + copy_suffix)));
    EXPECT_EQ(bytes_of(world.path()), before);
}

/// Under systemd a client that asks starts the service between `mv` and `cp`, again and again.
TEST(Start, NoEmptyDatabaseTakesThePlaceOfOneThatWasRefused) {
    store_world world;
    world.add({make_new("a")}).value();
    world.close();
    const std::filesystem::path saved = world.path().string() + ".saved";
    std::filesystem::copy_file(world.path(), saved);
    edit(world.path(), R"sql(DROP TABLE consumers)sql");
    EXPECT_EQ(try_open(world).first, 65);
    EXPECT_EQ(try_open(world).first, 65) << "as long as it stands there";
    std::filesystem::rename(world.path(), world.path().string() + ".damaged");
    const auto [status, what] = try_open(world);
    EXPECT_EQ(status, 75);
    EXPECT_THAT(what, HasSubstr("remove " + world.path().string() + ".lock"));
    EXPECT_FALSE(std::filesystem::exists(world.path()));
    std::ofstream(world.path()).close(); // cp has just begun
    EXPECT_EQ(try_open(world).first, 75);
    std::filesystem::copy_file(saved, world.path(), std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(world.path(), std::filesystem::file_size(saved) / 2);
    EXPECT_EQ(try_open(world).first, 75) << "half a copy is tried again";
    std::filesystem::copy_file(saved, world.path(), std::filesystem::copy_options::overwrite_existing);
    EXPECT_TRUE(world.knows(make_id("a")));
    world.close();
    std::filesystem::remove(world.path()); // of one that opened and was stopped: an empty database is what is wanted
    EXPECT_EQ(try_open(world).first, 0);
}

TEST(Start, NoEmptyDatabaseTakesThePlaceOfADoubtfulOne) {
    store_world world;
    world.open();
    world.close();
    {
        lock_file lock(world.path());
        ASSERT_TRUE(lock.mark());
    }
    std::filesystem::remove(world.path());
    EXPECT_EQ(try_open(world).first, 75);
    EXPECT_FALSE(std::filesystem::exists(world.path()));
}

TEST(Start, MissingTablesAndCountersThatDoNotFitAre65) {
    const char* const damages[] = {
        R"sql(DROP TABLE consumers)sql",
        R"sql(DROP INDEX deliveries_due)sql",
        R"sql(DELETE FROM counters)sql",
        R"sql(UPDATE counters SET next_event = 1)sql",
        R"sql(UPDATE counters SET next_transaction = 1)sql",
        R"sql(UPDATE counters SET first_event = 2, next_event = 3)sql",
    };
    for (const char* const damage : damages) {
        store_world world;
        world.add({make_new("a")}).value();
        world.record(make_settlement("a", 1, {})).value();
        world.close();
        edit(world.path(), damage);
        EXPECT_EQ(try_open(world).first, 65) << damage;
    }
}

TEST(Start, ADamagedPageIsFoundByTheCheckAfterAMark) {
    store_world world;
    std::vector<track::new_transaction> many;
    for (int i = 0; i < 1000; ++i) many.push_back(make_new("tx-" + std::to_string(i)));
    world.add(many).value();
    world.close();
    std::string bytes = bytes_of(world.path());
    for (std::size_t i = bytes.size() / 2; i < bytes.size() / 2 + 8192; ++i) bytes[i] = '\x5a';
    std::ofstream(world.path(), std::ios::binary | std::ios::trunc) << bytes;
    {
        lock_file lock(world.path());
        ASSERT_TRUE(lock.mark());
    }
    EXPECT_EQ(try_open(world).first, 65);
    EXPECT_EQ(bytes_of(world.path()), bytes);
    EXPECT_TRUE(lock_file(world.path()).is_marked()); // until it is repaired
}

TEST(Start, AMarkedDatabaseIsWrittenAnewAndTheMarkCleared) {
    store_world world;
    world.add({make_new("a")}).value();
    world.record(make_settlement("a", 1, {"backend"})).value();
    const std::string log_id = world.status().log_id;
    world.close();
    struct stat before {};
    ::stat(world.path().c_str(), &before);
    {
        lock_file lock(world.path());
        ASSERT_TRUE(lock.mark());
    }
    world.open();
    struct stat after {};
    ::stat(world.path().c_str(), &after);
    EXPECT_NE(before.st_ino, after.st_ino);
    EXPECT_EQ(mode_of(world.path()), 0600U);
    EXPECT_EQ(world.events().events.size(), 1U);
    EXPECT_EQ(world.status().log_id, log_id); // the same log goes on
    world.close();
    EXPECT_FALSE(lock_file(world.path()).is_marked());
}

TEST(Start, LeftoversOfCopiesAreRemovedAndNothingElse) {
    store_world world;
    world.open();
    world.close();
    const std::string path = world.path().string();
    for (const char* const suffix : {".backup-0123", ".rewrite", ".v1.bak.part", ".v1.bak", ".damaged", ".old"})
        std::ofstream(path + suffix) << "x";
    world.open();
    EXPECT_FALSE(std::filesystem::exists(path + ".backup-0123"));
    EXPECT_FALSE(std::filesystem::exists(path + ".rewrite"));
    EXPECT_FALSE(std::filesystem::exists(path + ".v1.bak.part"));
    EXPECT_TRUE(std::filesystem::exists(path + ".v1.bak"));
    EXPECT_TRUE(std::filesystem::exists(path + ".damaged"));
    EXPECT_TRUE(std::filesystem::exists(path + ".old"));
}

TEST(Start, NetworkFileSystemsAreKnown) {
    for (const long magic : {0x6969L, 0x517BL, 0xFF534D42L, 0xFE534D42L, 0x01021997L})
        EXPECT_TRUE(is_network_file_system(magic, "")) << magic;
    EXPECT_TRUE(is_network_file_system(static_cast<int>(0xFF534D42), "")); // a signed f_type
    EXPECT_TRUE(is_network_file_system(0x65735546L, "fuse.sshfs"));
    EXPECT_FALSE(is_network_file_system(0x65735546L, "fuse.mergerfs"));
    for (const long magic : {0xEF53L, 0x58465342L, 0x9123683EL, 0x01021994L, 0x794c7630L})
        EXPECT_FALSE(is_network_file_system(magic, "ext4")) << magic;
}

TEST(Start, TheLogIdStaysAndTheBaseUrlIsRemembered) {
    store_world world;
    const std::string log_id = world.status().log_id;
    EXPECT_EQ(log_id.size(), 16U);
    const auto remember = [&](const std::string& url) {
        return world
            .ask<std::string>([&](store& subject, auto handler) { subject.remember_base_url(url, std::move(handler)); })
            .value();
    };
    EXPECT_EQ(remember("https://a"), "");
    world.reopen();
    EXPECT_EQ(remember("https://b"), "https://a");
    EXPECT_EQ(remember("https://b"), "https://b");
    EXPECT_EQ(world.status().log_id, log_id);
}

constexpr migration to_the_next[] = {{schema_version, R"sql(
    CREATE TABLE more (a INTEGER) STRICT;
    INSERT INTO more SELECT count(*) FROM transactions;
)sql"}};

TEST(Migrations, AnOlderSchemaIsCopiedAndThenBroughtForward) {
    store_world world;
    world.add({make_new("a")}).value();
    const std::string log_id = world.status().log_id;
    world.close();
    {
        db_connection db(world.path(), "");
        migrate(db, world.path(), "", to_the_next, schema_version + 1, "00000000feedbeef");
        EXPECT_EQ(db.ask_integer(R"sql(PRAGMA user_version)sql"), schema_version + 1);
        EXPECT_EQ(db.ask_integer(R"sql(SELECT a FROM more)sql"), 1);
    }
    const std::filesystem::path copy = world.path().string() + copy_suffix;
    EXPECT_EQ(mode_of(copy), 0600U);
    db_connection db(copy, "");
    EXPECT_EQ(db.ask_integer(R"sql(PRAGMA user_version)sql"), schema_version);
    EXPECT_EQ(
        db.ask_text(R"sql(SELECT log_id FROM counters)sql"),
        "copy-00000000feedbeef"); // going back makes another log
    EXPECT_EQ(db.ask_integer(R"sql(SELECT count(*) FROM transactions)sql"), 1);
}

TEST(Migrations, TheWayBackOfTheMessageWorks) {
    store_world world;
    world.add({make_new("a")}).value();
    const std::string log_id = world.status().log_id;
    world.close();
    {
        db_connection db(world.path(), "");
        migrate(db, world.path(), "", to_the_next, schema_version + 1, "00000000feedbeef");
        db.close();
    }
    ASSERT_EQ(try_open(world).first, 65);
    const std::string path = world.path().string();
    std::filesystem::rename(path, path + ".newer");
    std::filesystem::copy_file(path + copy_suffix, path);
    EXPECT_TRUE(world.knows(make_id("a")));
    EXPECT_NE(world.status().log_id, log_id);
    EXPECT_EQ(world.status().log_id.size(), 16U);
}

TEST(Migrations, WithoutSpaceForTheCopyNothingIsChanged) {
    store_world world;
    world.add({make_new("a")}).value();
    world.close();
    const std::string before = bytes_of(world.path());
    // A hole behind the last page that is as large as the free room: a copy would not fit.
    const auto size = std::filesystem::file_size(world.path());
    std::filesystem::resize_file(world.path(), size + measure_disk(world.path()).free_bytes);
    try {
        lock_file lock(world.path());
        open_database({world.path(), 1, ""}, lock, to_the_next, schema_version + 1);
        ADD_FAILURE() << "it was changed";
    } catch (const store_start_error& error) {
        EXPECT_EQ(error.exit_status(), 75);
        EXPECT_THAT(
            error.what(), AllOf(HasSubstr("no room"), HasSubstr(copy_suffix), HasSubstr("nothing was changed")));
    }
    std::filesystem::resize_file(world.path(), size);
    EXPECT_EQ(bytes_of(world.path()), before);
    EXPECT_FALSE(std::filesystem::exists(world.path().string() + copy_suffix));
    EXPECT_FALSE(std::filesystem::exists(world.path().string() + copy_suffix + ".part"));
    EXPECT_TRUE(world.knows(make_id("a")));
}

TEST(Migrations, AStepThatFailsChangesNothing) {
    constexpr migration broken[] = {{schema_version, R"sql(
        CREATE TABLE more (a INTEGER) STRICT;
        SELECT nonsense FROM nowhere;
    )sql"}};
    store_world world;
    world.open();
    world.close();
    {
        db_connection db(world.path(), "");
        EXPECT_THROW(migrate(db, world.path(), "", broken, schema_version + 1, "0"), sqlite_error);
        EXPECT_THROW(migrate(db, world.path(), "", {}, schema_version + 1, "0"), sqlite_error);
        EXPECT_EQ(db.ask_integer(R"sql(PRAGMA user_version)sql"), schema_version);
        EXPECT_EQ(db.ask_integer(R"sql(SELECT count(*) FROM sqlite_schema WHERE name = 'more')sql"), 0);
        db.close();
    }
    EXPECT_EQ(try_open(world).first, 0);
}

} // namespace
} // namespace prooftrack::store
