#pragma once

// A response body that is made while it is sent.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_function.hpp"

namespace prooftrack::api {

/// Immutable bytes; shared because many readers may be sent the same ones.
using shared_bytes = std::shared_ptr<const std::string>;

/// The connection calls `next` only when all earlier bytes are in the socket (back-pressure).
class body_stream {
  public:
    enum class progress : std::uint8_t {
        more,   ///< bytes were appended
        wait,   ///< none now: the waker is called when there may be some
        end,    ///< the body is whole
        broken, ///< it cannot go on: the connection is closed without a proper end
    };
    virtual ~body_stream() = default;

    virtual progress next(std::vector<shared_bytes>& out) = 0;

    /// The socket took some bytes.
    virtual void on_progress() {}

    /// Sent when nothing else was for a while; empty = it is waited for in silence, null = it should have come by now:
    /// the connection is closed.
    virtual shared_bytes heartbeat() const { return nullptr; }

    /// True when the daemon's stop should end it now rather than wait for its end.
    virtual bool endless() const { return false; }

    /// True when `next` would say `broken`.
    virtual bool is_broken() const { return false; }

    /// Bytes that `next` will give in all, where they are known beforehand.
    virtual std::optional<std::uint64_t> size() const { return std::nullopt; }

    /// Called after `wait` when `next` should be called again, and at any time when the stream broke; never from inside
    /// `next`. May come more than once before `next` is called.
    virtual void set_waker(unique_function<void()> waker) = 0;
};

} // namespace prooftrack::api
