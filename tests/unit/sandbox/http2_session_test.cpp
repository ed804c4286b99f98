#include <gmock/gmock.h>

#include "http2_peer.hpp"
#include "poll_target.hpp"

namespace prooftrack::sandbox {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

std::string control_frame(std::uint8_t type, std::string_view payload, std::int32_t stream = 0) {
    std::string frame{0, 0, static_cast<char>(payload.size()), static_cast<char>(type), 0};
    for (int shift = 24; shift >= 0; shift -= 8) frame += static_cast<char>((stream >> shift) & 0xff);
    return frame + std::string(payload);
}

class Http2Session : public Http2Test {};

TEST_F(Http2Session, AnswersManyStreamsOfOneConnection) {
    http2_peer peer(site_);
    std::vector<std::int32_t> asked;
    for (int index = 0; index < 100; ++index) {
        asked.push_back(peer.ask("GET", "/widget/transactions/id" + std::to_string(index)));
    }
    peer.exchange();
    for (std::size_t index = 0; index < asked.size(); ++index) {
        const auto& seen = peer.replies[asked[index]];
        EXPECT_EQ(seen.status, 200);
        EXPECT_EQ(seen.closed, NGHTTP2_NO_ERROR);
        EXPECT_THAT(seen.body, HasSubstr("\"merchant_transaction_id\":\"id" + std::to_string(index) + "\""));
        EXPECT_EQ(seen.head.at("content-length"), std::to_string(seen.body.size()));
        EXPECT_EQ(seen.head.at("content-type"), "application/json");
        EXPECT_TRUE(seen.head.at("x-request-id").starts_with("req_"));
        EXPECT_TRUE(seen.head.contains("date"));
    }
    EXPECT_EQ(peer.server.current_phase(), http2_session::phase::open);
}

TEST_F(Http2Session, TakesABodyAndAnswersHeadWithoutOne) {
    http2_peer peer(site_);
    const auto session = peer.ask(
        "POST", "/widget/session",
        R"({"partner_user_id":"u","user_email":"u@example.com","currency":"USDT","fiat_currency":"EUR"})");
    const auto head = peer.ask("HEAD", poll_target);
    peer.exchange();
    EXPECT_EQ(peer.replies[session].status, 200);
    EXPECT_THAT(peer.replies[session].body, HasSubstr("init_token"));
    EXPECT_EQ(peer.replies[head].status, 200);
    EXPECT_EQ(peer.replies[head].body, "");
    EXPECT_GT(std::stoi(peer.replies[head].head.at("content-length")), 100);
    EXPECT_EQ(peer.replies[head].closed, NGHTTP2_NO_ERROR);
}

TEST_F(Http2Session, ALongListComesInPieces) {
    http2_peer peer(site_);
    for (int index = 0; index < 5'000; ++index) control("GET", poll_target);
    const auto seen = peer.get("/sandbox/log");
    EXPECT_EQ(seen.closed, NGHTTP2_NO_ERROR);
    EXPECT_FALSE(seen.head.contains("content-length"));
    EXPECT_GT(seen.body.size(), 300'000U);
    EXPECT_TRUE(seen.body.starts_with("["));
    EXPECT_TRUE(seen.body.ends_with("]\n") || seen.body.ends_with("]"));
}

TEST_F(Http2Session, AHeldBackReplyHoldsBackNoOther) {
    http2_peer peer(site_);
    turn_on(R"({"kind":"delay","delay":"70ms","path":"/widget/transactions/slow"})");
    const auto slow = peer.ask("GET", "/widget/transactions/slow");
    const auto quick = peer.ask("GET", poll_target);
    peer.exchange();
    EXPECT_EQ(peer.replies[quick].status, 200);
    EXPECT_EQ(peer.replies[slow].status, 0);
    EXPECT_EQ(peer.server.next_due(), peer.now.steady + milliseconds(70));
    peer.pass(milliseconds(69));
    peer.exchange();
    EXPECT_EQ(peer.replies[slow].status, 0);
    peer.pass(milliseconds(1));
    peer.exchange();
    EXPECT_EQ(peer.replies[slow].status, 200);
    EXPECT_EQ(peer.server.next_due(), steady_time::max());
}

TEST_F(Http2Session, StreamsAreBounded) {
    http2_peer peer(site_);
    turn_on(R"({"kind":"stall","at":"before"})");
    for (int index = 0; index < 101; ++index) peer.ask("GET", poll_target);
    peer.exchange(); // this client holds the last one back
    EXPECT_EQ(peer.streams, 100U);
    EXPECT_THAT(control("GET", "/sandbox/stats").body, HasSubstr("\"requests\":100,"));
}

TEST_F(Http2Session, MoreStreamsThanAnnouncedAreRefused) {
    http2_limits limits;
    limits.streams = 2;
    http2_peer peer(site_, limits);
    turn_on(R"({"kind":"stall","at":"before"})");
    std::vector<std::int32_t> asked;
    for (int index = 0; index < 3; ++index) asked.push_back(peer.ask("GET", poll_target));
    peer.exchange();
    EXPECT_FALSE(peer.replies[asked[1]].closed);
    EXPECT_EQ(peer.replies[asked[2]].closed, NGHTTP2_REFUSED_STREAM);
    EXPECT_THAT(control("GET", "/sandbox/stats").body, HasSubstr("\"requests\":2,"));
}

TEST_F(Http2Session, AHeaderThatIsTooLongIsRefusedAndTheConnectionGoesOn) {
    http2_limits limits;
    limits.header_bytes = 1'000;
    http2_peer peer(site_, limits);
    const auto fits = peer.ask("GET", poll_target, "", {{"x-filler", std::string(600, 'x')}});
    const auto too_long = peer.ask("GET", poll_target, "", {{"x-filler", std::string(1'000, 'x')}});
    peer.exchange();
    EXPECT_EQ(peer.replies[fits].status, 200);
    EXPECT_EQ(peer.replies[too_long].status, 431);
    EXPECT_EQ(peer.get(poll_target).status, 200);
}

TEST_F(Http2Session, AHeaderBombEndsTheConnection) {
    http2_limits limits;
    limits.header_bytes = 1'000;
    http2_peer peer(site_, limits);
    // The compression makes one of them out of a byte.
    peer.ask("GET", poll_target, "", std::vector(20, std::pair(std::string("x-bomb"), std::string(500, 'x'))));
    peer.exchange();
    ASSERT_TRUE(peer.goaway);
    EXPECT_EQ(peer.goaway->error, NGHTTP2_ENHANCE_YOUR_CALM);
    EXPECT_TRUE(peer.server.is_over());
}

TEST_F(Http2Session, ABodyThatIsTooLongIsRefused) {
    http2_peer peer(site_);
    const auto too_long = peer.ask("POST", "/widget/session", std::string((64U << 10U) + 1, 'x'));
    peer.exchange();
    EXPECT_EQ(peer.replies[too_long].status, 413);
    EXPECT_EQ(peer.replies[too_long].closed, NGHTTP2_NO_ERROR);
    const auto longest = peer.ask("POST", "/widget/session", std::string(64U << 10U, 'x'));
    peer.exchange();
    EXPECT_EQ(peer.replies[longest].status, 400);
    // Of a much longer one the rest is not taken.
    const auto endless = peer.ask("POST", "/widget/session", std::string(1'000'000, 'x'));
    peer.exchange();
    EXPECT_EQ(peer.replies[endless].status, 413);
    EXPECT_EQ(peer.replies[endless].closed, NGHTTP2_NO_ERROR);
    EXPECT_GT(peer.bodies[endless].size(), 500'000U);
}

TEST_F(Http2Session, TheBodiesOfAConnectionAreBoundedTogether) {
    http2_limits limits;
    limits.body_bytes = 40'000;
    http2_peer peer(site_, limits);
    const auto one = peer.ask("POST", "/widget/session", std::string(30'000, 'x'));
    const auto other = peer.ask("POST", "/widget/session", std::string(30'000, 'x'));
    peer.exchange();
    const auto count = [&](int status) {
        return (peer.replies[one].status == status) + (peer.replies[other].status == status);
    };
    EXPECT_EQ(count(413), 1);
    EXPECT_EQ(count(400), 1);
    const auto next = peer.ask("POST", "/widget/session", std::string(30'000, 'x'));
    peer.exchange();
    EXPECT_EQ(peer.replies[next].status, 400); // what was answered or refused no longer counts
}

TEST_F(Http2Session, AFloodOfControlFramesEndsTheConnection) {
    http2_limits limits;
    limits.control_frames = 100;
    limits.control_frames_a_second = 10;
    const std::vector<std::string> floods{
        control_frame(NGHTTP2_PING, "12345678"), control_frame(NGHTTP2_SETTINGS, ""),
        control_frame(NGHTTP2_WINDOW_UPDATE, std::string_view("\0\0\0\1", 4)),
        control_frame(NGHTTP2_PRIORITY, std::string_view("\0\0\0\0\1", 5), 1)};
    for (const auto& frame : floods) {
        http2_peer peer(site_, limits);
        peer.exchange();
        // From here past the client, which would not stand so many answers either.
        std::string sent;
        const auto flood = [&](int count) {
            for (int index = 0; index < count; ++index) {
                peer.server.receive(frame, peer.now);
                peer.server.produce(sent, SIZE_MAX);
            }
        };
        flood(90);
        peer.pass(seconds(5)); // 50 more are allowed
        flood(50);
        EXPECT_FALSE(peer.server.is_over()) << int(frame[3]);
        flood(20);
        EXPECT_TRUE(peer.server.is_over()) << int(frame[3]);
        EXPECT_THAT(sent, EndsWith(std::string("\0\0\0\x0b", 4))); // a GOAWAY with ENHANCE_YOUR_CALM
    }
}

TEST_F(Http2Session, RapidResetsEndTheConnection) {
    http2_limits limits;
    limits.control_frames = 50;
    http2_peer peer(site_, limits);
    turn_on(R"({"kind":"stall","at":"before"})");
    int asked = 0;
    for (; asked < 200 && !peer.goaway; ++asked) {
        const auto id = peer.ask("GET", poll_target);
        peer.exchange();
        nghttp2_submit_rst_stream(peer.client.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
        peer.exchange();
    }
    EXPECT_LT(asked, 52);
    ASSERT_TRUE(peer.goaway);
    EXPECT_EQ(peer.goaway->error, NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST_F(Http2Session, AClientThatTakesNoAnswersToItsPingsIsLeft) {
    http2_limits limits;
    limits.queued_frames = 30;
    http2_peer peer(site_, limits);
    peer.exchange();
    std::string pings;
    for (int index = 0; index < 40; ++index) pings += control_frame(NGHTTP2_PING, "12345678");
    peer.server.receive(pings, peer.now);
    peer.exchange();
    ASSERT_TRUE(peer.goaway);
    EXPECT_EQ(peer.goaway->error, NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST_F(Http2Session, WhatIsNotHttp2EndsTheConnection) {
    http2_peer peer(site_);
    peer.server.receive("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", peer.now);
    EXPECT_TRUE(peer.server.is_over());
    EXPECT_EQ(peer.server.current_phase(), http2_session::phase::cut);
}

TEST_F(Http2Session, AStreamOnWhichNothingMovesIsReset) {
    http2_peer peer(site_);
    const auto id = peer.ask("POST", "/widget/session", "{}");
    auto bytes = peer.client_bytes();
    bytes.resize(bytes.size() - 2 - 9); // without its DATA
    peer.server.receive(bytes, peer.now);
    peer.exchange();
    EXPECT_FALSE(peer.server.is_idle(peer.now.steady + std::chrono::hours(1)));
    peer.pass(seconds(119));
    peer.server.sweep(peer.now);
    peer.exchange();
    EXPECT_FALSE(peer.replies[id].closed);
    peer.pass(seconds(1));
    peer.server.sweep(peer.now);
    peer.exchange();
    EXPECT_EQ(peer.replies[id].closed, NGHTTP2_CANCEL);
    EXPECT_FALSE(peer.server.is_idle(peer.now.steady + seconds(119)));
    EXPECT_TRUE(peer.server.is_idle(peer.now.steady + seconds(120)));
}

TEST_F(Http2Session, AStopAnswersWhatWasAsked) {
    http2_peer peer(site_);
    turn_on(R"({"kind":"delay","delay":"50ms","count":1})");
    const auto id = peer.ask("GET", poll_target);
    peer.exchange();
    peer.server.finish();
    peer.exchange();
    ASSERT_TRUE(peer.goaway);
    EXPECT_EQ(peer.goaway->last_stream, id);
    EXPECT_EQ(peer.goaway->error, NGHTTP2_NO_ERROR);
    EXPECT_FALSE(peer.server.is_over());
    peer.pass(milliseconds(50));
    peer.exchange();
    EXPECT_EQ(peer.replies[id].status, 200);
    EXPECT_TRUE(peer.server.is_over());
    EXPECT_EQ(peer.server.current_phase(), http2_session::phase::goodbye);
}

} // namespace
} // namespace prooftrack::sandbox
