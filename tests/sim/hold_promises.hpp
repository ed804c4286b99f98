#pragma once

// Maintenance: from the answer that turned it on until it may be off again nobody is polled and nothing attempted,
// through crashes and restarts.

#include <optional>
#include <string>
#include <string_view>

#include "sim/violations.hpp"

namespace prooftrack::sim {

class hold_promises {
  public:
    explicit hold_promises(violations& broken) : broken_(broken) {}

    void on_call(bool wants_on) {
        ++open_;
        if (!wants_on) is_on_ = false;
    }
    /// nullopt = an error. Answers come in the order of their commits.
    void on_answer(std::optional<bool> is_on) {
        --open_;
        if (is_on) is_on_ = *is_on && open_ == 0;
    }
    /// Calls under way are never answered.
    void on_crash() { open_ = 0; }

    void check(std::string_view what, const std::string& about) {
        if (is_on_) broken_.add("{} {} within maintenance", about, what);
    }

  private:
    violations& broken_;
    int open_ = 0;
    bool is_on_ = false; ///< for certain
};

} // namespace prooftrack::sim
