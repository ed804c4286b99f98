#pragma once

// Everything that a byte_source gives.

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>

#include "base/byte_source.hpp"

namespace prooftrack {

/// Takes all of it; `turn` lets the loop run. Throws when it breaks, or gives nothing for ten seconds.
inline std::string drained(byte_source& source, const std::function<void()>& turn) {
    std::string all;
    auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    for (;;) {
        std::string piece;
        switch (source.next(piece)) {
        case byte_source::progress::more:
            all += piece;
            until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
            break;
        case byte_source::progress::wait:
            if (std::chrono::steady_clock::now() > until) throw std::runtime_error("nothing came");
            turn();
            std::this_thread::yield();
            break;
        case byte_source::progress::end:
            return all;
        case byte_source::progress::broken:
            throw std::runtime_error("it broke");
        }
    }
}

} // namespace prooftrack
