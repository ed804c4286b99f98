#pragma once

// The one guard for callbacks that may run after their owner has gone: posted handlers, timers, answers of others.

#include <memory>
#include <type_traits>
#include <utility>

namespace prooftrack {

/// A member of each class that hands callbacks out. What was made by `guarded` runs while the owner lives and does
/// nothing afterwards. Declared last among the members, it ends before what the callbacks use. For one thread: the
/// check and the call are two steps.
///
/// An object that is shared with its own pending operations holds itself instead (`shared_from_this`); both are needed
/// where such an object may drop its last owner in the middle of a call.
class lifetime {
    template <class Callable>
    struct guarded_call;

  public:
    /// Tells whether the owner is still there; may outlive it.
    class watch {
      public:
        explicit operator bool() const { return !alive_.expired(); }

      private:
        friend class lifetime;
        explicit watch(std::weak_ptr<const char> alive) : alive_(std::move(alive)) {}
        std::weak_ptr<const char> alive_;
    };

    lifetime() : alive_(std::make_shared<const char>('\0')) {}
    lifetime(const lifetime&) = delete;
    lifetime& operator=(const lifetime&) = delete;

    watch observe() const { return watch(alive_); }

    /// Before the destructor, where an owner stops: nothing that was guarded so far runs any more.
    void end() { alive_.reset(); }

    /// `callable`, which returns nothing, as a callable that does nothing after the owner has gone.
    template <class Callable>
    auto guarded(Callable callable) const {
        return guarded_call<Callable>{observe(), std::move(callable)};
    }

  private:
    std::shared_ptr<const char> alive_;
};

template <class Callable>
struct lifetime::guarded_call {
    watch owner;
    Callable call;

    template <class... Args>
    requires std::is_invocable_v<Callable&, Args...>
    void operator()(Args&&... args) {
        if (owner) call(std::forward<Args>(args)...);
    }
};

} // namespace prooftrack
