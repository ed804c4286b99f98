#pragma once

// What a listener serves. Proof is one. (The example shop, which waits for the daemon, has a listener of its own:
// shop/.)

#include <cstdint>

#include "reply.hpp"

namespace prooftrack::sandbox {

class site {
  public:
    virtual ~site() = default;

    /// Whether a connection may be made now (false: it is closed at once, before TLS).
    virtual bool admits_connection(instant now) = 0;
    /// Most bytes of a body for this target.
    virtual std::uint64_t body_limit(std::string_view target) const = 0;
    /// What to do about one request. Called once a request, in the order of arrival on its connection.
    virtual reply_plan answer(const incoming_request& request) = 0;
    /// HTTP/2: how many streams a connection may have open at once now; nullopt = as many as usual.
    virtual std::optional<std::uint32_t> stream_limit(instant now) const = 0;
};

} // namespace prooftrack::sandbox
