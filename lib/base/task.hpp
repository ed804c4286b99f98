#pragma once

// Use cases as coroutines over callback interfaces, without an executor.
//
//     task<outcome<transaction_view>> transaction_views::find(transaction_id id) {
//         auto found = co_await call(store_, &store::find, id);
//         if (!found) co_return store_problem(found.error());
//         …
//
// asio::awaitable and net/task_group.hpp do not fit: both need an executor, and each start and each completion goes
// through its queue. A use case has to go on inside the very handler that answers it (a commit's handler publishes its
// event before the next commit's handler runs), and the simulation drives it on virtual time without any loop.
//
// For one thread. A frame costs one allocation, a call that waits the one of its unique_function.

#include <concepts>
#include <coroutine>
#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/expects.hpp"
#include "base/lifetime.hpp"
#include "base/unique_function.hpp"

namespace prooftrack {

/// Whose member coroutines are guarded: one that is to go on after its owner has gone is destroyed instead. `observe`
/// is that of a `lifetime`, the owner's last member.
template <class Owner>
concept task_owner = requires(const Owner& owner) {
    { owner.observe() } -> std::same_as<lifetime::watch>;
};

namespace task_detail {

/// What every task's promise has: its awaiter, and the owner that must live for it to resume.
class frame {
  public:
    frame(const frame&) = delete;
    frame& operator=(const frame&) = delete;

    std::coroutine_handle<> handle() const { return handle_; }
    frame* awaited_by() const { return awaited_by_; }
    void set_awaited_by(frame& other) { awaited_by_ = &other; }

    /// False when the owner of this coroutine, or of one that waits for it, has gone.
    bool may_go_on() const {
        for (const frame* each = this; each != nullptr; each = each->awaited_by_) {
            if (each->owner_ && !*each->owner_) return false;
        }
        return true;
    }
    /// Destroys the outermost coroutine, which has no awaiter, and with it all that it awaits, this one included.
    void destroy_all() {
        frame* outermost = this;
        while (outermost->awaited_by_ != nullptr) outermost = outermost->awaited_by_;
        outermost->handle_.destroy();
    }

  protected:
    frame() = default;
    explicit frame(lifetime::watch owner) : owner_(std::move(owner)) {}
    ~frame() = default;
    void set_handle(std::coroutine_handle<> handle) { handle_ = handle; }

  private:
    std::coroutine_handle<> handle_;
    frame* awaited_by_ = nullptr;
    std::optional<lifetime::watch> owner_;
};

/// void as a value.
template <class Value>
using stored = std::conditional_t<std::is_void_v<Value>, std::monostate, Value>;
template <class Value>
struct handler_for {
    using type = unique_function<void(Value)>;
};
template <>
struct handler_for<void> {
    using type = unique_function<void()>;
};

/// A callback that has been started and the coroutine that waits for it; each end knows where the other one is.
template <class Value>
class pending_call {
  public:
    /// The handler. Called: the coroutine goes on, inside the call. Destroyed uncalled: the coroutine is destroyed.
    class completion {
      public:
        explicit completion(pending_call& waiting) : waiting_(&waiting) { waiting.completion_ = this; }
        completion(completion&& other) noexcept : waiting_(std::exchange(other.waiting_, nullptr)) {
            if (waiting_ != nullptr) waiting_->completion_ = this;
        }
        completion& operator=(completion&&) = delete;
        ~completion() {
            if (waiting_ != nullptr) std::exchange(waiting_, nullptr)->on_abandoned();
        }

        /// A second call, and one after the coroutine has gone, does nothing.
        template <class... Args>
        requires(sizeof...(Args) == (std::is_void_v<Value> ? 0 : 1)) void operator()(Args&&... args) {
            if (waiting_ != nullptr)
                std::exchange(waiting_, nullptr)->on_called(stored<Value>(std::forward<Args>(args)...));
        }

      private:
        friend class pending_call;
        pending_call* waiting_;
    };

    pending_call() = default;
    pending_call(const pending_call&) = delete;
    pending_call& operator=(const pending_call&) = delete;
    ~pending_call() {
        if (completion_ != nullptr) completion_->waiting_ = nullptr;
    }

    /// False when the coroutine goes on at once. Destroys it when the handler has gone already.
    template <class Initiate>
    bool start(frame& waiting, Initiate& initiate) {
        waiting_ = &waiting;
        is_starting_ = true;
        initiate(typename handler_for<Value>::type(completion(*this)));
        is_starting_ = false;
        if (completion_ != nullptr) return true;
        if (value_ && waiting.may_go_on()) return false;
        waiting.destroy_all(); // and this object
        return true;
    }
    stored<Value> take() { return std::move(*value_); }

  private:
    void on_called(stored<Value> value) {
        completion_ = nullptr;
        value_.emplace(std::move(value));
        if (is_starting_) return; // `start` sees it: no second resumption, no deeper stack
        if (waiting_->may_go_on()) {
            waiting_->handle().resume();
        } else {
            waiting_->destroy_all();
        }
    }
    void on_abandoned() {
        completion_ = nullptr;
        if (!is_starting_) waiting_->destroy_all();
    }

    frame* waiting_ = nullptr;
    completion* completion_ = nullptr;
    std::optional<stored<Value>> value_;
    bool is_starting_ = false;
};

template <class Value, class Initiate>
class call_awaiter {
  public:
    explicit call_awaiter(Initiate initiate) : initiate_(std::move(initiate)) {}

    bool await_ready() const noexcept { return false; }
    // Not inlined: clang 14 may put an inlined one's variables into the frame, which can be gone when it returns.
    template <std::derived_from<frame> Promise>
    [[gnu::noinline]] bool await_suspend(std::coroutine_handle<Promise> waiting) {
        return pending_.start(waiting.promise(), initiate_);
    }
    Value await_resume() {
        if constexpr (!std::is_void_v<Value>) return pending_.take();
    }

  private:
    Initiate initiate_;
    pending_call<Value> pending_;
};

template <class Handler>
struct value_of_handler;
template <>
struct value_of_handler<unique_function<void()>> {
    using type = void;
};
template <class Value>
struct value_of_handler<unique_function<void(Value)>> {
    using type = Value;
};

} // namespace task_detail

/// Awaits a callback: `initiate` is called with a handler, `unique_function<void(Value)>`, and the coroutine goes on
/// inside the call of it with its value. The handler may be called before `initiate` returns. When it is destroyed
/// without a call, the waiting coroutine and its own awaiters are destroyed: none of them resumes.
template <class Value, class Initiate>
auto call(Initiate initiate) {
    return task_detail::call_awaiter<Value, Initiate>(std::move(initiate));
}

/// The same for a method whose last parameter is the handler. The arguments are kept until it is called.
template <class Object, class Class, class Result, class... Params, class... Args>
auto call(Object& object, Result (Class::*method)(Params...), Args&&... args) {
    static_assert(sizeof...(Params) == sizeof...(Args) + 1, "the handler is what is left out");
    using handler = std::tuple_element_t<sizeof...(Args), std::tuple<Params...>>;
    using value = typename task_detail::value_of_handler<handler>::type;
    auto initiate = [&object, method,
                     given = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)](handler done) mutable {
        std::apply([&](auto&... each) { (object.*method)(std::move(each)..., std::move(done)); }, given);
    };
    return call<value>(std::move(initiate));
}

/// A coroutine that begins when it is awaited or started, either of them once. One that is neither never runs.
/// Its awaiter gets its value or its exception and resumes at once when it ends (symmetric transfer).
///
/// A coroutine takes what it keeps by value: a reference that it was called with may be gone when it goes on. No lambda
/// with captures is a coroutine: its captures go with it.
template <class Value = void>
class [[nodiscard]] task {
  public:
    class promise_type;

    task(task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    task& operator=(task&&) = delete;
    ~task() {
        if (handle_) handle_.destroy();
    }

    class awaiter {
      public:
        explicit awaiter(std::coroutine_handle<promise_type> awaited) : awaited_(awaited) {}
        bool await_ready() const noexcept { return false; }
        template <std::derived_from<task_detail::frame> Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
            awaited_.promise().set_awaited_by(waiting.promise());
            return awaited_;
        }
        Value await_resume() { return awaited_.promise().take(); }

      private:
        std::coroutine_handle<promise_type> awaited_;
    };
    awaiter operator co_await() && {
        expects(handle_ && !handle_.promise().awaited_by(), "task: awaited twice, or after it was started");
        return awaiter(handle_);
    }

    template <class Any>
    friend void start(task<Any> what, typename task_detail::handler_for<Any>::type then);

  private:
    explicit task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    std::coroutine_handle<promise_type> handle_;
};

namespace task_detail {

template <class Value>
class result_of_task : public frame {
  public:
    using then_type = typename handler_for<Value>::type;

    std::suspend_always initial_suspend() const noexcept { return {}; }
    void unhandled_exception() {
        if (awaited_by() == nullptr) std::terminate();
        error_ = std::current_exception();
    }
    void set_then(then_type then) { then_ = std::move(then); }
    Value take() {
        if (error_) std::rethrow_exception(error_);
        if constexpr (!std::is_void_v<Value>) return std::move(*value_);
    }

    /// A task without an awaiter reports its outcome and destroys itself.
    class ending {
      public:
        explicit ending(result_of_task& ended) : ended_(ended) {}
        bool await_ready() noexcept {
            if (ended_.awaited_by() != nullptr) return false;
            ended_.tell();
            return true;
        }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) noexcept {
            return ended.promise().awaited_by()->handle();
        }
        void await_resume() const noexcept {}

      private:
        result_of_task& ended_;
    };
    ending final_suspend() noexcept { return ending(*this); }

  protected:
    using frame::frame;
    std::optional<stored<Value>> value_;

  private:
    void tell() {
        if (!then_) return;
        if constexpr (std::is_void_v<Value>) {
            then_();
        } else {
            then_(std::move(*value_));
        }
    }

    std::exception_ptr error_;
    then_type then_;
};

template <class Value>
class returning : public result_of_task<Value> {
  public:
    template <class Returned>
    requires std::constructible_from<Value, Returned>
    void return_value(Returned&& returned) { this->value_.emplace(std::forward<Returned>(returned)); }

  protected:
    using result_of_task<Value>::result_of_task;
};
template <>
class returning<void> : public result_of_task<void> {
  public:
    void return_void() const noexcept {}

  protected:
    using result_of_task<void>::result_of_task;
};

} // namespace task_detail

template <class Value>
class task<Value>::promise_type : public task_detail::returning<Value> {
  public:
    promise_type() = default;
    /// Of a member function: the object comes first.
    template <task_owner Owner, class... Args>
    explicit promise_type(const Owner& owner, const Args&... /*args*/)
        : task_detail::returning<Value>(owner.observe()) {}

    task get_return_object() {
        const auto handle = std::coroutine_handle<promise_type>::from_promise(*this);
        this->set_handle(handle);
        return task(handle);
    }
};

/// Runs it now, without an awaiter: it owns itself from here on. `then` is called with its value; it is
/// destroyed uncalled when the coroutine is. An exception that leaves it, or `then`, ends the program.
template <class Value>
void start(task<Value> what, typename task_detail::handler_for<Value>::type then = {}) {
    expects(what.handle_ != nullptr, "task: started twice, or after it was moved from");
    const auto handle = std::exchange(what.handle_, nullptr);
    handle.promise().set_then(std::move(then));
    handle.resume();
}

} // namespace prooftrack
