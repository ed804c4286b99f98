#pragma once

// The state of the whole daemon that the use cases need.

#include <cstdint>

#include "store/store.hpp"

namespace prooftrack::engine {

/// `engine_life` changes the phase, the store reports its own state.
struct daemon_state {
    enum class phase : std::uint8_t { loading, running, stopping };
    phase life = phase::loading;
    track::store_state disk = track::store_state::ok; ///< as last reported: reading it does not access the disk
};

} // namespace prooftrack::engine
