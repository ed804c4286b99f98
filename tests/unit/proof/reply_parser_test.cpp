#include "proof/reply_parser.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace prooftrack::proof {
namespace {

constexpr std::size_t max_body = 1000;

struct outcome {
    bool done = false;
    reply_fault fault = reply_fault::none;
    int status = 0;
    bool keep_alive = false;
    std::string body;
    std::string content_type;
    std::string request_id;
    std::size_t taken = 0;
    bool operator==(const outcome&) const = default;
};

void PrintTo(const outcome& value, std::ostream* out) {
    *out << "done=" << value.done << " fault=" << describe(value.fault) << " status=" << value.status
         << " keep_alive=" << value.keep_alive << " body='" << value.body << "' taken=" << value.taken;
}

/// Feeds the pieces; `ended` = the connection closed after them.
outcome parse_pieces(const std::vector<std::string>& pieces, bool ended = false) {
    reply_parser parser(max_body);
    outcome result;
    for (const std::string& piece : pieces) result.taken += parser.feed(piece);
    if (ended) parser.finish();
    if (!parser.done()) result.taken = 0; // says nothing: a wrong byte ends the reply wherever it was found
    result.done = parser.done();
    result.fault = parser.fault();
    result.status = parser.status();
    result.keep_alive = parser.keep_alive();
    result.body = parser.body();
    result.content_type = parser.content_type();
    result.request_id = parser.request_id();
    return result;
}

/// The same outcome in one piece, in two at every point, and byte by byte.
outcome parse(const std::string& text, bool ended = false) {
    outcome whole = parse_pieces({text}, ended);
    for (std::size_t split = 0; split <= text.size(); ++split) {
        const outcome halves = parse_pieces({text.substr(0, split), text.substr(split)}, ended);
        EXPECT_EQ(halves, whole) << "split at " << split;
        if (halves != whole) break;
    }
    std::vector<std::string> bytes;
    for (const char byte : text) bytes.emplace_back(1, byte);
    EXPECT_EQ(parse_pieces(bytes, ended), whole) << "byte by byte";
    return whole;
}

const std::string sized =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: req-1\r\nContent-Length: 5\r\n\r\nhello";

TEST(ReplyParser, ReadsASizedReply) {
    const outcome got = parse(sized);
    EXPECT_TRUE(got.done);
    EXPECT_EQ(got.status, 200);
    EXPECT_TRUE(got.keep_alive);
    EXPECT_EQ(got.body, "hello");
    EXPECT_EQ(got.content_type, "application/json");
    EXPECT_EQ(got.request_id, "req-1");
}

TEST(ReplyParser, LeavesTheBytesOfTheNextReply) {
    const outcome got = parse_pieces({sized + sized});
    EXPECT_TRUE(got.done);
    EXPECT_EQ(got.taken, sized.size());
}

TEST(ReplyParser, IsReusedAfterAReset) {
    reply_parser parser(max_body);
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(parser.untouched());
        EXPECT_EQ(parser.feed(sized), sized.size());
        EXPECT_FALSE(parser.untouched());
        EXPECT_TRUE(parser.done());
        EXPECT_EQ(parser.body(), "hello");
        parser.reset(max_body);
    }
    parser.feed("HTTP/1.1 204 No Content\r\n\r\n");
    EXPECT_TRUE(parser.done());
    EXPECT_EQ(parser.content_type(), "") << "nothing of the reply before is left";
    EXPECT_EQ(parser.body(), "");
}

TEST(ReplyParser, ReadsNamesWithoutCaseAndTrimsValues) {
    const outcome got = parse("HTTP/1.1 200 OK\r\ncontent-TYPE:\t text/plain \r\nCONTENT-length:2\r\n\r\nab");
    EXPECT_EQ(got.content_type, "text/plain");
    EXPECT_EQ(got.body, "ab");
}

TEST(ReplyParser, ReadsEveryFieldThatIsNeeded) {
    reply_parser parser(max_body);
    parser.feed(
        "HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Encoding: gzip\r\n"
        "Server: x\r\nContent-Length: 0\r\n\r\n");
    EXPECT_TRUE(parser.done());
    EXPECT_EQ(parser.retry_after(), "3");
    EXPECT_EQ(parser.date(), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(parser.content_encoding(), "gzip");
}

TEST(ReplyParser, ReadsChunks) {
    const outcome got = parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "2\r\nhe\r\n3;name=\"value\"\r\nllo\r\n0A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n");
    EXPECT_TRUE(got.done);
    EXPECT_TRUE(got.keep_alive);
    EXPECT_EQ(got.body, "hello0123456789");
}

TEST(ReplyParser, SkipsInterimReplies) {
    const outcome got =
        parse("HTTP/1.1 100 Continue\r\nContent-Type: a/b\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + sized);
    EXPECT_TRUE(got.done);
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.content_type, "application/json");
}

TEST(ReplyParser, AnInterimReplyCountsAsTheFirstByte) {
    reply_parser parser(max_body);
    parser.feed("HTTP/1.1 100 Continue\r\n\r\n");
    EXPECT_FALSE(parser.untouched());
}

TEST(ReplyParser, RefusesAChangeOfProtocol) {
    EXPECT_EQ(parse("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n").fault, reply_fault::not_http);
}

TEST(ReplyParser, EndlessInterimRepliesCountAsHeader) {
    std::string text;
    while (text.size() < 2 * max_reply_header) text += "HTTP/1.1 100 Continue\r\n\r\n";
    EXPECT_EQ(parse_pieces({text}).fault, reply_fault::header_too_large);
}

TEST(ReplyParser, RepliesWithoutABodyEndAtTheirHeader) {
    for (const std::string status : {"204 No Content", "304 Not Modified"}) {
        const outcome got = parse("HTTP/1.1 " + status + "\r\nContent-Length: 3\r\n\r\n");
        EXPECT_TRUE(got.done) << status;
        EXPECT_TRUE(got.keep_alive) << status;
    }
}

TEST(ReplyParser, TheEndOfTheConnectionEndsAnUnframedBody) {
    const std::string text = "HTTP/1.1 200 OK\r\n\r\nhello";
    EXPECT_FALSE(parse(text).done);
    const outcome got = parse(text, true);
    EXPECT_TRUE(got.done);
    EXPECT_FALSE(got.keep_alive);
    EXPECT_EQ(got.body, "hello");
}

TEST(ReplyParser, EveryTruncationOfAFramedReplyIsAFault) {
    const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for (const std::string& text : {sized, chunked}) {
        for (std::size_t size = 0; size < text.size(); ++size) {
            const outcome got = parse_pieces({text.substr(0, size)}, true);
            EXPECT_EQ(got.fault, reply_fault::truncated) << size;
            EXPECT_FALSE(got.done);
        }
        EXPECT_TRUE(parse(text, true).done);
    }
}

TEST(ReplyParser, ConnectionCloseEndsKeepAlive) {
    EXPECT_FALSE(parse("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").keep_alive);
    EXPECT_FALSE(parse("HTTP/1.1 200 OK\r\nConnection: foo, CLOSE ,bar\r\nContent-Length: 0\r\n\r\n").keep_alive);
    EXPECT_TRUE(parse("HTTP/1.1 200 OK\r\nConnection: closed\r\nContent-Length: 0\r\n\r\n").keep_alive);
}

TEST(ReplyParser, OldHttpKeepsTheConnectionOnlyWhenItSaysSo) {
    EXPECT_FALSE(parse("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").keep_alive);
    EXPECT_TRUE(parse("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n").keep_alive);
    EXPECT_TRUE(parse("HTTP/1.0 200 OK\r\nContent-Type: a\r\n\r\nx", true).done);
}

TEST(ReplyParser, RefusesContradictingLengths) {
    const std::string begin = "HTTP/1.1 200 OK\r\n";
    for (const std::string fields :
         {"Content-Length: 3\r\nContent-Length: 4\r\n", "Content-Length: 3, 3\r\n", "Content-Length: -1\r\n",
          "Content-Length: +1\r\n", "Content-Length: 0x1\r\n", "Content-Length:\r\n", "Content-Length: 1 2\r\n",
          "Content-Length: 99999999999999999999999\r\n", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
          "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "Transfer-Encoding: gzip, chunked\r\n",
          "Transfer-Encoding: identity\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"}) {
        EXPECT_EQ(parse(begin + fields + "\r\n").fault, reply_fault::bad_framing) << fields;
    }
    EXPECT_EQ(parse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").fault, reply_fault::bad_framing);
    EXPECT_TRUE(parse(begin + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx").done);
}

TEST(ReplyParser, RefusesMalformedHeaders) {
    const std::string begin = "HTTP/1.1 200 OK\r\n";
    const std::string nul("A: b\0c\r\n", 8);
    for (const std::string& fields :
         {std::string("no colon\r\n"), std::string(": no name\r\n"), std::string("Name : blank before the colon\r\n"),
          std::string("A: b\r\n folded\r\n"), std::string("A: b\n"), std::string("A: b\rc\r\n"), nul,
          std::string("Na(me: x\r\n"), std::string("A: \x7f\r\n"),
          std::string("Content-Encoding: a\r\nContent-Encoding: b\r\n")}) {
        EXPECT_EQ(parse(begin + fields + "\r\n").fault, reply_fault::malformed_header) << fields;
    }
    EXPECT_EQ(parse("HTTP/1.1 200 OK\nContent-Length: 0\n\n").fault, reply_fault::malformed_header);
}

TEST(ReplyParser, RefusesWhatIsNotHttpAtItsFirstWrongByte) {
    for (const std::string text :
         {"x", "HTTQ", "HTTP/2", "<html>", "\r\n", "SSH-2.0-OpenSSH", "HTTP/1.1 2000 OK\r\n", "HTTP/1.1 20 OK\r\n",
          "HTTP/1.1 099 X\r\n", "HTTP/1.1 600 X\r\n", "HTTP/1.2 200 OK\r\n", "HTTP/1.1  200 OK\r\n",
          "HTTP/1.1 -20 OK\r\n", "HTTP/1.1 2 0 OK\r\n", "HTTP/1.1\r\n"}) {
        EXPECT_EQ(parse(text).fault, reply_fault::not_http) << text;
    }
    EXPECT_TRUE(parse("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n").done) << "the reason is optional";
    EXPECT_TRUE(parse("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n").done);
}

TEST(ReplyParser, RefusesMalformedChunks) {
    const std::string begin = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (const std::string body : {"\r\n", "x\r\n", "2\r\nabc\r\n", "2\nab", "0\r\nno colon\r\n\r\n"})
        EXPECT_EQ(parse(begin + body).fault, reply_fault::malformed_chunk) << body;
}

TEST(ReplyParser, HoldsTheHeaderToItsBound) {
    const std::string begin = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ";
    const std::string end = "\r\n\r\n";
    const std::size_t room = max_reply_header - begin.size() - end.size();
    EXPECT_TRUE(parse_pieces({begin + std::string(room, 'a') + end}).done);
    EXPECT_EQ(parse_pieces({begin + std::string(room + 1, 'a') + end}).fault, reply_fault::header_too_large);
    reply_parser endless(max_body);
    endless.feed("HTTP/1.1 200 OK\r\n");
    std::size_t fed = 0;
    while (endless.fault() == reply_fault::none && fed < 2 * max_reply_header)
        fed += endless.feed("X: aaaaaaaaaaaaaaaa\r\n");
    EXPECT_EQ(endless.fault(), reply_fault::header_too_large);
}

TEST(ReplyParser, HoldsTheBodyToItsBound) {
    const std::string head = "HTTP/1.1 200 OK\r\n";
    const std::string most(max_body, 'b');
    EXPECT_TRUE(parse_pieces({head + "Content-Length: 1000\r\n\r\n" + most}).done);
    EXPECT_EQ(parse_pieces({head + "Content-Length: 1001\r\n\r\n"}).fault, reply_fault::body_too_large);
    EXPECT_TRUE(parse_pieces({head + "Transfer-Encoding: chunked\r\n\r\n3e8\r\n" + most + "\r\n0\r\n\r\n"}).done);
    EXPECT_EQ(
        parse_pieces({head + "Transfer-Encoding: chunked\r\n\r\n3e8\r\n" + most + "\r\n1\r\n"}).fault,
        reply_fault::body_too_large);
    EXPECT_EQ(parse_pieces({head + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n"}).fault, reply_fault::body_too_large);
    EXPECT_TRUE(parse_pieces({head + "\r\n" + most}, true).done);
    EXPECT_EQ(parse_pieces({head + "\r\n" + most + "b"}, true).fault, reply_fault::body_too_large);
}

TEST(ReplyParser, HoldsTheHeaderChunkLinesAndTrailersToOneBound) {
    const std::string field = "X: " + std::string(8'000, 'x') + "\r\n";
    const std::string begin = "HTTP/1.1 200 OK\r\n" + field + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n";
    EXPECT_TRUE(parse_pieces({begin + "\r\n"}).done);
    EXPECT_EQ(parse_pieces({begin + field + field}).fault, reply_fault::header_too_large);
}

RC_GTEST_PROP(ReplyParser, TheSplitsChangeNothing, (std::vector<std::uint8_t> sizes, const std::string& body)) {
    std::string text = "HTTP/1.1 200 OK\r\nX-Request-Id: r\r\nTransfer-Encoding: chunked\r\n\r\n";
    const std::string cut = body.substr(0, 200);
    for (const char byte : cut) text += std::string("1\r\n") + byte + "\r\n";
    text += "0\r\n\r\n";
    std::vector<std::string> pieces;
    std::size_t at = 0;
    for (const std::uint8_t size : sizes) {
        pieces.push_back(text.substr(at, size));
        at = std::min(text.size(), at + size);
    }
    pieces.push_back(text.substr(at));
    const outcome got = parse_pieces(pieces);
    RC_ASSERT(got.done);
    RC_ASSERT(got.body == cut);
}

RC_GTEST_PROP(ReplyParser, NeverBreaksOnAnyBytes, (const std::vector<std::string>& pieces)) {
    reply_parser parser(100);
    parser.feed("HTTP/1.1 200 OK\r\n");
    for (const std::string& piece : pieces) RC_ASSERT(parser.feed(piece) <= piece.size());
    parser.finish();
    RC_ASSERT(parser.done() || parser.fault() != reply_fault::none);
    RC_ASSERT(parser.body().size() <= 100U);
}

} // namespace
} // namespace prooftrack::proof
