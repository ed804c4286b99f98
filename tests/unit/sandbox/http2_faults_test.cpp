// What each kind of fault does over HTTP/2, and that those of HTTP/2 leave HTTP/1.1 alone.

#include <gmock/gmock.h>

#include "http2_peer.hpp"
#include "poll_target.hpp"
#include "sandbox/http1_reply.hpp"

namespace prooftrack::sandbox {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::string_view other_target = "/widget/transactions/b";

class Http2Faults : public Http2Test {
  protected:
    Http2Faults() : peer_(site_) {
        whole_ = peer_.get(poll_target).body;
        control("DELETE", "/sandbox/log");
    }

    /// The reply to one request that the fault strikes, while another one waits on the connection.
    http2_peer::reply_seen strike(std::string_view fault) {
        turn_on(R"({"kind":"delay","delay":"10s","path":"/widget/transactions/b"})");
        waiting_ = peer_.ask("GET", other_target);
        turn_on(fault);
        struck_ = peer_.ask("GET", poll_target);
        peer_.exchange();
        return peer_.replies[struck_];
    }
    bool waiting_is_answered() {
        peer_.pass(seconds(10));
        peer_.exchange();
        return peer_.replies[waiting_].status == 200 && peer_.replies[waiting_].closed == std::optional(0U);
    }
    http2_session::phase phase() const { return peer_.server.current_phase(); }

    http2_peer peer_;
    std::string whole_;
    std::int32_t struck_ = 0;
    std::int32_t waiting_ = 0;
};

TEST_F(Http2Faults, AStatusHasNoFieldsAboutTheConnection) {
    const auto seen = strike(
        R"({"kind":"status","status":429,"retry_after":"3s","count":1,"path":"/widget/transactions/a",
            "headers":{"Connection":"close","X-Proxy":"yes","Content-Type":"text/html"},"body":"<html>"})");
    EXPECT_EQ(seen.status, 429);
    EXPECT_EQ(seen.head.at("retry-after"), "3");
    EXPECT_EQ(seen.head.at("x-proxy"), "yes");
    EXPECT_EQ(seen.head.at("content-type"), "text/html");
    EXPECT_FALSE(seen.head.contains("connection"));
    EXPECT_EQ(seen.body, "<html>");
    EXPECT_TRUE(waiting_is_answered());
}

TEST_F(Http2Faults, AWrongIdAndAHugeReplyAreWellFormed) {
    EXPECT_THAT(
        strike(R"({"kind":"wrong_id","count":1,"path":"/widget/transactions/a"})").body,
        HasSubstr(R"("status":"completed")"));
    const auto seen = strike(R"({"kind":"huge","size":300000,"count":1,"path":"/widget/transactions/a"})");
    EXPECT_EQ(seen.head.at("content-length"), "300000");
    EXPECT_EQ(seen.body.size(), 300'000U);
    EXPECT_THAT(seen.body, EndsWith("xx\"}"));
    EXPECT_TRUE(waiting_is_answered());
}

TEST_F(Http2Faults, ATruncatedReplyEndsItsStreamAlone) {
    const auto seen = strike(R"({"kind":"truncate","path":"/widget/transactions/a"})");
    EXPECT_EQ(seen.status, 200);
    EXPECT_EQ(seen.head.at("content-length"), std::to_string(whole_.size()));
    EXPECT_EQ(seen.body, whole_.substr(0, whole_.size() / 2));
    EXPECT_EQ(seen.closed, NGHTTP2_PROTOCOL_ERROR); // this client's own word for a body that is too short
    EXPECT_TRUE(waiting_is_answered());
}

TEST_F(Http2Faults, ACloseEndsTheConnectionWhereItIsSaid) {
    EXPECT_EQ(strike(R"({"kind":"close","path":"/widget/transactions/a"})").status, 0);
    EXPECT_EQ(phase(), http2_session::phase::cut);
    EXPECT_TRUE(peer_.server.is_over());
    EXPECT_FALSE(peer_.goaway);
    EXPECT_THAT(log(), HasSubstr(R"("path":"/widget/transactions/a","status":0)"));
    EXPECT_FALSE(waiting_is_answered());
}

TEST_F(Http2Faults, ACloseInTheHeaderSendsHalfAFrame) {
    const auto before = peer_.raw.size();
    EXPECT_FALSE(strike(R"({"kind":"close","at":"header","path":"/widget/transactions/a"})").closed);
    EXPECT_EQ(phase(), http2_session::phase::cut);
    const std::string frame = peer_.raw.substr(before);
    ASSERT_GT(frame.size(), 9U);
    EXPECT_EQ(frame[3], NGHTTP2_HEADERS);
    EXPECT_LT(frame.size(), 9U + static_cast<unsigned char>(frame[2]));
}

TEST_F(Http2Faults, ACloseInTheBodyOrAfterItSendsThatMuch) {
    const auto body = strike(R"({"kind":"close","at":"body","path":"/widget/transactions/a"})");
    EXPECT_EQ(body.body, whole_.substr(0, whole_.size() / 2));
    EXPECT_FALSE(body.closed);
    EXPECT_EQ(phase(), http2_session::phase::cut);

    http2_peer other(site_);
    turn_on(R"({"kind":"close","at":"after"})");
    const auto after = other.get(poll_target);
    EXPECT_EQ(after.body, whole_);
    EXPECT_EQ(after.closed, NGHTTP2_NO_ERROR);
    EXPECT_EQ(other.server.current_phase(), http2_session::phase::cut);
}

TEST_F(Http2Faults, AStallHoldsItsStreamAloneAndEndsInAReset) {
    const auto seen = strike(R"({"kind":"stall","delay":"30s","path":"/widget/transactions/a"})");
    EXPECT_EQ(seen.body, whole_.substr(0, whole_.size() / 2));
    EXPECT_FALSE(seen.closed);
    EXPECT_TRUE(waiting_is_answered());
    peer_.pass(seconds(20));
    peer_.exchange();
    EXPECT_EQ(peer_.replies[struck_].closed, NGHTTP2_CANCEL);
    EXPECT_EQ(phase(), http2_session::phase::open);
}

TEST_F(Http2Faults, AStallBeforeSendsNothing) {
    EXPECT_EQ(strike(R"({"kind":"stall","at":"before","path":"/widget/transactions/a"})").status, 0);
    EXPECT_TRUE(waiting_is_answered());
    EXPECT_FALSE(peer_.replies[struck_].closed);
}

TEST_F(Http2Faults, AStallInTheHeaderSilencesTheConnection) {
    strike(R"({"kind":"stall","at":"header","delay":"30s","path":"/widget/transactions/a"})");
    EXPECT_EQ(phase(), http2_session::phase::silent);
    EXPECT_FALSE(waiting_is_answered());
    EXPECT_EQ(peer_.server.next_due(), peer_.now.steady + seconds(20));
    EXPECT_FALSE(peer_.server.is_over());
    peer_.pass(seconds(20));
    peer_.exchange();
    EXPECT_TRUE(peer_.server.is_over());
}

TEST_F(Http2Faults, AStallAfterTheReplyLastsAsLongAsAsked) {
    turn_on(R"({"kind":"stall","at":"after","delay":"10m"})");
    EXPECT_EQ(peer_.get(poll_target).body, whole_);
    EXPECT_EQ(phase(), http2_session::phase::silent);
    peer_.pass(seconds(599));
    EXPECT_FALSE(peer_.server.is_idle(peer_.now.steady));
    peer_.exchange();
    EXPECT_FALSE(peer_.server.is_over());
    peer_.pass(seconds(1));
    peer_.exchange();
    EXPECT_TRUE(peer_.server.is_over());
}

TEST_F(Http2Faults, ADripComesAByteAtATime) {
    strike(R"({"kind":"drip","delay":"20ms","path":"/widget/transactions/a"})");
    for (std::size_t count = 1; count <= 10; ++count) {
        EXPECT_EQ(peer_.replies[struck_].body, whole_.substr(0, count));
        peer_.pass(milliseconds(20));
        peer_.exchange();
    }
}

TEST_F(Http2Faults, GarbageIsNoFrame) {
    strike(R"({"kind":"garbage","path":"/widget/transactions/a"})");
    EXPECT_THAT(peer_.raw, EndsWith(garbage_bytes));
    EXPECT_TRUE(peer_.server.is_over());
    EXPECT_EQ(phase(), http2_session::phase::cut);
}

TEST_F(Http2Faults, AnEndlessHeaderNeverEnds) {
    turn_on(R"({"kind":"endless_header"})");
    peer_.ask("GET", poll_target);
    peer_.server.receive(peer_.client_bytes(), peer_.now);
    std::string out;
    peer_.server.produce(out, 100'000);
    EXPECT_GE(out.size(), 100'000U);
    EXPECT_FALSE(peer_.server.is_over());
    std::size_t frames = 0;
    std::size_t at = 0;
    for (; at + 9 < out.size(); ++frames) {
        EXPECT_EQ(out[at + 3], frames == 0 ? NGHTTP2_HEADERS : NGHTTP2_CONTINUATION);
        EXPECT_EQ(out[at + 4], 0); // not END_HEADERS
        at += 9 + (static_cast<unsigned char>(out[at + 1]) * 256U) + static_cast<unsigned char>(out[at + 2]);
    }
    EXPECT_GT(frames, 20U);
    EXPECT_EQ(at, out.size());
}

TEST_F(Http2Faults, AGoawayLeavesOutTheRequestThatItStrikes) {
    const auto seen = strike(R"({"kind":"goaway","error":"ENHANCE_YOUR_CALM","path":"/widget/transactions/a"})");
    ASSERT_TRUE(peer_.goaway);
    EXPECT_EQ(peer_.goaway->last_stream, waiting_);
    EXPECT_EQ(peer_.goaway->error, NGHTTP2_ENHANCE_YOUR_CALM);
    EXPECT_EQ(seen.status, 0);
    EXPECT_EQ(seen.closed, NGHTTP2_REFUSED_STREAM); // this client's own conclusion
    EXPECT_FALSE(peer_.server.is_over());
    EXPECT_TRUE(waiting_is_answered());
    EXPECT_TRUE(peer_.server.is_over());
    EXPECT_EQ(phase(), http2_session::phase::goodbye);
}

TEST_F(Http2Faults, AGoawayMayIncludeTheRequest) {
    const auto seen = strike(R"({"kind":"goaway","at":"after","path":"/widget/transactions/a"})");
    ASSERT_TRUE(peer_.goaway);
    EXPECT_EQ(peer_.goaway->last_stream, struck_);
    EXPECT_EQ(peer_.goaway->error, NGHTTP2_NO_ERROR);
    EXPECT_EQ(seen.body, whole_);
    EXPECT_TRUE(waiting_is_answered());
    EXPECT_TRUE(peer_.server.is_over());
}

TEST_F(Http2Faults, AGoawayThatIncludesARequestMayCutItsReply) {
    const auto seen = strike(R"({"kind":"goaway","at":"body","path":"/widget/transactions/a"})");
    ASSERT_TRUE(peer_.goaway);
    EXPECT_EQ(peer_.goaway->last_stream, struck_);
    EXPECT_EQ(seen.body, whole_.substr(0, whole_.size() / 2));
    EXPECT_EQ(phase(), http2_session::phase::cut);
}

TEST_F(Http2Faults, AGoawayNeverCallsAServedRequestNotProcessed) {
    turn_on(R"({"kind":"goaway","path":"/widget/session"})");
    // The session's request is whole only after a later one was served.
    const auto session = peer_.ask("POST", "/widget/session", "{}");
    auto bytes = peer_.client_bytes();
    const auto data = bytes.substr(bytes.size() - 11);
    bytes.resize(bytes.size() - 11);
    peer_.server.receive(bytes, peer_.now);
    const auto later = peer_.ask("GET", poll_target);
    peer_.exchange();
    peer_.server.receive(data, peer_.now);
    peer_.exchange();
    ASSERT_TRUE(peer_.goaway);
    EXPECT_EQ(peer_.goaway->last_stream, later);
    EXPECT_EQ(peer_.replies[later].status, 200);
    EXPECT_EQ(peer_.replies[session].closed, NGHTTP2_REFUSED_STREAM);
}

TEST_F(Http2Faults, AfterAGoawayNothingMoreIsServedOfTheSameRead) {
    turn_on(R"({"kind":"goaway","at":"after","count":1,"path":"/widget/transactions/b"})");
    turn_on(R"({"kind":"goaway","count":1,"path":"/widget/transactions/a"})");
    const auto served = peer_.ask("GET", "/widget/transactions/c");
    peer_.ask("GET", poll_target);
    const auto second = peer_.ask("GET", other_target);
    const auto third = peer_.ask("POST", "/widget/session", "{}");
    peer_.exchange();
    EXPECT_FALSE(peer_.broken);
    EXPECT_THAT(peer_.last_streams, ::testing::ElementsAre(served)) << "it never rises";
    EXPECT_EQ(peer_.replies[served].status, 200);
    EXPECT_EQ(peer_.replies[second].closed, NGHTTP2_REFUSED_STREAM);
    EXPECT_EQ(peer_.replies[third].closed, NGHTTP2_REFUSED_STREAM);
    EXPECT_THAT(log(), Not(HasSubstr("/widget/session"))) << "a client may repeat it";
    EXPECT_THAT(control("GET", "/sandbox/faults").body, HasSubstr("goaway")) << "the other one has struck nothing";
}

TEST_F(Http2Faults, AStopRightAfterAGoawayNamesNoHigherStream) {
    turn_on(R"({"kind":"goaway","path":"/widget/transactions/a"})");
    peer_.ask("GET", poll_target);
    peer_.server.receive(peer_.client_bytes(), peer_.now);
    peer_.server.finish();
    peer_.exchange();
    ASSERT_EQ(peer_.last_streams.size(), 2U);
    EXPECT_EQ(peer_.last_streams[1], peer_.last_streams[0]);
    EXPECT_TRUE(peer_.server.is_over());
}

TEST_F(Http2Faults, ARefusedStreamWasNotProcessed) {
    turn_on(R"({"kind":"refuse_stream","path":"/widget/session","count":1})");
    const std::string order =
        R"({"partner_user_id":"u","user_email":"u@example.com","currency":"USDT","fiat_currency":"EUR"})";
    const auto refused = peer_.ask("POST", "/widget/session", order);
    peer_.exchange();
    EXPECT_EQ(peer_.replies[refused].closed, NGHTTP2_REFUSED_STREAM);
    EXPECT_THAT(control("GET", "/sandbox/stats").body, HasSubstr("\"transactions\":1,"));
    const auto taken = peer_.ask("POST", "/widget/session", order);
    peer_.exchange();
    EXPECT_EQ(peer_.replies[taken].status, 200);
    EXPECT_THAT(control("GET", "/sandbox/stats").body, HasSubstr("\"transactions\":2,"));
}

TEST_F(Http2Faults, AResetHasTheErrorThatWasAsked) {
    auto seen = strike(R"({"kind":"reset","path":"/widget/transactions/a"})");
    EXPECT_EQ(seen.status, 0);
    EXPECT_EQ(seen.closed, NGHTTP2_INTERNAL_ERROR);
    seen = strike(R"({"kind":"reset","error":"ENHANCE_YOUR_CALM","path":"/widget/transactions/a"})");
    EXPECT_EQ(seen.closed, NGHTTP2_ENHANCE_YOUR_CALM);
    seen = strike(R"({"kind":"reset","at":"header","error":"CANCEL","path":"/widget/transactions/a"})");
    EXPECT_EQ(seen.status, 200);
    EXPECT_EQ(seen.body, "");
    EXPECT_EQ(seen.closed, NGHTTP2_CANCEL);
    seen = strike(R"({"kind":"reset","at":"body","path":"/widget/transactions/a"})");
    EXPECT_EQ(seen.body, whole_.substr(0, whole_.size() / 2));
    EXPECT_EQ(seen.closed, NGHTTP2_INTERNAL_ERROR);
    seen = strike(R"({"kind":"reset","at":"after","path":"/widget/transactions/a"})");
    EXPECT_EQ(seen.body, whole_);
    EXPECT_EQ(seen.closed, NGHTTP2_INTERNAL_ERROR);
    EXPECT_TRUE(waiting_is_answered());
    EXPECT_EQ(phase(), http2_session::phase::open);
}

TEST_F(Http2Faults, FewerStreamsAreAnnouncedAndTheRequestIsAnswered) {
    EXPECT_EQ(peer_.streams, 100U);
    turn_on(R"({"kind":"max_streams","streams":3,"path":"/widget/transactions/a"})");
    EXPECT_EQ(peer_.get(other_target).status, 200);
    EXPECT_EQ(peer_.streams, 100U);
    EXPECT_EQ(peer_.get(poll_target).status, 200);
    EXPECT_EQ(peer_.streams, 3U);
    // A new connection hears it at once, whatever it asks.
    http2_peer other(site_);
    other.exchange();
    EXPECT_EQ(other.streams, 3U);
    other.server.sweep(other.now);
    other.exchange();
    EXPECT_EQ(other.streams, 3U);
    control("DELETE", "/sandbox/faults");
    for (auto* peer : {&peer_, &other}) {
        peer->server.sweep(peer->now);
        peer->exchange();
        EXPECT_EQ(peer->streams, 100U);
    }
}

TEST_F(Http2Faults, ALimitOfStreamsGoesWithItsCountOrTime) {
    turn_on(R"({"kind":"max_streams","count":2})");
    peer_.get(poll_target);
    EXPECT_EQ(peer_.streams, 1U);
    peer_.server.sweep(peer_.now);
    peer_.exchange();
    EXPECT_EQ(peer_.streams, 1U);
    peer_.get(poll_target);
    peer_.server.sweep(peer_.now);
    peer_.exchange();
    EXPECT_EQ(peer_.streams, 100U);
}

TEST_F(Http2Faults, ALimitOfStreamsGoesTogetherWithAnotherFault) {
    turn_on(R"({"kind":"max_streams","streams":7})");
    EXPECT_EQ(strike(R"({"kind":"reset","path":"/widget/transactions/a"})").closed, NGHTTP2_INTERNAL_ERROR);
    EXPECT_EQ(peer_.streams, 7U);
}

TEST_F(Http2Faults, ThoseOfHttp2LeaveHttp1AloneAndKeepTheirCount) {
    turn_on(R"([{"kind":"goaway","count":1},{"kind":"reset","count":1},{"kind":"refuse_stream","count":1},
                {"kind":"max_streams","count":1}])");
    incoming_request request;
    request.method = "GET";
    request.target = poll_target;
    request.authorization = "Bearer right";
    for (int index = 0; index < 3; ++index) {
        const auto plan = make_http1_plan(site_.answer(request), request);
        EXPECT_THAT(plan.bytes, StartsWith("HTTP/1.1 200 OK\r\n"));
        EXPECT_EQ(plan.then, http1_plan::ending::as_asked);
    }
    const auto left = control("GET", "/sandbox/faults").body;
    for (const char* kind : {"goaway", "reset", "refuse_stream", "max_streams"}) EXPECT_THAT(left, HasSubstr(kind));
    EXPECT_EQ(peer_.get(poll_target).closed, NGHTTP2_REFUSED_STREAM); // the newest strikes
}

TEST_F(Http2Faults, AnErrorIsNamedAsInTheStandard) {
    const auto message = [&](std::string_view fault) { return control("PUT", "/sandbox/faults", fault); };
    EXPECT_EQ(message(R"({"kind":"reset","error":"HTTP_1_1_REQUIRED"})").status, 200);
    EXPECT_THAT(control("GET", "/sandbox/faults").body, HasSubstr(R"("error":"HTTP_1_1_REQUIRED")"));
    EXPECT_EQ(message(R"({"kind":"reset","error":"CALM"})").status, 400);
    EXPECT_EQ(message(R"({"kind":"reset","error":13})").status, 400);
    EXPECT_EQ(message(R"({"kind":"max_streams","streams":-1})").status, 400);
    EXPECT_EQ(parse_http2_error("NO_ERROR"), NGHTTP2_NO_ERROR);
    EXPECT_EQ(parse_http2_error("ENHANCE_YOUR_CALM"), NGHTTP2_ENHANCE_YOUR_CALM);
    EXPECT_EQ(parse_http2_error("HTTP_1_1_REQUIRED"), NGHTTP2_HTTP_1_1_REQUIRED);
}

} // namespace
} // namespace prooftrack::sandbox
