#pragma once

// A move-only std::function: completion handlers own what they need and run once.

#include <memory>
#include <type_traits>
#include <utility>

#include "base/expects.hpp"

namespace prooftrack {

namespace unique_function_detail {

/// What every callable is owned by. One type for all signatures: a unique_ptr of its own for each signature and each
/// lambda was a quarter of what a test of the engine had to compile.
struct owned {
    virtual ~owned() = default;
};

} // namespace unique_function_detail

template <class Signature>
class unique_function;

/// Owns one callable. Calling an empty one is a broken invariant. Moved-from is empty.
template <class Result, class... Args>
class unique_function<Result(Args...)> {
  public:
    unique_function() = default;

    template <class Callable>
    requires(
        !std::is_same_v<std::remove_cvref_t<Callable>, unique_function> &&
        std::is_invocable_r_v<Result, std::remove_cvref_t<Callable>&, Args...>)
        unique_function(Callable&& callable) // NOLINT(google-explicit-constructor): handlers are passed as lambdas
        : target_(new holder<std::remove_cvref_t<Callable>>(std::forward<Callable>(callable))) {}

    explicit operator bool() const { return target_ != nullptr; }

    Result operator()(Args... args) {
        expects(target_ != nullptr, "unique_function: an empty one was called");
        return static_cast<callable_base&>(*target_).call(std::forward<Args>(args)...);
    }

  private:
    struct callable_base : unique_function_detail::owned {
        virtual Result call(Args... args) = 0;
    };
    template <class Callable>
    struct holder final : callable_base {
        explicit holder(Callable held) : callable(std::move(held)) {}
        Result call(Args... args) override { return callable(std::forward<Args>(args)...); }
        Callable callable;
    };
    std::unique_ptr<unique_function_detail::owned> target_; ///< a callable_base
};

} // namespace prooftrack
