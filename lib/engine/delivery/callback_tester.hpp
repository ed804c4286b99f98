#pragma once

// Tests of callbacks: one signed `callback.test` event, sent by hand, outside the lanes, recorded nowhere.

#include <cstddef>
#include <string>

#include "base/unique_function.hpp"
#include "engine/delivery/delivery_context.hpp"

namespace prooftrack::engine {

/// Most tests of callbacks under way.
inline constexpr std::size_t most_callback_tests = 16;

class callback_tester {
  public:
    /// The context must outlive it.
    explicit callback_tester(delivery_context& context) : context_(context) {}

    /// The handler gets the outcome: at once one that says so when the daemon is stopping or `most_callback_tests` are
    /// under way. Requires that the callback is configured.
    void test(const std::string& callback, instant now, unique_function<void(callback::delivery_outcome)> handler);

  private:
    delivery_context& context_;
    std::size_t under_way_ = 0;
};

} // namespace prooftrack::engine
