// An HTTP/2 session against a server that floods it or speaks something else: it ends, and every request has its
// outcome.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "proof/h2_session.hpp"
#include "unit/proof/h2_frames.hpp"

namespace prooftrack::proof {
namespace {

class H2Hostile : public testing::Test {
  protected:
    H2Hostile() {
        session_.receive(settings() + settings_ack());
        request();
    }

    void request() {
        session_.submit({.authority = "proof.example", .path = "/widget/transactions/tx-1"});
        flush();
    }

    void flush() {
        std::string out;
        session_.take_output(out);
        largest_output_ = std::max(largest_output_, out.size());
    }

    void receive(std::string_view bytes) {
        session_.receive(bytes);
        flush();
    }

    /// How many of them it takes before it gives up; `most` = it never does.
    std::size_t flood(const std::string& bytes, std::size_t most = 20000) {
        std::size_t taken = 0;
        while (taken < most && !session_.has_failed()) {
            receive(bytes);
            ++taken;
        }
        return taken;
    }

    void expect_one_outcome(std::string_view error) {
        const auto one = session_.next_outcome();
        ASSERT_TRUE(one);
        EXPECT_EQ(one->how, h2_end::unanswered);
        EXPECT_EQ(one->error, error);
        EXPECT_FALSE(session_.next_outcome());
    }

    h2_session session_{h2_limits{}};
    std::size_t largest_output_ = 0;
};

constexpr std::string_view flooded = "http/2: too many frames that bring no reply";

TEST_F(H2Hostile, FloodsOfFramesThatBringNothingEndIt) {
    const std::vector<std::string> floods{
        frame(h2_type::ping, 0, 0, "12345678"),
        frame(h2_type::ping, ack, 0, "12345678"),
        settings(),
        settings({{max_concurrent_streams, 100}}),
        frame(h2_type::window_update, 0, 0, number(1, 4)),
        frame(h2_type::window_update, 0, 1, number(1, 4)),
        frame(h2_type::priority, 0, 1, number(0, 4) + "\x10"),
    };
    for (const std::string& bytes : floods) {
        h2_session session{h2_limits{}};
        session.submit({.authority = "proof.example", .path = "/"});
        std::string out;
        session.receive(settings());
        std::size_t taken = 1;
        while (taken < 2 * h2_idle_frames && !session.has_failed()) {
            session.take_output(out);
            session.receive(bytes);
            ++taken;
        }
        EXPECT_EQ(taken, h2_idle_frames + 1) << "type " << int(bytes[3]);
        const auto one = session.next_outcome();
        ASSERT_TRUE(one);
        EXPECT_EQ(one->error, flooded);
        session.take_output(out);
        const auto sent = frames_of(out);
        EXPECT_EQ(sent.back().type, h2_type::goaway);
    }
}

TEST_F(H2Hostile, EmptyAndPaddedDataIsAFlood) {
    receive(headers(1, {{":status", "200"}}));
    std::size_t taken = 0;
    while (taken < 4000 && !session_.has_failed()) {
        receive(data(1, ""));
        receive(data(1, std::string("\3\0\0\0", 4), padded));
        ++taken;
    }
    EXPECT_LE(taken, h2_idle_frames / 2 + 1);
}

TEST_F(H2Hostile, BytesThatNghttp2SkipsInSilenceAreAFlood) {
    receive(reply(1, "{}"));
    EXPECT_TRUE(session_.next_outcome());
    const std::size_t most = h2_idle_bytes + h2_limits{}.reply_bytes;
    const std::string late = data(1, std::string(1000, 'x')); // of a stream that is over
    EXPECT_EQ(flood(late), most / late.size() + 1);
    EXPECT_TRUE(session_.has_failed());

    h2_session other{h2_limits{}};
    other.receive(settings());
    const std::string unknown = frame(static_cast<h2_type>(0xfa), 0, 0, std::string(16000, 'x'));
    for (std::size_t i = 0; i < h2_idle_bytes / unknown.size(); ++i) other.receive(unknown);
    EXPECT_FALSE(other.has_failed());
    other.receive(unknown);
    EXPECT_TRUE(other.has_failed());
}

TEST_F(H2Hostile, ResetsOfAStreamThatIsOverAreAFlood) {
    receive(reply(1, "{}"));
    EXPECT_TRUE(session_.next_outcome());
    EXPECT_LE(flood(rst_stream(1, h2_code::cancel)), h2_idle_frames + h2_idle_frames_per_reply);
}

TEST_F(H2Hostile, RepliesEarnFurtherFrames) {
    for (std::uint32_t id = 1; id < 1000; id += 2) {
        for (std::size_t i = 0; i + 1 < h2_idle_frames_per_reply; ++i) receive(frame(h2_type::ping, 0, 0, "12345678"));
        receive(reply(id, "{}"));
        ASSERT_TRUE(session_.next_outcome());
        ASSERT_FALSE(session_.has_failed()) << id;
        request();
    }
}

/// WINDOW_UPDATEs of `step` bytes for a body of a mebibyte; false = they were taken for a flood.
bool uploads_in_steps_of(std::uint32_t step) {
    h2_session session{h2_limits{}};
    session.submit({.method = "POST", .authority = "proof.example", .path = "/", .body = std::string(1U << 20U, 'x')});
    session.receive(settings());
    std::string out;
    session.take_output(out);
    std::size_t granted = 65535; // RFC 9113, 6.9.2
    for (; granted < 1U << 20U && !session.has_failed(); granted += step) {
        session.receive(frame(h2_type::window_update, 0, 0, number(step, 4)));
        session.receive(frame(h2_type::window_update, 0, 1, number(step, 4)));
        session.take_output(out);
    }
    if (session.has_failed()) return false;
    std::size_t sent = 0;
    for (const h2_sent& each : frames_of(out)) sent += each.type == h2_type::data ? each.payload.size() : 0;
    EXPECT_EQ(sent, 1U << 20U);
    session.receive(reply(1, "{}"));
    return session.next_outcome()->how == h2_end::reply;
}

TEST_F(H2Hostile, TheFlowControlOfABodyIsNoFloodUnlessItIsAbsurd) {
    EXPECT_TRUE(uploads_in_steps_of(16384));
    EXPECT_TRUE(uploads_in_steps_of(2 * h2_upload_bytes_per_idle_frame));
    EXPECT_FALSE(uploads_in_steps_of(1));
}

TEST_F(H2Hostile, AHeaderWithoutEndEndsIt) {
    receive(frame(h2_type::headers, 0, 1, hpack({{":status", "200"}})));
    EXPECT_LT(flood(frame(h2_type::continuation, 0, 1, hpack({{"a", std::string(1000, 'a')}}))), 100U);
    EXPECT_TRUE(session_.has_failed());
}

TEST_F(H2Hostile, ASmallBlockThatUnpacksToALargeHeaderEndsItsStream) {
    // A field of 4,000 bytes goes into the table once and is named 60 times.
    std::string block = hpack({{":status", "200"}}) + '\x40' + hpack_string("a") + hpack_string(std::string(4000, 'a'));
    block += std::string(60, '\xbe');
    receive(frame(h2_type::headers, end_headers | end_stream, 1, block));
    const auto one = session_.next_outcome();
    ASSERT_TRUE(one);
    EXPECT_EQ(one->error, "header too large");
    EXPECT_FALSE(session_.has_failed());
}

TEST_F(H2Hostile, BodiesThatNeverEndFillABoundedPart) {
    for (int i = 1; i < 100; ++i) request();
    std::vector<std::string> errors;
    for (std::uint32_t id = 1; id < 200; id += 2) receive(headers(id, {{":status", "200"}}));
    for (int round = 0; round < 4 && !session_.has_failed(); ++round) {
        for (std::uint32_t id = 1; id < 200; id += 2) receive(data(id, std::string(16000, 'x')));
    }
    while (auto one = session_.next_outcome()) errors.emplace_back(one->error);
    // What is beyond the bound was given up, the largest first; the connection's window was never used up.
    EXPECT_FALSE(session_.has_failed());
    ASSERT_FALSE(errors.empty());
    for (const auto& each : errors) EXPECT_EQ(each, "too many bytes of unfinished replies");
    EXPECT_LE(session_.in_flight() * 16000, h2_limits{}.buffered);
}

TEST_F(H2Hostile, OtherProtocolsEndIt) {
    const std::vector<std::string> others{
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", std::string(64, '\0'),
        std::string("\x15\x03\x01\x00\x02\x02\x28", 7) + std::string(20, 'x'),
        frame(h2_type::ping, 0, 0, "12345678"), // not SETTINGS first
    };
    for (const std::string& bytes : others) {
        h2_session session{h2_limits{}};
        session.submit({.authority = "proof.example", .path = "/"});
        std::string out;
        session.take_output(out);
        session.receive(bytes);
        EXPECT_TRUE(session.has_failed());
        const auto one = session.next_outcome();
        ASSERT_TRUE(one);
        EXPECT_EQ(one->how, h2_end::unanswered);
        EXPECT_TRUE(one->error.starts_with("http/2: ")) << one->error;
    }
}

TEST_F(H2Hostile, FramesThatBreakTheProtocolEndTheConnection) {
    const std::vector<std::string> bad{
        frame(h2_type::settings, 0, 0, "12345"),                                   // size
        frame(h2_type::settings, 0, 1, ""),                                        // stream
        settings({{2, 1}}) + settings({{4, 0x80000000U}}),                         // a window over 2^31 - 1
        settings({{5, 100}}),                                                      // frame size
        frame(h2_type::ping, 0, 0, "1234"),                                        // size
        frame(h2_type::window_update, 0, 0, number(0, 4)),                         // of nothing
        frame(h2_type::window_update, 0, 0, number(0x7fffffff, 4)),                // overflow
        frame(h2_type::continuation, end_headers, 1, ""),                          // of nothing
        frame(h2_type::rst_stream, 0, 9, number(0, 4)),                            // idle stream
        frame(h2_type::goaway, 0, 0, "1234"),                                      // size
        data(9, "x"),                                                              // idle stream
        headers(2, {{":status", "200"}}),                                          // even stream
        frame(h2_type::headers, end_headers, 1, "\xff\xff\xff\xff\xff\xff"),       // HPACK
        frame(h2_type::headers, 0, 1, hpack({{":status", "200"}})) + data(1, "x"), // inside a header
        number(16385, 3) + std::string(6, '\0'),                                   // a frame over 16 KiB
    };
    for (std::size_t i = 0; i < bad.size(); ++i) {
        h2_session session{h2_limits{}};
        session.receive(settings());
        session.submit({.authority = "proof.example", .path = "/"});
        std::string out;
        session.take_output(out);
        session.receive(bad[i]);
        EXPECT_TRUE(session.has_failed()) << i;
        EXPECT_TRUE(session.next_outcome()) << i;
        EXPECT_FALSE(session.next_outcome()) << i;
        out.clear();
        session.take_output(out);
        const auto sent = frames_of(out);
        ASSERT_FALSE(sent.empty()) << i;
        EXPECT_EQ(sent.back().type, h2_type::goaway) << i;
    }
}

TEST_F(H2Hostile, APushIsRefused) {
    receive(frame(h2_type::push_promise, end_headers, 1, number(2, 4) + hpack({{":method", "GET"}})));
    receive(frame(h2_type::settings, ack, 0, ""));
    receive(frame(h2_type::push_promise, end_headers, 1, number(4, 4) + hpack({{":method", "GET"}})));
    EXPECT_TRUE(session_.has_failed());
}

TEST_F(H2Hostile, APeerThatDoesNotReadItsAnswersMakesABoundedOutput) {
    for (std::size_t i = 0; i < 3000 && !session_.has_failed(); ++i)
        session_.receive(frame(h2_type::ping, 0, 0, "12345678"));
    EXPECT_TRUE(session_.has_failed());
    std::string out;
    session_.take_output(out);
    EXPECT_LT(out.size(), 64U * 1024);
}

} // namespace
} // namespace prooftrack::proof
