#include "proof/body_hash.hpp"

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace prooftrack::proof {
namespace {

RC_GTEST_PROP(BodyHash, IsTheSameForTheSameBytesAndSeed, (const std::string& body, std::uint64_t seed)) {
    const std::vector<char> elsewhere(body.begin(), body.end());
    RC_ASSERT(hash_body(body, seed) == hash_body(std::string_view(elsewhere.data(), elsewhere.size()), seed));
    RC_ASSERT(hash_body(body, seed) != 0);
}

TEST(BodyHash, DistinguishesEverySingleChangedByteOfAReply) {
    const std::string body = R"({"merchant_transaction_id":"550e8400-e29b-41d4-a716-446655440000","status":"pending"})";
    std::set<std::uint64_t> seen{hash_body(body, 7)};
    for (std::size_t i = 0; i < body.size(); ++i) {
        for (const int change : {1, 2, 128}) {
            std::string other = body;
            other[i] = static_cast<char>(other[i] ^ change);
            EXPECT_TRUE(seen.insert(hash_body(other, 7)).second) << i;
        }
    }
}

TEST(BodyHash, DistinguishesLengthsOfZeroBytes) {
    std::set<std::uint64_t> seen;
    for (std::size_t size = 0; size < 200; ++size)
        EXPECT_TRUE(seen.insert(hash_body(std::string(size, '\0'), 7)).second) << size;
}

TEST(BodyHash, DependsOnTheSeed) {
    std::set<std::uint64_t> seen;
    for (std::uint64_t seed = 0; seed < 1000; ++seed) EXPECT_TRUE(seen.insert(hash_body("{}", seed)).second);
}

} // namespace
} // namespace prooftrack::proof
