#include <ostream>
#include <stdexcept>
#include <type_traits>

#include <gtest/gtest.h>

#include "base/ids.hpp"
#include "base/random.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "base/unique_function.hpp"

namespace prooftrack {
namespace {

TEST(Time, IsWrittenAsRfc3339WithMilliseconds) {
    EXPECT_EQ(format_wall_time(wall_time(milliseconds(1'775'037'825'120))), "2026-04-01T10:03:45.120Z");
    EXPECT_EQ(format_wall_time(wall_time(milliseconds(-1))), "1969-12-31T23:59:59.999Z");
}

TEST(Time, IsReadWithAnyOffsetAndFraction) {
    const wall_time expected(milliseconds(1'775'037'825'120));
    EXPECT_EQ(parse_wall_time("2026-04-01T10:03:45.120Z"), expected);
    EXPECT_EQ(parse_wall_time("2026-04-01T12:03:45.12+02:00"), expected);
    EXPECT_EQ(parse_wall_time("2026-04-01T05:33:45.120999-04:30"), expected);
    EXPECT_EQ(parse_wall_time("2026-04-01 10:03:45Z"), expected - milliseconds(120));
}

TEST(Time, RefusesWhatIsNotATime) {
    for (const char* wrong :
         {"", "2026", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-04-01T24:00:00Z", "2026-04-01T10:03:45",
          "2026-04-01T10:03:45.Z", "2026-04-01T10:03:45Zx", "2026-04-01T10:03:45+24:00", "2026-4-1T10:03:45Z"}) {
        EXPECT_EQ(parse_wall_time(wrong), std::nullopt) << wrong;
    }
}

TEST(Duration, NeedsANumberAndAUnit) {
    EXPECT_EQ(parse_duration("250ms"), milliseconds(250));
    EXPECT_EQ(parse_duration("5s"), milliseconds(5'000));
    EXPECT_EQ(parse_duration("10m"), std::chrono::minutes(10));
    EXPECT_EQ(parse_duration("24h"), std::chrono::hours(24));
    EXPECT_EQ(parse_duration("7d"), std::chrono::days(7));
    EXPECT_EQ(parse_duration("0s"), milliseconds(0));
    for (const char* wrong :
         {"", "5", "s", "-5s", "5 s", "1.5s", "5S", "5w", "3651d", "99999999999999999999s", "9223372036854775807d"}) {
        EXPECT_EQ(parse_duration(wrong), std::nullopt) << wrong;
    }
    EXPECT_EQ(parse_duration("3650d"), std::chrono::days(3650));
}

TEST(Duration, IsWrittenInItsLargestWholeUnit) {
    EXPECT_EQ(format_duration(std::chrono::hours(24)), "1d");
    EXPECT_EQ(format_duration(seconds(90)), "90s");
    EXPECT_EQ(format_duration(milliseconds(1'500)), "1500ms");
    EXPECT_EQ(format_duration(milliseconds(0)), "0s");
}

TEST(TransactionId, IsSafeInAPath) {
    EXPECT_TRUE(transaction_id::parse("550e8400-e29b-41d4-a716-446655440000"));
    EXPECT_TRUE(transaction_id::parse("03b22d25d523a5285"));
    EXPECT_TRUE(transaction_id::parse("a._~-Z"));
    EXPECT_TRUE(transaction_id::parse(std::string(128, 'x')));
    for (const std::string& wrong :
         {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("a b"),
          std::string("\xC3\xA4"), std::string("a\0b", 3), std::string(129, 'x'), std::string("a%2F")}) {
        EXPECT_FALSE(transaction_id::parse(wrong)) << wrong;
    }
}

template <class T>
concept can_be_streamed = requires(std::ostream& out, const T& value) {
    out << value;
};

TEST(Secret, CannotBeFormattedAndLeavesNothingBehindWhenMoved) {
    static_assert(!std::is_convertible_v<secret, std::string>);
    static_assert(!can_be_streamed<secret>);
    secret first(std::string("a long enough secret to live on the heap"));
    const secret second = std::move(first);
    EXPECT_TRUE(first.empty()); // NOLINT(bugprone-use-after-move): that is the rule
    EXPECT_EQ(second.reveal(), "a long enough secret to live on the heap");
}

TEST(Random, RepeatsFromItsSeedAndStaysInItsBand) {
    random_source a(7);
    random_source b(7);
    for (int i = 0; i < 1'000; ++i) {
        EXPECT_EQ(a.next(), b.next());
        const auto drawn = a.between(-3, 4);
        EXPECT_GE(drawn, -3);
        EXPECT_LE(drawn, 4);
        b.between(-3, 4);
        EXPECT_LT(a.unit(), 1.0);
        b.unit();
    }
    EXPECT_EQ(a.between(5, 5), 5);
    EXPECT_EQ(a.between(5, 1), 5);
}

TEST(UniqueFunction, OwnsMoveOnlyStateAndIsEmptyAfterAMove) {
    auto owned = std::make_unique<int>(41);
    unique_function<int(int)> add([owned = std::move(owned)](int more) { return *owned + more; });
    unique_function<int(int)> moved = std::move(add);
    EXPECT_FALSE(add); // NOLINT(bugprone-use-after-move): that is the rule
    EXPECT_THROW(add(1), std::logic_error);
    ASSERT_TRUE(moved);
    EXPECT_EQ(moved(1), 42);
}

} // namespace
} // namespace prooftrack
