#pragma once

// Bytes that somebody makes piece by piece, as fast as they are taken.

#include <cstdint>
#include <string>

#include "base/unique_function.hpp"

namespace prooftrack {

/// Lives on the loop, whatever thread makes the bytes. May be dropped at any time: the making ends then.
class byte_source {
  public:
    enum class progress : std::uint8_t {
        more,   ///< `out` is the next piece
        wait,   ///< none yet: the waker is called when there may be one
        end,    ///< everything was given
        broken, ///< it cannot go on: what was given is not whole
    };
    virtual ~byte_source() = default;

    virtual progress next(std::string& out) = 0;
    /// True when `next` would say `broken`.
    virtual bool is_broken() const = 0;
    /// Called on the loop, never from inside `next`; may come more often than needed.
    virtual void set_waker(unique_function<void()> waker) = 0;
};

} // namespace prooftrack
