// Coroutines over callbacks: when they go on, and that none is left over when nobody calls back.

#include "base/task.hpp"

#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace prooftrack {
namespace {

/// A peer with the project's usual interface: it keeps its handlers until the test says.
class peer {
  public:
    void ask(std::string what, unique_function<void(int)> handler) {
        asked.push_back(std::move(what));
        waiting.push_back(std::move(handler));
    }
    bool ask_by_reference(const std::string& what, unique_function<void(int)> handler) {
        ask(what, std::move(handler));
        return true;
    }
    void close(unique_function<void()> closed) { closing = std::move(closed); }

    void answer(int value) {
        auto handler = std::move(waiting.front());
        waiting.pop_front();
        handler(value);
    }

    std::vector<std::string> asked;
    std::deque<unique_function<void(int)>> waiting;
    unique_function<void()> closing;
};

/// Its use count tells how many frames and handlers are alive.
using token = std::shared_ptr<int>;

task<int> ask_twice(peer& other, token held) {
    const int first = co_await call(other, &peer::ask, "first");
    const int second = co_await call(other, &peer::ask_by_reference, "second");
    co_return first * 10 + second + *held;
}

task<int> ask_through(peer& other, token held) {
    const token own = held;
    const int got = co_await ask_twice(other, std::move(held));
    co_return got + *own;
}

class Task : public testing::Test {
  protected:
    /// Keeps what is told; holds the token as a user's handler would hold its connection.
    unique_function<void(int)> tell() {
        return [this, held = held_](int value) { reported_.push_back(value); };
    }

    peer other_;
    token held_ = std::make_shared<int>(0);
    std::vector<int> reported_;
};

TEST_F(Task, GoesOnInsideTheHandlersThatAnswerIt) {
    start(ask_through(other_, held_), tell());
    EXPECT_EQ(other_.asked, std::vector<std::string>{"first"}) << "it has begun at once";
    other_.answer(4);
    EXPECT_EQ(other_.asked, (std::vector<std::string>{"first", "second"}));
    EXPECT_TRUE(reported_.empty());
    other_.answer(2);
    EXPECT_EQ(reported_, std::vector<int>{42});
    EXPECT_EQ(held_.use_count(), 1) << "nothing is left";
}

TEST_F(Task, ThatIsNeitherAwaitedNorStartedNeverRuns) {
    { const auto never = ask_through(other_, held_); }
    EXPECT_TRUE(other_.asked.empty());
    EXPECT_EQ(held_.use_count(), 1);
}

TEST_F(Task, AHandlerThatIsDestroyedUncalledTakesAllThatWaitWithIt) {
    for (int answered = 0; answered < 2; ++answered) {
        start(ask_through(other_, held_), tell());
        for (int i = 0; i < answered; ++i) other_.answer(1);
        EXPECT_GT(held_.use_count(), 1);
        other_.waiting.clear();
        EXPECT_EQ(held_.use_count(), 1) << "after " << answered << " answers";
    }
    EXPECT_TRUE(reported_.empty());
}

/// Drops a handler before it returns, as a store that has crashed does.
void drop(unique_function<void(int)> /*handler*/) {}

task<int> ask_nobody(token held) {
    auto initiate = [](unique_function<void(int)> handler) { drop(std::move(handler)); };
    const int never = co_await call<int>(initiate);
    co_return never + *held;
}
task<int> ask_nobody_through(token held) {
    const token own = held;
    const int never = co_await ask_nobody(std::move(held));
    co_return never + *own;
}

TEST_F(Task, AHandlerMayBeDroppedBeforeTheCallReturns) {
    start(ask_nobody(held_), tell());
    EXPECT_EQ(held_.use_count(), 1);
    start(ask_nobody_through(held_), tell());
    EXPECT_EQ(held_.use_count(), 1);
    EXPECT_TRUE(reported_.empty());
}

task<int> count_at_once(int times, token held) {
    int sum = *held;
    auto initiate = [](unique_function<void(int)> handler) { handler(1); };
    for (int i = 0; i < times; ++i) {
        const int one = co_await call<int>(initiate);
        sum += one;
    }
    co_return sum;
}

TEST_F(Task, AHandlerMayBeCalledBeforeTheCallReturnsAndTheStackStaysAsItIs) {
    start(count_at_once(1'000'000, held_), tell());
    EXPECT_EQ(reported_, std::vector<int>{1'000'000});
    EXPECT_EQ(held_.use_count(), 1);
}

TEST_F(Task, ASecondCallOfAHandlerDoesNothing) {
    start(ask_twice(other_, held_), tell());
    auto first = std::move(other_.waiting.front());
    other_.waiting.pop_front();
    first(1);
    first(7);
    EXPECT_EQ(other_.waiting.size(), 1U);
    other_.answer(2);
    first(7);
    EXPECT_EQ(reported_, std::vector<int>{12});
}

task<> close(peer& other, std::vector<int>& reported) {
    co_await call(other, &peer::close);
    reported.push_back(1);
}
task<int> close_and_say(peer& other, std::vector<int>& reported) {
    co_await close(other, reported);
    co_return 2;
}

TEST_F(Task, WaitsForHandlersWithoutAValueToo) {
    start(close_and_say(other_, reported_), tell());
    EXPECT_TRUE(reported_.empty());
    other_.closing();
    EXPECT_EQ(reported_, (std::vector<int>{1, 2}));
    start(close(other_, reported_));
    other_.closing();
    EXPECT_EQ(reported_, (std::vector<int>{1, 2, 1}));
    start(close(other_, reported_), [this] { reported_.push_back(3); });
    other_.closing();
    EXPECT_EQ(reported_, (std::vector<int>{1, 2, 1, 1, 3}));
}

task<int> ask_and_throw(peer& other, token held) {
    const int got = co_await call(other, &peer::ask, "it");
    if (got > *held) throw std::runtime_error("too much");
    co_return got;
}
task<int> ask_and_catch(peer& other, token held) {
    bool has_thrown = false;
    try {
        const int got = co_await ask_and_throw(other, held);
        co_return got;
    } catch (const std::runtime_error&) {
        has_thrown = true;
    }
    co_return has_thrown ? -1 : 0;
}

TEST_F(Task, AnExceptionGoesToWhoAwaits) {
    start(ask_and_catch(other_, held_), tell());
    other_.answer(1);
    start(ask_and_catch(other_, held_), tell());
    other_.answer(0);
    EXPECT_EQ(reported_, (std::vector<int>{-1, 0}));
    EXPECT_EQ(held_.use_count(), 1);
}

TEST_F(Task, AnExceptionThatNobodyAwaitsEndsTheProgram) {
    EXPECT_DEATH(
        {
            start(ask_and_throw(other_, held_), tell());
            other_.answer(1);
        },
        "");
}

task<int> survive_a_call_that_throws(peer& other, token held) {
    auto initiate = [&other](unique_function<void(int)> handler) {
        other.ask("it", std::move(handler));
        throw std::runtime_error("half-way");
    };
    try {
        const int never = co_await call<int>(initiate);
        co_return never;
    } catch (const std::runtime_error&) {
        *held += 1;
    }
    const int got = co_await call(other, &peer::ask, "again");
    co_return got;
}

TEST_F(Task, ACallThatThrowsIsOverWhateverBecomesOfItsHandler) {
    start(survive_a_call_that_throws(other_, held_), tell());
    EXPECT_EQ(*held_, 1);
    other_.answer(5);
    EXPECT_TRUE(reported_.empty()) << "the first handler leads nowhere";
    other_.answer(6);
    EXPECT_EQ(reported_, std::vector<int>{6});
    EXPECT_EQ(held_.use_count(), 1);
}

/// Does what it does as long as it lives.
class owner {
  public:
    owner(peer& other, token held) : other_(other), held_(std::move(held)) {}
    lifetime::watch observe() const { return alive_.observe(); }

    task<int> ask(int added) {
        const int got = co_await call(other_, &peer::ask, "owned");
        sum_ += got + added;
        co_return sum_ + *held_;
    }
    task<int> ask_another(owner& another) {
        const int got = co_await another.ask(1);
        sum_ += got;
        co_return sum_;
    }

  private:
    peer& other_;
    token held_;
    int sum_ = 0;
    lifetime alive_;
};

TEST_F(Task, WhoseOwnerHasGoneEndsInPlaceOfGoingOn) {
    auto asked = std::make_unique<owner>(other_, held_);
    start(asked->ask(1), tell());
    other_.answer(1);
    EXPECT_EQ(reported_, std::vector<int>{2});
    start(asked->ask(1), tell());
    asked.reset();
    EXPECT_EQ(held_.use_count(), 2) << "its handler is alive";
    other_.answer(1);
    EXPECT_EQ(held_.use_count(), 1);
    EXPECT_EQ(reported_, std::vector<int>{2});
}

TEST_F(Task, EndsAsWellWhenTheOwnerOfOneThatWaitsForItHasGone) {
    owner inner(other_, nullptr);
    auto outer = std::make_unique<owner>(other_, nullptr);
    start(outer->ask_another(inner), tell());
    outer.reset();
    other_.answer(1);
    EXPECT_EQ(held_.use_count(), 1);
    EXPECT_TRUE(reported_.empty());
}

TEST_F(Task, AnOwnerMayGoWhileItsCallIsAnsweredAtOnce) {
    auto own = std::make_unique<lifetime>();
    struct asker {
        lifetime::watch observe() const { return alive->observe(); }
        task<int> ask(token held) {
            auto initiate = [this](unique_function<void(int)> handler) {
                handler(1);
                alive->end();
            };
            const int never = co_await call<int>(initiate);
            co_return never + *held;
        }
        lifetime* alive;
    } gone{own.get()};
    start(gone.ask(held_), tell());
    EXPECT_TRUE(reported_.empty());
    EXPECT_EQ(held_.use_count(), 1);
}

TEST_F(Task, TheHandlerMayDestroyWhatTheTaskWasOf) {
    auto asked = std::make_unique<owner>(other_, held_);
    start(asked->ask(1), [this, &asked](int value) {
        asked.reset();
        reported_.push_back(value);
    });
    other_.answer(1);
    EXPECT_EQ(reported_, std::vector<int>{2});
    EXPECT_EQ(held_.use_count(), 1);
}

TEST_F(Task, RunsOnce) {
    auto one = ask_through(other_, held_);
    start(std::move(one), tell());
    EXPECT_THROW(start(std::move(one), tell()), std::logic_error); // NOLINT(bugprone-use-after-move): that is the rule
    EXPECT_EQ(other_.asked.size(), 1U);
}

} // namespace
} // namespace prooftrack
