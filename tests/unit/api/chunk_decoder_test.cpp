#include "api/chunk_decoder.hpp"

#include <utility>

#include <gtest/gtest.h>

namespace prooftrack {
namespace {

std::pair<chunk_decoder::progress, std::string> decode(const std::string& coded, std::size_t piece,
                                                       std::size_t limit = 100) {
    chunk_decoder decoder(limit);
    std::string input;
    std::string body;
    auto made = chunk_decoder::progress::more;
    for (std::size_t at = 0; at < coded.size() && made == chunk_decoder::progress::more; at += piece) {
        input += coded.substr(at, piece);
        made = decoder.decode(input, body);
    }
    return {made, body};
}

TEST(ChunkDecoder, GivesTheSameHoweverTheBytesAreCut) {
    for (const std::string& coded :
         {std::string("5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: x\r\n\r\n"), std::string("0\r\n\r\n"),
          std::string("0\r\nhello\r\n0\r\n\r\n"), std::string("5\nhello\r\n0\r\n\r\n"),
          std::string("5\r\nhelloX\r\n0\r\n\r\n"), std::string("g\r\n"), std::string("ffffffffffffffff\r\n"),
          std::string("-1\r\n")}) {
        const auto whole = decode(coded, coded.size());
        for (std::size_t piece = 1; piece < coded.size(); ++piece)
            EXPECT_EQ(decode(coded, piece), whole) << coded << piece;
    }
    EXPECT_EQ(decode("5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: x\r\n\r\n", 3).second, "hello world");
}

TEST(ChunkDecoder, RefusesWhatIsMalformedOrTooLarge) {
    using progress = chunk_decoder::progress;
    EXPECT_EQ(decode("0\r\nhello\r\n0\r\n\r\n", 1).first, progress::malformed) << "a trailer line without a colon";
    EXPECT_EQ(decode("5\nhello", 1).first, progress::malformed) << "a bare line feed";
    EXPECT_EQ(decode(" 5\r\n", 1).first, progress::malformed);
    EXPECT_EQ(decode("5\r\nhelloX\r\n", 1).first, progress::malformed);
    EXPECT_EQ(decode("65\r\n" + std::string(101, 'x'), 7).first, progress::too_large);
    EXPECT_EQ(decode("64\r\n" + std::string(100, 'x') + "\r\n0\r\n\r\n", 7).first, progress::done);
    EXPECT_EQ(decode(std::string(20'000, '1'), 1'000).first, progress::malformed) << "an endless chunk line";
    EXPECT_EQ(decode("0\r\n" + std::string(20'000, 'a'), 1'000).first, progress::malformed) << "an endless trailer";
}

} // namespace
} // namespace prooftrack
