#include "api/request_reader.hpp"

#include <stdexcept>

#include <gtest/gtest.h>

namespace prooftrack::api {
namespace {

using step = request_reader::step;

/// What a request comes to when its bytes arrive in pieces of `piece`.
std::string read_in_pieces(std::string_view text, std::size_t piece) {
    request_reader reader;
    for (std::size_t at = 0; at < text.size(); at += piece) {
        reader.append(text.substr(at, piece));
        step now = reader.next();
        if (now == step::head) {
            reader.accept_body(100'000);
            now = reader.next();
        }
        if (now == step::whole) return "whole " + reader.head().method + " " + reader.take_body();
        if (now == step::refused) return "refused " + std::to_string(static_cast<int>(reader.refusal().code));
    }
    return "more";
}

void expect_everywhere(std::string_view text, std::string_view outcome) {
    for (const std::size_t piece :
         {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, std::size_t{4096}, text.size() + 1}) {
        EXPECT_EQ(read_in_pieces(text, piece), outcome) << piece << ": " << text.substr(0, 80);
    }
}

const std::string too_large = "refused " + std::to_string(static_cast<int>(problem_code::too_large));
const std::string invalid = "refused " + std::to_string(static_cast<int>(problem_code::invalid_request));
const std::string header_too_large = "refused " + std::to_string(static_cast<int>(problem_code::header_too_large));

TEST(RequestReader, ComesToTheSameHoweverTheBytesAreCut) {
    const std::string chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    expect_everywhere("GET / HTTP/1.1\r\n\r\n", "whole GET ");
    expect_everywhere("\r\n\r\nGET / HTTP/1.1\r\nA: b\r\n\r\n", "whole GET ");
    expect_everywhere("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "whole POST abc");
    expect_everywhere("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", "more");
    expect_everywhere(chunked + "3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nT: x\r\n\r\n", "whole POST abcde");
    expect_everywhere(chunked + "0\r\n\r\n", "whole POST ");
    expect_everywhere(chunked + "3\r\nabcX\r\n", invalid);
    expect_everywhere(chunked + "186a1\r\n", too_large);
    expect_everywhere(chunked + "1;" + std::string(20'000, 'x') + "\r\na\r\n0\r\n\r\n", invalid);
    expect_everywhere(chunked + "0\r\nT: " + std::string(20'000, 'x') + "\r\n\r\n", invalid);
    expect_everywhere("POST / HTTP/1.1\r\nContent-Length: 100001\r\n\r\n", too_large);
    expect_everywhere("GET / HTTP/1.1\r\nA: " + std::string(20'000, 'x') + "\r\n\r\n", header_too_large);
    expect_everywhere(std::string(20'000, 'x'), header_too_large);
    expect_everywhere("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", invalid);
    expect_everywhere("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", invalid);
    expect_everywhere("GET\x01", "more");
    expect_everywhere("GET\x01\r\n\r\n", invalid);
    expect_everywhere("GET / HTTP/1.1\nA: b\r\n\r\n", invalid);
}

TEST(RequestReader, ATraceparentIsOneValidLineOrNone) {
    const std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const auto read = [](const std::string& lines) {
        request_reader reader;
        reader.append("POST / HTTP/1.1\r\n" + lines + "\r\n");
        EXPECT_EQ(reader.next(), step::head);
        return reader.head().traceparent;
    };
    EXPECT_EQ(read(""), "");
    EXPECT_EQ(read("TraceParent:  " + good + " \r\n"), good);
    EXPECT_EQ(read("traceparent: " + good + "\r\ntraceparent: " + good + "\r\n"), "") << "whose is it?";
    EXPECT_EQ(read("traceparent: " + good + "-x\r\n"), "");
    EXPECT_EQ(read("traceparent: 00-" + std::string(8'000, 'a') + "\r\n"), "");
}

TEST(RequestReader, ReportsTheHeader) {
    request_reader reader;
    reader.append("POST /v1/sessions?x=1 HTTP/1.0\r\ncontent-type: a/b\r\nACCEPT: c\r\nIdempotency-key: k "
                  "1\r\nlast-event-id: 7\r\n"
                  "Content-Length: 2\r\n\r\n{}");
    ASSERT_EQ(reader.next(), step::head);
    EXPECT_EQ(reader.head().method, "POST");
    EXPECT_EQ(reader.head().target, "/v1/sessions?x=1");
    EXPECT_EQ(reader.head().content_type, "a/b");
    EXPECT_EQ(reader.head().accept, "c");
    EXPECT_EQ(reader.head().idempotency_key, "k 1");
    EXPECT_EQ(reader.head().last_event_id, "7");
    EXPECT_TRUE(reader.head().has_body);
    EXPECT_TRUE(reader.head().http_1_0);
    EXPECT_FALSE(reader.keep_alive());
    EXPECT_EQ(reader.content_length(), 2U);
    EXPECT_EQ(reader.next(), step::head); // until the body is accepted
}

TEST(RequestReader, GoesOnWithTheNextRequest) {
    request_reader reader;
    reader.append("POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\naGET /b HTTP/1.1\r\n\r\n");
    ASSERT_EQ(reader.next(), step::head);
    reader.accept_body(1);
    ASSERT_EQ(reader.next(), step::whole);
    EXPECT_EQ(reader.take_body(), "a");
    reader.begin_next();
    ASSERT_EQ(reader.next(), step::head);
    EXPECT_EQ(reader.head().target, "/b");
    EXPECT_FALSE(reader.head().has_body);
    reader.accept_body(0);
    ASSERT_EQ(reader.next(), step::whole);
    reader.begin_next();
    EXPECT_EQ(reader.next(), step::idle);
    EXPECT_EQ(reader.buffered(), 0U);
}

TEST(RequestReader, ReadsNothingMoreAfterARefusal) {
    request_reader reader;
    reader.append("nonsense\r\n\r\n");
    ASSERT_EQ(reader.next(), step::refused);
    reader.append("GET / HTTP/1.1\r\n\r\n");
    EXPECT_EQ(reader.next(), step::refused);
}

TEST(RequestReader, ABodyIsAcceptedBehindItsHeaderAndTakenWhenItIsWhole) {
    request_reader reader;
    EXPECT_THROW(reader.accept_body(10), std::logic_error);
    EXPECT_THROW(reader.skip_body(), std::logic_error);
    reader.append("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    ASSERT_EQ(reader.next(), step::head);
    EXPECT_THROW(reader.skip_body(), std::logic_error) << "of chunks nobody knows the end";
    reader.accept_body(10);
    EXPECT_THROW(reader.accept_body(10), std::logic_error);
    EXPECT_THROW(reader.take_body(), std::logic_error);
    reader.append("3\r\nabc\r\n0\r\n\r\n");
    ASSERT_EQ(reader.next(), step::whole);
    EXPECT_EQ(reader.take_body(), "abc");
}

} // namespace
} // namespace prooftrack::api
