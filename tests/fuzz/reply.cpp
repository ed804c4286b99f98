// Whatever Proof (or who sits between) sends: one answer, and a terminal word only with our id in a whole JSON object.

#include <cstdint>
#include <string_view>

#include "proof/codec.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace prooftrack;
    if (size < 2) return 0;
    const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
    proof::reply_view reply;
    constexpr int statuses[] = {200, 400, 401, 403, 404, 429, 500, 204};
    reply.status = statuses[data[0] % 8];
    reply.content_type = data[1] % 4 == 0 ? "text/html" : "application/json; charset=utf-8";
    reply.request_id = body.substr(0, 200);
    reply.retry_after = reply.date = body.substr(0, 40);
    reply.body = body;
    const track::poll_answer answer =
        classify_reply(reply, {.id = "tx-1", .known_body = 0, .hash_seed = 7}, wall_time{});
    if (answer.request_id.size() > 128) __builtin_trap();
    if (answer.what != track::reply_class::good) return 0;
    if (reply.status != 200 || answer.status.empty() || answer.status.size() > track::max_status_length)
        __builtin_trap();
    if (body.find("merchant_transaction_id") == std::string_view::npos && body.find('\\') == std::string_view::npos)
        __builtin_trap();
    return 0;
}
