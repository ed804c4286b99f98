// The power is cut at every sync of a scripted life; whatever the disk then holds, the store opens and keeps its
// promises.

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "store/connection.hpp"
#include "support/power_loss_vfs.hpp"
#include "support/store_workload.hpp"

namespace prooftrack::store {
namespace {

constexpr int waves = 40;

/// More of each for a long run: PROOFTRACK_CUT_SEEDS=100.
std::uint64_t seeds_to_try() {
    const char* const wanted = std::getenv("PROOFTRACK_CUT_SEEDS");
    return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 1;
}

std::string quick_check(const std::filesystem::path& path, const std::string& vfs) {
    db_connection db(path, vfs);
    db.execute(R"sql(PRAGMA locking_mode = EXCLUSIVE)sql");
    return db.ask_text(R"sql(PRAGMA quick_check)sql");
}

/// How many syncs (or writes) the life of this seed makes when nothing is cut.
struct span_of_life {
    std::uint64_t syncs = 0;
    std::uint64_t writes = 0;
};
span_of_life measure(std::uint64_t seed) {
    power_loss_disk disk("power-loss");
    store_world world("power-loss");
    store_workload life(seed);
    for (int i = 0; i < waves; ++i) life.run_wave(world);
    world.close();
    return {disk.syncs(), disk.writes()};
}

/// One life that is cut; returns what was lost or wrong.
template <class Plan>
std::vector<std::string> cut_once(std::uint64_t seed, std::uint64_t after, Plan plan) {
    power_loss_disk disk("power-loss");
    store_world world("power-loss");
    store_workload life(seed);
    plan(disk);
    try {
        for (int i = 0; i < waves && life.run_wave(world); ++i) {
        }
        world.close();
    } catch (const store_start_error&) {
        // The cut came while the database was made.
    }
    world.drop();
    // A machine without power writes no mark.
    std::filesystem::remove(world.path().string() + ".lock");
    disk.restore(after);
    std::vector<std::string> wrong;
    const std::string verdict = quick_check(world.path(), "power-loss");
    if (verdict != "ok") wrong.push_back("quick_check: " + verdict);
    for (std::string& each : life.check(world)) wrong.push_back(std::move(each));
    if (!life.run_wave(world)) wrong.emplace_back("it does not go on");
    world.close();
    return wrong;
}

TEST(PowerLoss, NothingIsLostWithoutACut) {
    power_loss_disk disk("power-loss");
    store_world world("power-loss");
    store_workload life(1);
    for (int i = 0; i < 2 * waves; ++i) ASSERT_TRUE(life.run_wave(world));
    EXPECT_EQ(life.check(world), std::vector<std::string>());
    world.reopen();
    EXPECT_EQ(life.check(world), std::vector<std::string>());
    EXPECT_GT(life.acknowledged_adds(), 100U);
    EXPECT_GT(life.acknowledged_events(), 50U);
    EXPECT_GT(life.acknowledged_attempts(), 20U);
    world.close();
}

TEST(PowerLoss, ACutAtEverySyncLosesNothingThatWasAcknowledged) {
    std::uint64_t cuts = 0;
    for (std::uint64_t seed = 1; seed <= seeds_to_try(); ++seed) {
        const std::uint64_t syncs = measure(seed).syncs;
        ASSERT_GT(syncs, 30U);
        for (std::uint64_t n = 1; n <= syncs; ++n) {
            for (const auto when : {power_loss_disk::moment::before, power_loss_disk::moment::after}) {
                const auto wrong =
                    cut_once(seed, seed * 1000 + n, [&](power_loss_disk& disk) { disk.cut_at_sync(n, when); });
                ASSERT_EQ(wrong, std::vector<std::string>())
                    << "seed " << seed << ", sync " << n
                    << (when == power_loss_disk::moment::before ? " before" : " after");
                ++cuts;
            }
        }
    }
    RecordProperty("cuts", static_cast<int>(cuts));
}

TEST(PowerLoss, ACutInTheMiddleOfWritingLosesNothingThatWasAcknowledged) {
    for (std::uint64_t seed = 1; seed <= seeds_to_try(); ++seed) {
        const std::uint64_t writes = measure(seed).writes;
        const std::uint64_t step = std::max<std::uint64_t>(1, writes / 60);
        for (std::uint64_t n = 1; n <= writes; n += step) {
            const auto wrong = cut_once(seed, seed * 7919 + n, [&](power_loss_disk& disk) { disk.cut_at_write(n); });
            ASSERT_EQ(wrong, std::vector<std::string>()) << "seed " << seed << ", write " << n;
        }
    }
}

} // namespace
} // namespace prooftrack::store
