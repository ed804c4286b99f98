#include "net/chunk_decoder.hpp"

#include <ostream>
#include <string>

#include <gtest/gtest.h>

namespace prooftrack::net {
namespace {

struct outcome {
    bool is_done = false;
    chunk_fault fault = chunk_fault::none;
    std::string body;
    bool operator==(const outcome&) const = default;
};

void PrintTo(const outcome& value, std::ostream* out) {
    *out << (value.is_done ? "done " : "") << "fault " << static_cast<int>(value.fault) << " '" << value.body << "'";
}

outcome decode(const std::string& coded, std::size_t piece, chunk_rules rules = {.body = 100}) {
    chunk_decoder decoder(rules);
    outcome got;
    for (std::size_t at = 0; at < coded.size() && !decoder.is_done() && decoder.fault() == chunk_fault::none;
         at += piece)
        decoder.feed(std::string_view(coded).substr(at, piece), got.body);
    got.is_done = decoder.is_done();
    got.fault = decoder.fault();
    return got;
}

constexpr chunk_rules lenient{.body = 100, .is_lenient = true};

TEST(ChunkDecoder, GivesTheSameHoweverTheBytesAreCut) {
    for (const chunk_rules rules : {chunk_rules{.body = 100}, lenient}) {
        for (const std::string& coded :
             {std::string("5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: x\r\n\r\n"), std::string("0\r\n\r\n"),
              std::string("0\r\nhello\r\n0\r\n\r\n"), std::string("5\nhello\n0\n\n"),
              std::string("5\r\nhelloX\r\n0\r\n\r\n"), std::string("g\r\n"), std::string("ffffffffffffffffffff\r\n"),
              std::string("-1\r\n"), "65\r\n" + std::string(101, 'x') + "\r\n0\r\n\r\n"}) {
            const outcome whole = decode(coded, coded.size(), rules);
            for (std::size_t piece = 1; piece < coded.size(); ++piece)
                EXPECT_EQ(decode(coded, piece, rules), whole) << coded << piece;
        }
    }
    const outcome got = decode("5\r\nhello\r\n6;x=y\r\n world\r\n0A  \r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n", 3);
    EXPECT_TRUE(got.is_done);
    EXPECT_EQ(got.body, "hello world0123456789");
}

TEST(ChunkDecoder, LeavesWhatFollowsTheBody) {
    chunk_decoder decoder({.body = 100});
    std::string body;
    EXPECT_EQ(decoder.feed("1\r\na\r\n0\r\n\r\nGET", body), 11U);
    EXPECT_TRUE(decoder.is_done());
    EXPECT_EQ(decoder.feed("GET", body), 0U);
    decoder.reset({.body = 2});
    body.clear();
    EXPECT_EQ(decoder.feed("2\r\nab\r\n0\r\n\r\n", body), 12U);
    EXPECT_EQ(body, "ab");
}

TEST(ChunkDecoder, RefusesWhatIsMalformed) {
    for (const char* coded :
         {"0\r\nhello\r\n", "0\r\n: x\r\n", "0\r\na b: x\r\n", "0\r\na: \x01\r\n", "5\nhello", " 5\r\n", "5 5\r\n",
          "5\r\nhelloX", "5\r\nhello\n", "5\r\nhello\rX", "\r\n", ";a\r\n", "0x1\r\n", "-1\r\n", "g\r\n", "1;\x01\r\n",
          "fffffffffffffffff\r\n"})
        EXPECT_EQ(decode(coded, 1).fault, chunk_fault::malformed) << coded;
}

TEST(ChunkDecoder, ALenientOneTakesBareLineFeedsBlanksAndAnyTrailer) {
    for (const char* coded : {"5\nhello\n0\n\n", " 5 \r\nhello\r\n0\r\nno colon\r\n\r\n", "5;\x01\nhello\r\n0\n\r\n"}) {
        EXPECT_TRUE(decode(coded, 1, lenient).is_done) << coded;
        EXPECT_EQ(decode(coded, 1, lenient).body, "hello");
    }
    for (const char* coded : {"5\r\nhelloX", "5\r\nhello\r\r\n", "g\r\n", "\r\n"})
        EXPECT_EQ(decode(coded, 1, lenient).fault, chunk_fault::malformed) << coded;
}

TEST(ChunkDecoder, HoldsTheBodyToItsBound) {
    EXPECT_TRUE(decode("64\r\n" + std::string(100, 'x') + "\r\n0\r\n\r\n", 7).is_done);
    const outcome refused = decode("65\r\n" + std::string(101, 'x'), 7);
    EXPECT_EQ(refused.fault, chunk_fault::body_too_large);
    EXPECT_EQ(refused.body, "") << "before the first byte came";
    EXPECT_EQ(decode("64\r\n" + std::string(100, 'x') + "\r\n1\r\n", 7).fault, chunk_fault::body_too_large);
    const outcome cut = decode("ffff\r\n" + std::string(101, 'x'), 7, lenient);
    EXPECT_EQ(cut.fault, chunk_fault::body_too_large);
    EXPECT_EQ(cut.body, std::string(100, 'x')) << "the beginning is kept";
}

TEST(ChunkDecoder, HoldsLinesAndTrailersToTheirBound) {
    const auto fault_of = [](const std::string& coded) { return decode(coded, 1'000, {.body = 10'000}).fault; };
    EXPECT_EQ(fault_of(std::string(20'000, '1')), chunk_fault::lines_too_long) << "an endless chunk line";
    EXPECT_EQ(fault_of("0\r\n" + std::string(20'000, 'a')), chunk_fault::lines_too_long) << "an endless trailer";
    std::string wordy;
    for (int i = 0; i < 500; ++i) wordy += "1;" + std::string(200, 'x') + "\r\na\r\n";
    EXPECT_EQ(fault_of(wordy), chunk_fault::lines_too_long) << "all of them together";
    std::string tiny;
    for (int i = 0; i < 10'000; ++i) tiny += "1\r\na\r\n";
    EXPECT_TRUE(decode(tiny + "0\r\n\r\n", 1'000, {.body = 10'000}).is_done) << "chunks of one byte are allowed";
}

} // namespace
} // namespace prooftrack::net
