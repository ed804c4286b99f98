#pragma once

// Broken promises of a run, in the order in which they were seen.

#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "support/virtual_time.hpp"

namespace prooftrack::sim {

class violations {
  public:
    explicit violations(const virtual_clock& clock) : clock_(clock) {}

    template <class... Args>
    void add(fmt::format_string<Args...> text, Args&&... args) {
        if (all_.size() >= 20) return;
        all_.push_back(fmt::format(
            "{}: {}", format_wall_time(clock_.true_wall()), fmt::format(text, std::forward<Args>(args)...)));
    }
    const std::vector<std::string>& all() const { return all_; }

  private:
    const virtual_clock& clock_;
    std::vector<std::string> all_;
};

} // namespace prooftrack::sim
