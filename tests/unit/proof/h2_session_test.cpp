// An HTTP/2 connection's client side: requests and their ends, against frames that a server may send.

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proof/h2_session.hpp"
#include "unit/proof/h2_frames.hpp"

namespace prooftrack::proof {
namespace {

/// An outcome that outlives the session's next call.
struct ended {
    std::size_t slot = 0;
    h2_end how{};
    int status = 0;
    std::string body;
    std::string error;
    bool unprocessed = false;
};

/// A session whose peer has sent its SETTINGS.
class H2Session : public testing::Test {
  protected:
    explicit H2Session(h2_limits limits = {}) : session_(limits) { receive(settings() + settings_ack()); }

    std::size_t request(std::string_view path = "/widget/transactions/tx-1") {
        const std::size_t slot = session_.submit({.authority = "proof.example", .path = path});
        flush();
        return slot;
    }

    void flush() {
        std::string out;
        session_.take_output(out);
        sent_ += out;
    }

    std::vector<ended> outcomes() {
        std::vector<ended> all;
        while (auto one = session_.next_outcome())
            all.push_back(
                {one->slot, one->how, one->reply.status, std::string(one->reply.body), std::string(one->error),
                 one->unprocessed});
        return all;
    }

    std::vector<ended> receive(std::string_view bytes) {
        session_.receive(bytes);
        flush();
        return outcomes();
    }

    std::optional<std::uint32_t> sent_reset(std::uint32_t stream) const {
        for (const h2_sent& each : frames_of(sent_))
            if (each.type == h2_type::rst_stream && each.stream == stream)
                return static_cast<unsigned char>(each.payload.back());
        return std::nullopt;
    }

    std::size_t count_sent(h2_type type) const {
        const auto frames = frames_of(sent_);
        return static_cast<std::size_t>(
            std::count_if(frames.begin(), frames.end(), [&](const auto& each) { return each.type == type; }));
    }

    h2_session session_;
    std::string sent_;
};

TEST_F(H2Session, GivesAWholeReplyWithTheFieldsThatMatter) {
    const std::size_t slot = request();
    session_.receive(
        headers(
            1, {{":status", "429"},
                {"content-type", "application/json"},
                {"retry-after", "3"},
                {"date", "Sat, 28 Nov 2026 12:00:00 GMT"},
                {"x-request-id", "r-1"},
                {"content-length", "2"},
                {"server", "nginx"}}) +
        data(1, "{}", end_stream));
    const auto one = session_.next_outcome();
    ASSERT_TRUE(one);
    EXPECT_EQ(one->slot, slot);
    EXPECT_EQ(one->how, h2_end::reply);
    EXPECT_EQ(one->reply.status, 429);
    EXPECT_EQ(one->reply.content_type, "application/json");
    EXPECT_EQ(one->reply.content_encoding, "");
    EXPECT_EQ(one->reply.retry_after, "3");
    EXPECT_EQ(one->reply.date, "Sat, 28 Nov 2026 12:00:00 GMT");
    EXPECT_EQ(one->reply.request_id, "r-1");
    EXPECT_EQ(one->reply.body, "{}");
    EXPECT_EQ(session_.in_flight(), 0U);
    EXPECT_FALSE(session_.next_outcome());
}

TEST_F(H2Session, TakesAReplyInSingleBytes) {
    request();
    const std::string bytes = reply(1, R"({"status":"pending"})");
    std::vector<ended> all;
    for (const char each : bytes) {
        const auto some = receive({&each, 1});
        all.insert(all.end(), some.begin(), some.end());
    }
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].body, R"({"status":"pending"})");
}

TEST_F(H2Session, AnswersComeInTheOrderOfTheirEndsWithTheirOwnSlots) {
    const std::size_t first = request("/a");
    const std::size_t second = request("/b");
    const auto all = receive(reply(3, "b") + reply(1, "a"));
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].slot, second);
    EXPECT_EQ(all[0].body, "b");
    EXPECT_EQ(all[1].slot, first);
    EXPECT_EQ(all[1].body, "a");
}

TEST_F(H2Session, ASlotIsNotTakenAgainWhileItsOutcomeIsLookedAt) {
    const std::size_t slot = request();
    session_.receive(reply(1, "first"));
    const auto one = session_.next_outcome();
    ASSERT_TRUE(one);
    const std::size_t other = request();
    EXPECT_NE(other, slot);
    EXPECT_EQ(one->reply.body, "first");
    EXPECT_FALSE(session_.next_outcome());
    EXPECT_EQ(request(), slot);
}

TEST_F(H2Session, SkipsInterimRepliesAndTrailers) {
    request();
    const auto all = receive(
        headers(1, {{":status", "103"}, {"content-type", "text/plain"}}) +
        headers(1, {{":status", "200"}, {"content-type", "application/json"}}) + data(1, "{}") +
        headers(1, {{"x-checksum", "1"}, {"content-type", "text/html"}}, end_stream));
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].how, h2_end::reply);
    EXPECT_EQ(all[0].status, 200);
    EXPECT_EQ(all[0].body, "{}");
}

TEST_F(H2Session, ABodyAtTheLimitIsTakenAndOneByteMoreIsNot) {
    request();
    request();
    std::string bytes = headers(1, {{":status", "200"}}) + headers(3, {{":status", "200"}});
    for (int i = 0; i < 4; ++i) bytes += data(1, std::string(16384, 'a')) + data(3, std::string(16384, 'b'));
    const auto all = receive(bytes + data(1, "", end_stream) + data(3, "b"));
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].how, h2_end::reply);
    EXPECT_EQ(all[0].body.size(), 65536U);
    EXPECT_EQ(all[1].how, h2_end::unusable);
    EXPECT_EQ(all[1].error, "body too large");
    EXPECT_EQ(sent_reset(3), h2_code::cancel);
    EXPECT_FALSE(session_.has_failed());
}

TEST_F(H2Session, AnAnnouncedBodyOverTheLimitIsRefusedAtOnce) {
    request();
    const auto all = receive(headers(1, {{":status", "200"}, {"content-length", "65537"}}));
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].error, "body too large");
    EXPECT_EQ(all[0].status, 200);
}

TEST_F(H2Session, AHeaderOverTheLimitEndsItsStreamAlone) {
    request();
    request();
    // 16,384 with 32 for each field: ":status" "200" is 42, then one field of 16,342.
    const auto filler = [](std::size_t size) { return std::string(size, 'f'); };
    const auto fits = receive(headers(1, {{":status", "200"}, {"a", filler(16342 - 33)}}, end_stream));
    ASSERT_EQ(fits.size(), 1U);
    EXPECT_EQ(fits[0].how, h2_end::reply);
    std::string block = hpack({{":status", "200"}, {"a", filler(16342 - 32)}});
    const auto over = receive(
        frame(h2_type::headers, end_stream, 3, block.substr(0, 9000)) +
        frame(h2_type::continuation, end_headers, 3, block.substr(9000)));
    ASSERT_EQ(over.size(), 1U);
    EXPECT_EQ(over[0].how, h2_end::unusable);
    EXPECT_EQ(over[0].error, "header too large");
    EXPECT_FALSE(session_.has_failed());
}

TEST_F(H2Session, InterimRepliesCountTowardsTheHeader) {
    request();
    std::vector<ended> all;
    for (int i = 0; i < 400 && all.empty(); ++i) all = receive(headers(1, {{":status", "103"}}));
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].error, "header too large");
}

TEST_F(H2Session, AContentLengthThatDoesNotMatchEndsItsStreamAlone) {
    request();
    request();
    const auto all = receive(
        headers(1, {{":status", "200"}, {"content-length", "3"}}) + data(1, "{}", end_stream) + reply(3, "good"));
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].slot == 0 ? all[0].error : all[1].error, "contradicting lengths");
    EXPECT_EQ(all[0].slot == 1 ? all[0].body : all[1].body, "good");
    EXPECT_FALSE(session_.has_failed());
}

TEST_F(H2Session, HeadersThatTheGrammarRefusesAreUnusable) {
    const std::vector<h2_fields> bad{
        {{":status", "200"}, {"a", "line\nbreak"}},
        {{":status", "200"}, {"a b", "x"}},
        {{":status", "200"}, {"Upper", "x"}},
        {{":status", "200"}, {"connection", "close"}},
        {{":status", "200"}, {"transfer-encoding", "chunked"}},
        {{":status", "200"}, {"content-length", "-1"}},
        {{":status", "200"}, {"content-length", "2"}, {"content-length", "3"}},
        {{":status", "200"}, {"content-encoding", "gzip"}, {"content-encoding", "identity"}},
        {{":status", "200"}, {":status", "404"}},
        {{":status", "600"}},
        {{":status", "099"}},
        {{":status", "20"}},
        {{":status", "2x0"}},
        {{":status", "101"}},
        {{"content-type", "application/json"}},
        {{"a", "b"}, {":status", "200"}},
        {{":status", "200"}, {":path", "/"}},
    };
    std::uint32_t id = 1;
    for (const h2_fields& fields : bad) {
        request();
        const auto all = receive(headers(id, fields) + data(id, "{}", end_stream));
        const std::string& last = fields.back().first + ": " + fields.back().second;
        ASSERT_EQ(all.size(), 1U) << last;
        EXPECT_EQ(all[0].how, h2_end::unusable) << last;
        EXPECT_EQ(all[0].error.find("reply: "), std::string::npos) << all[0].error;
        ASSERT_FALSE(session_.has_failed()) << last;
        id += 2;
    }
}

TEST_F(H2Session, AStreamThatIsRefusedWasNotProcessed) {
    request();
    const auto all = receive(rst_stream(1, h2_code::refused_stream));
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].how, h2_end::refused);
    EXPECT_TRUE(session_.accepts());
}

TEST_F(H2Session, AStreamThatIsRefusedAfterItsReplyBeganWasProcessed) {
    request();
    const auto all = receive(headers(1, {{":status", "200"}}) + rst_stream(1, h2_code::refused_stream));
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].how, h2_end::unusable);
}

TEST_F(H2Session, OnlyWhatIsRefusedByItselfBeforeAReplyBeganIsSurelyUnprocessed) {
    struct expectation {
        std::string bytes; ///< to a request on stream 1; then the connection ends
        bool unprocessed = false;
    };
    const std::string begun = headers(1, {{":status", "200"}});
    const std::vector<expectation> all{
        {rst_stream(1, h2_code::refused_stream), true},
        {rst_stream(1, h2_code::enhance_your_calm), true},
        {rst_stream(1, h2_code::http_1_1_required), false},
        {goaway(0, h2_code::no_error), true},
        {goaway(0, h2_code::enhance_your_calm), true},
        {goaway(0, h2_code::http_1_1_required), true},
        {goaway(1, h2_code::no_error) + rst_stream(1, h2_code::refused_stream), true},
        {"", false},
        {rst_stream(1, h2_code::internal_error), false},
        {rst_stream(1, h2_code::cancel), false},
        {goaway(1, h2_code::no_error), false},
        {goaway(1, h2_code::enhance_your_calm), false},
        {goaway(1, h2_code::http_1_1_required), false},
        {goaway(1, h2_code::http_1_1_required) + rst_stream(1, h2_code::cancel), false},
        {begun + rst_stream(1, h2_code::refused_stream), false},
        {begun + rst_stream(1, h2_code::enhance_your_calm), false},
        {begun + goaway(0, h2_code::no_error), false},
        {headers(1, {{":status", "103"}}) + goaway(0, h2_code::enhance_your_calm), false},
        {reply(1, "{}"), false},
        {"garbage that is no frame", false},
    };
    for (std::size_t i = 0; i < all.size(); ++i) {
        h2_session session{h2_limits{}};
        session.submit({.method = "POST", .authority = "proof.example", .path = "/", .body = "{}"});
        std::string out;
        session.take_output(out);
        session.receive(settings() + all[i].bytes);
        session.finish("reply: connection closed");
        const auto one = session.next_outcome();
        ASSERT_TRUE(one) << i;
        EXPECT_EQ(one->unprocessed, all[i].unprocessed) << i;
        EXPECT_FALSE(session.next_outcome()) << i;
    }
    h2_session unsent{h2_limits{}};
    unsent.submit({.authority = "proof.example", .path = "/"});
    unsent.finish("reply: connection closed");
    const auto one = unsent.next_outcome();
    ASSERT_TRUE(one);
    EXPECT_TRUE(one->unprocessed);
}

TEST_F(H2Session, AResetIsNoAnswerOrHalfOne) {
    request();
    request();
    const auto all = receive(
        rst_stream(1, h2_code::internal_error) + headers(3, {{":status", "200"}}) + data(3, "{") +
        rst_stream(3, h2_code::no_error));
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].how, h2_end::unanswered);
    EXPECT_EQ(all[0].error, "reply: the server reset the stream (INTERNAL_ERROR)");
    EXPECT_EQ(all[1].how, h2_end::unusable);
}

TEST_F(H2Session, EnhanceYourCalmIsThrottlingForAStream) {
    request();
    const auto all = receive(rst_stream(1, h2_code::enhance_your_calm));
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].how, h2_end::throttled);
    EXPECT_FALSE(session_.is_throttled());
    EXPECT_TRUE(session_.accepts());
}

TEST_F(H2Session, EnhanceYourCalmInAGoawayIsThrottlingForAllThatItLeavesUnanswered) {
    request();
    request();
    auto all = receive(goaway(1, h2_code::enhance_your_calm));
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].slot, 1U);
    EXPECT_EQ(all[0].how, h2_end::throttled);
    EXPECT_TRUE(session_.is_throttled());
    session_.finish("reply: connection closed");
    all = outcomes();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].slot, 0U);
    EXPECT_EQ(all[0].how, h2_end::throttled);
}

TEST_F(H2Session, AGoawayRefusesWhatIsAboveItsLastStreamAndLetsTheRestEnd) {
    request();
    request();
    auto all = receive(goaway(1, h2_code::no_error));
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].slot, 1U);
    EXPECT_EQ(all[0].how, h2_end::refused);
    EXPECT_FALSE(session_.accepts());
    EXPECT_TRUE(session_.is_closing());
    EXPECT_FALSE(session_.has_failed());
    all = receive(reply(1, "late"));
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].body, "late");
    EXPECT_FALSE(session_.has_failed());
}

TEST_F(H2Session, AnAnnouncedEndThatCutsAReplyOffIsNoFaultOfTheReply) {
    request();
    receive(headers(1, {{":status", "200"}}) + goaway(1, h2_code::no_error));
    session_.finish("reply: connection closed");
    const auto all = outcomes();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].how, h2_end::unanswered);
    EXPECT_EQ(all[0].error, "reply: connection closed");
}

TEST_F(H2Session, AGracefulShutdownTakesTwoGoaways) {
    request();
    request();
    EXPECT_TRUE(receive(goaway(0x7fffffff, h2_code::no_error)).empty());
    EXPECT_FALSE(session_.accepts());
    const auto all = receive(goaway(1, h2_code::no_error) + reply(1, "a"));
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].how, h2_end::refused);
    EXPECT_EQ(all[1].how, h2_end::reply);
}

TEST_F(H2Session, TheEndOfTheConnectionEndsEachRequestOnce) {
    request();
    request();
    receive(headers(1, {{":status", "200"}}));
    session_.submit({.authority = "proof.example", .path = "/never-sent"});
    session_.finish("reply: connection closed");
    session_.finish("again");
    const auto all = outcomes();
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[0].how, h2_end::cut);
    EXPECT_EQ(all[0].error, "truncated (connection closed)");
    EXPECT_EQ(all[1].how, h2_end::unanswered);
    EXPECT_EQ(all[1].error, "reply: connection closed");
    EXPECT_EQ(all[2].how, h2_end::refused);
    EXPECT_TRUE(session_.has_failed());
    EXPECT_FALSE(session_.accepts());
    EXPECT_TRUE(receive(reply(1, "late")).empty());
}

TEST_F(H2Session, ACancelledRequestIsResetAndHasNoOutcome) {
    const std::size_t slot = request();
    session_.cancel(slot);
    flush();
    EXPECT_EQ(sent_reset(1), h2_code::cancel);
    EXPECT_EQ(session_.in_flight(), 0U);
    EXPECT_EQ(request(), slot);
    const auto all = receive(reply(1, "late") + reply(3, "own"));
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].body, "own");
}

TEST_F(H2Session, Http11RequiredIsRemembered) {
    request();
    const auto all = receive(rst_stream(1, h2_code::http_1_1_required));
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].how, h2_end::unanswered);
    EXPECT_TRUE(session_.requires_http1());
}

TEST_F(H2Session, TakesAsManyRequestsAsThePeerAllowsAndAtMostItsOwnLimit) {
    receive(settings({{max_concurrent_streams, 2}}));
    request();
    request();
    EXPECT_FALSE(session_.accepts());
    EXPECT_THROW(request(), std::logic_error);
    receive(settings({{max_concurrent_streams, 1000}}));
    for (int i = 2; i < 100; ++i) request();
    EXPECT_FALSE(session_.accepts());
    EXPECT_EQ(session_.in_flight(), 100U);
    EXPECT_EQ(receive(reply(1, "{}")).size(), 1U);
    EXPECT_TRUE(session_.accepts());
}

TEST_F(H2Session, TakesABoundedNumberOfFields) {
    std::vector<h2_field> fields(h2_request_fields, {"a", "b"});
    session_.submit({.authority = "proof.example", .path = "/", .fields = fields});
    fields.push_back({"a", "b"});
    EXPECT_THROW(session_.submit({.authority = "proof.example", .path = "/", .fields = fields}), std::logic_error);
    EXPECT_EQ(session_.in_flight(), 1U);
}

TEST_F(H2Session, APingIsAnswered) {
    session_.ping();
    flush();
    EXPECT_TRUE(session_.awaits_pong());
    const auto frames = frames_of(sent_);
    ASSERT_EQ(frames.back().type, h2_type::ping);
    receive(frame(h2_type::ping, ack, 0, frames.back().payload));
    EXPECT_FALSE(session_.awaits_pong());
}

TEST_F(H2Session, AnAnnouncedEndLetsWhatIsInFlightEnd) {
    request();
    session_.announce_end();
    flush();
    EXPECT_EQ(count_sent(h2_type::goaway), 1U);
    EXPECT_FALSE(session_.accepts());
    EXPECT_EQ(receive(reply(1, "{}")).size(), 1U);
    EXPECT_FALSE(session_.has_failed());
}

TEST(H2SessionStart, TakesFewRequestsBeforeThePeersSettings) {
    h2_session session({});
    for (std::size_t i = 0; i < h2_streams_before_settings; ++i) {
        ASSERT_TRUE(session.accepts());
        session.submit({.authority = "proof.example", .path = "/"});
    }
    EXPECT_FALSE(session.accepts());
    session.receive(settings());
    EXPECT_TRUE(session.accepts());
}

TEST(H2SessionStart, SaysWhatItTakes) {
    h2_session session({.reply_bytes = 1000});
    std::string out;
    session.take_output(out);
    const auto frames = frames_of(out);
    ASSERT_EQ(frames.size(), 2U);
    EXPECT_EQ(frames[0].type, h2_type::settings);
    EXPECT_EQ(
        frames[0].payload,
        number(2, 2) + number(0, 4) + number(4, 2) + number(1001, 4) + number(6, 2) + number(16384, 4));
    EXPECT_EQ(frames[1].type, h2_type::window_update);
}

} // namespace
} // namespace prooftrack::proof
