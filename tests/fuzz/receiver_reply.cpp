// Whatever a receiver sends, in whatever pieces: the same reply comes out, within its bounds.

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "net/reply_reader.hpp"

using namespace prooftrack;

namespace {

net::reply_reader read_in_pieces(std::string_view bytes, std::size_t piece, std::size_t& taken) {
    net::reply_reader reader{net::http_limits{.header = 2048, .body = 512}};
    taken = 0;
    while (taken < bytes.size() && !reader.is_over()) {
        const std::size_t used = reader.feed(bytes.substr(taken, piece));
        if (used == 0) __builtin_trap();
        taken += used;
    }
    reader.finish(true);
    return reader;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    std::size_t taken = 0;
    const net::http_reply whole = read_in_pieces(bytes, std::max<std::size_t>(bytes.size(), 1), taken).reply();
    if (whole.body.size() > 512 || whole.headers.size() > 128) __builtin_trap();
    if (whole.status != 0 && (whole.status < 200 || whole.status > 999)) __builtin_trap();
    if (whole.keep_alive && (!whole.is_whole || whole.status == 0)) __builtin_trap();
    std::size_t taken_in_pieces = 0;
    const net::http_reply pieces = read_in_pieces(bytes, 1 + data[0] % 7, taken_in_pieces).reply();
    const bool is_same = pieces.status == whole.status && pieces.keep_alive == whole.keep_alive &&
                         pieces.is_whole == whole.is_whole && (!whole.is_whole || taken == taken_in_pieces);
    if (!is_same) __builtin_trap();
    return 0;
}
