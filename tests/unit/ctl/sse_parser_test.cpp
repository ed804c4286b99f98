#include <gtest/gtest.h>

#include <vector>

#include "prooftrackctl/sse_parser.hpp"

namespace prooftrack::ctl {
namespace {

struct seen {
    std::string id;
    std::string type;
    std::string data;
    bool operator==(const seen&) const = default;
};

const std::string script =
    ": hello\n\nid: 1\ndata: {\"a\":1}\n\n: heartbeat\r\n\r\nid:2\r\nevent: x\r\ndata: one\r\ndata:two\r\n\r\n"
    "data\n\nid: 3\rdata: last\r\rignored: y\n\nid: 4\ndata: unfinished\n";
const std::vector<seen> expected{{"1", "", "{\"a\":1}"}, {"2", "x", "one\ntwo"}, {"2", "", ""}, {"3", "", "last"}};

std::vector<seen> parse(const std::vector<std::string_view>& pieces) {
    std::vector<seen> events;
    sse_parser parser([&events](const sse_event& event) { events.push_back({event.id, event.type, event.data}); });
    for (const std::string_view piece : pieces) EXPECT_TRUE(parser.take(piece));
    return events;
}

TEST(SseParser, SplitAnywhereGivesTheSameEvents) {
    EXPECT_EQ(parse({script}), expected);
    const std::string_view text = script;
    for (std::size_t first = 0; first <= text.size(); ++first) {
        for (std::size_t second = first; second <= text.size(); ++second) {
            ASSERT_EQ(parse({text.substr(0, first), text.substr(first, second - first), text.substr(second)}), expected)
                << first << " " << second;
        }
    }
}

TEST(SseParser, RestartForgetsTheHalfEventAndKeepsTheId) {
    std::vector<seen> events;
    sse_parser parser([&events](const sse_event& event) { events.push_back({event.id, event.type, event.data}); });
    parser.take("id: 7\ndata: a\n\ndata: half");
    parser.restart();
    parser.take("data: b\n\n");
    const std::vector<seen> want{{"7", "", "a"}, {"7", "", "b"}};
    EXPECT_EQ(events, want);
}

TEST(SseParser, AnEndlessEventIsRefusedWithBoundedMemory) {
    int events = 0;
    sse_parser parser([&events](const sse_event&) { ++events; });
    const std::string piece(1024, 'x');
    parser.take("data: ");
    std::size_t taken = 0;
    while (parser.take(piece) && taken <= 2 * sse_parser::max_event) taken += piece.size();
    EXPECT_LE(taken, sse_parser::max_event);
    EXPECT_FALSE(parser.take("\n\n"));
    EXPECT_EQ(events, 0);
}

} // namespace
} // namespace prooftrack::ctl
