#pragma once

// Pauses between attempts: doubling, with jitter, so that many bridges do not come back at once. Pure.

#include "base/random.hpp"
#include "base/time.hpp"

namespace prooftrack::ctl {

class retry_pause {
  public:
    static constexpr milliseconds shortest{200};
    static constexpr milliseconds longest{10'000};

    explicit retry_pause(random_source random) : random_(random) {}

    /// The next one: between half of 200 ms, 400 ms, … 10 s and the whole of it.
    milliseconds next();
    /// Something succeeded.
    void reset() { span_ = shortest; }

  private:
    random_source random_;
    milliseconds span_{shortest};
};

} // namespace prooftrack::ctl
