// A request on the socket, in whatever pieces: bounded, and the same whether it comes whole or byte by byte.

#include <cstdint>
#include <string>
#include <string_view>

#include "api/request_reader.hpp"
#include "api/tracking_body.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace prooftrack;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto read = [&](std::size_t piece) {
        api::request_reader reader;
        for (std::size_t at = 0; at < text.size(); at += piece) {
            reader.append(text.substr(at, piece));
            api::request_reader::step step = reader.next();
            if (step == api::request_reader::step::head) {
                reader.accept_body(4096);
                step = reader.next();
            }
            if (step == api::request_reader::step::whole) return std::string("whole ") + reader.take_body();
            if (step == api::request_reader::step::refused) return std::string("refused");
        }
        return std::string("more");
    };
    if (read(text.size() + 1) != read(1)) __builtin_trap();
    api::parse_track_request(text);
    api::parse_session_body(text);
    return 0;
}
