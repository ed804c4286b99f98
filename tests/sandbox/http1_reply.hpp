#pragma once

// What HTTP/1.1 makes of a reply and of the fault that strikes it. Pure.

#include "reply.hpp"

namespace prooftrack::sandbox {

/// What an HTTP/1.1 connection does: waits, sends, goes on or ends.
struct http1_plan {
    enum class ending : std::uint8_t {
        as_asked, ///< keep the connection when the client wants it
        close,    ///< close it without a word
        stall,    ///< keep it open and send nothing more
    };
    milliseconds delay{0};
    std::string bytes;                        ///< sent first
    std::function<bool(std::string&)> more{}; ///< then pieces until it returns false
    std::optional<milliseconds> drip;         ///< one byte at a time, this far apart
    ending then = ending::as_asked;
    milliseconds stall_for{0};
};

http1_plan make_http1_plan(reply_plan plan, const incoming_request& request);

} // namespace prooftrack::sandbox
