// Targets and queries of /v1/events: a cursor is a number or refused, a wait has its bound.

#include <cstdint>
#include <string_view>

#include "api/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace prooftrack;
    const api::request_target target = api::split_target(std::string_view(reinterpret_cast<const char*>(data), size));
    api::percent_decode(target.path);
    const auto query = api::query_values::parse(target.query);
    if (!query) return 0;
    (void)query->number("after");
    (void)query->time("settled_after");
    if (const auto wait = query->wait(); wait && (*wait < milliseconds(0) || *wait > api::longest_wait))
        __builtin_trap();
    if (const auto limit = query->limit(); limit && (*limit < 1 || *limit > api::largest_limit)) __builtin_trap();
    return 0;
}
