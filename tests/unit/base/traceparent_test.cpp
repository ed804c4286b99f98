#include "base/traceparent.hpp"

#include <string>

#include <gtest/gtest.h>

namespace prooftrack {
namespace {

const std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

std::string with(std::size_t at, char c) {
    std::string changed = good;
    changed.at(at) = c;
    return changed;
}

TEST(Traceparent, ThatIsValidIsKept) {
    EXPECT_EQ(read_traceparent(good), good);
    EXPECT_EQ(good.size(), traceparent_length);
    EXPECT_EQ(read_traceparent(with(54, '0')), with(54, '0'));
}

TEST(Traceparent, OnlyTheDefinedFlagsAreKept) {
    EXPECT_EQ(read_traceparent(good.substr(0, 53) + "ff"), good.substr(0, 53) + "03");
    EXPECT_EQ(read_traceparent(good.substr(0, 53) + "f4"), good.substr(0, 53) + "00");
}

TEST(Traceparent, OfALaterVersionIsReadByWhatBothHave) {
    EXPECT_EQ(read_traceparent("cc" + good.substr(2)), good);
    EXPECT_EQ(read_traceparent("cc" + good.substr(2) + "-what-the-future-brings"), good);
    EXPECT_EQ(read_traceparent("cc" + good.substr(2) + "-"), good);
    EXPECT_EQ(read_traceparent("cc" + good.substr(2) + ".x"), "");
    EXPECT_EQ(read_traceparent("ff" + good.substr(2)), "") << "forbidden";
}

TEST(Traceparent, AnythingElseIsNone) {
    EXPECT_EQ(read_traceparent(""), "");
    for (std::size_t length = 0; length < good.size(); ++length)
        EXPECT_EQ(read_traceparent(good.substr(0, length)), "") << length;
    EXPECT_EQ(read_traceparent(good + "-"), "") << "version 00 ends there";
    EXPECT_EQ(read_traceparent(good + " "), "");
    for (std::size_t at = 0; at < good.size(); ++at) {
        for (const char c : {'G', 'A', 'g', ' ', '\0', '/', ':', '`', '\xE9'})
            EXPECT_EQ(read_traceparent(with(at, c)), "") << at << " " << c;
    }
    EXPECT_EQ(read_traceparent("00-00000000000000000000000000000000-00f067aa0ba902b7-01"), "");
    EXPECT_EQ(read_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"), "");
}

TEST(Traceparent, TakesAnotherParent) {
    EXPECT_EQ(with_parent(good, "b7ad6b7169203331"), "00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-01");
    EXPECT_EQ(with_parent(good, "0000000000000000"), "");
    EXPECT_EQ(with_parent(good, "B7AD6B7169203331"), "");
    EXPECT_EQ(with_parent(good, "b7ad6b716920333"), "");
    EXPECT_EQ(with_parent(good, "b7ad6b71692033311"), "");
    EXPECT_EQ(with_parent("", "b7ad6b7169203331"), "");
    EXPECT_EQ(with_parent(good.substr(1), "b7ad6b7169203331"), "");
    EXPECT_EQ(with_parent("xx" + good.substr(2), "b7ad6b7169203331"), "");
}

} // namespace
} // namespace prooftrack
