#include <set>

#include <gtest/gtest.h>

#include "base/keyed_hash.hpp"

namespace prooftrack {
namespace {

// What CPython's siphash13 gives for these bytes with a key of zeros (PYTHONHASHSEED=0).
TEST(KeyedHash, IsSipHashOneThree) {
    const hash_key zeros{0, 0};
    EXPECT_EQ(keyed_hash(zeros, "a"), 0x407448d2b89b1813U);
    EXPECT_EQ(keyed_hash(zeros, "12345678"), 0x3489982430560a87U);
    EXPECT_EQ(keyed_hash(zeros, "550e8400-e29b-41d4-a716-446655440000"), 0x8f008d348098d093U);
}

TEST(KeyedHash, DependsOnEveryByteTheLengthAndBothHalvesOfTheKey) {
    const hash_key key{1, 2};
    std::set<std::uint64_t> seen;
    std::string text(40, '\0');
    for (std::size_t length = 0; length <= text.size(); ++length) {
        EXPECT_TRUE(seen.insert(keyed_hash(key, std::string_view(text).substr(0, length))).second);
    }
    for (char& byte : text) {
        byte = 1;
        EXPECT_TRUE(seen.insert(keyed_hash(key, text)).second);
        byte = 0;
    }
    EXPECT_TRUE(seen.insert(keyed_hash({1, 3}, text)).second);
    EXPECT_TRUE(seen.insert(keyed_hash({2, 2}, text)).second);
}

TEST(KeyedHash, AContainerKeepsTheKeyItWasMadeWith) {
    const hash_key before = process_hash_key();
    const keyed_string_hash old;
    const std::size_t hash = old("x");
    set_process_hash_key({before.first + 1, before.second});
    EXPECT_EQ(old("x"), hash);
    EXPECT_NE(keyed_string_hash()("x"), hash);
    set_process_hash_key(before);
}

} // namespace
} // namespace prooftrack
