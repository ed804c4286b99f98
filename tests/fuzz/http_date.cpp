// Retry-After and dates: never a wait outside its bounds, never an overflow.

#include <cstdint>
#include <string_view>

#include "proof/http_date.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace prooftrack;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const wall_time now{milliseconds(1'775'037'600'000)};
    const auto date = proof::parse_http_date(text, now);
    const auto wait = proof::parse_retry_after(text, date, now);
    if (wait && (*wait < proof::least_retry_after || *wait > proof::longest_poll_retry_after)) __builtin_trap();
    if (const auto time = parse_wall_time(text); time && parse_wall_time(format_wall_time(*time)) != time)
        __builtin_trap();
    if (const auto span = parse_duration(text); span && parse_duration(format_duration(*span)) != span)
        __builtin_trap();
    return 0;
}
