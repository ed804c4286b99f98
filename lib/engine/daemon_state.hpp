#pragma once

// What the use cases have to know of the daemon as a whole.

#include <cstdint>

#include "store/store.hpp"

namespace prooftrack {

/// `engine_life` moves it on; the store says how it is.
struct daemon_state {
    enum class phase : std::uint8_t { loading, running, stopping };
    phase life = phase::loading;
    store_state disk = store_state::ok; ///< what was said last: reading it does not try the disk
};

} // namespace prooftrack
