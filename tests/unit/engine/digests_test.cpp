// Hashes by which requests are compared and secrets told apart.

#include "engine/digests.hpp"

#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/secret_view.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;

std::string hex(const store::digest& bytes) {
    std::string text;
    for (const std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
    return text;
}

TEST(Digests, Sha256IsThatOfItsStandard) { // FIPS 180-2, appendix B.1
    EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

api::tracking_options options(std::optional<std::string> url, std::string metadata) {
    api::tracking_options made;
    made.callback_url = std::move(url);
    made.metadata_canonical = std::move(metadata);
    return made;
}

TEST(Digests, TheSameOptionsHaveTheSameDigestHoweverTheyWereWritten) {
    api::tracking_options spaced = options("https://shop.example/", R"({"a":1})");
    spaced.metadata = R"({ "a": 1.0 })";
    spaced.overdue_after = 24h; // after defaults: what counts is the argument
    EXPECT_EQ(options_digest(spaced, 24h), options_digest(options("https://shop.example/", R"({"a":1})"), 24h));
}

TEST(Digests, EachOptionCountsAndNoTwoRunIntoEachOther) {
    const std::vector<std::pair<api::tracking_options, milliseconds>> different{
        {options(std::nullopt, "{}"), 1h},         {options(std::nullopt, "{}"), 2h},
        {options(std::nullopt, R"({"a":1})"), 1h}, {options("", "{}"), 1h},
        {options("https://a/", "{}"), 1h},         {options("https://a/ 2:{}", "{}"), 1h},
        {options("https://a/", "{} 2:{}"), 1h},    {options("n", "{}"), 1h}};
    std::set<store::digest> seen;
    for (const auto& [one, overdue_after] : different) seen.insert(options_digest(one, overdue_after));
    EXPECT_EQ(seen.size(), different.size());
}

/// Databases hold these digests: another one would make each tracked id a conflict.
TEST(Digests, AnOptionsDigestStaysTheSameOverVersions) {
    // printf 'v1 86400000 n 2:{}' | sha256sum
    EXPECT_EQ(options_digest(options(std::nullopt, "{}"), 24h), sha256("v1 86400000 n 2:{}"));
    EXPECT_EQ(options_digest(options("https://a/", "{}"), 1s), sha256("v1 1000 u10:https://a/ 2:{}"));
}

TEST(SecretView, AFingerprintIsTheFirstTwelveDigitsOfTheTextsHash) {
    EXPECT_EQ(fingerprint_of(secret("abc")), "ba7816bf8f01");
    EXPECT_EQ(fingerprint_of(secret("")), "e3b0c44298fc");
    EXPECT_EQ(fingerprint_of(secret("new-token")), "348e9df2a42b"); // with leading zeros kept, always 12 digits
    for (int i = 0; i < 100; ++i) EXPECT_EQ(fingerprint_of(secret(std::to_string(i))).size(), 12U);
}

TEST(SecretView, FingerprintsAreJoinedInTheirOrder) {
    EXPECT_EQ(join_fingerprints({}), "");
    EXPECT_EQ(join_fingerprints({"one"}), "one");
    EXPECT_EQ(join_fingerprints({"two", "one", "three"}), "two one three");
}

} // namespace
} // namespace prooftrack::engine
