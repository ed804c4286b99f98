#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "api/body_budget.hpp"

namespace prooftrack::api {
namespace {

constexpr budget_owner root{client_rank::owner, 0};
constexpr budget_owner admin{client_rank::admin, 500};
constexpr budget_owner user_a{client_rank::everybody, 1001};
constexpr budget_owner user_b{client_rank::everybody, 1002};
constexpr budget_owner user_c{client_rank::everybody, 1003};

class BodyBudget : public testing::Test {
  protected:
    struct body final : budget_user {
        body(BodyBudget& test, std::string its_name) : owner(test), name(std::move(its_name)) {}
        void on_granted() override {
            owner.served += name;
            if (when_granted) when_granted();
        }
        void on_wanted() override { owner.hurried += name; }
        BodyBudget& owner;
        std::string name;
        std::function<void()> when_granted;
    };
    body& make(std::string name) {
        bodies.push_back(std::make_unique<body>(*this, std::move(name)));
        return *bodies.back();
    }
    ~BodyBudget() override {
        for (const auto& each : bodies) each->when_granted = nullptr;
        for (const auto& each : bodies) budget.release(*each);
    }

    body_budget budget{{100, 80, 40}};
    std::vector<std::unique_ptr<body>> bodies;
    std::string served;
    std::string hurried;
};

TEST_F(BodyBudget, OneUserHoldsItsShareAndTheOthersGoOn) {
    auto& one = make("1");
    EXPECT_TRUE(budget.acquire(one, 30, user_a));
    auto& two = make("2");
    EXPECT_FALSE(budget.acquire(two, 20, user_a));
    EXPECT_TRUE(budget.acquire(make("3"), 30, user_b)) << "not behind a user whose share is used up";
    EXPECT_EQ(hurried, "") << "it waits for itself";
    budget.release(one);
    EXPECT_EQ(served, "2");
}

TEST_F(BodyBudget, ASingleBodyMayBeLargerThanAShare) {
    EXPECT_TRUE(budget.acquire(make("1"), 80, user_a));
    EXPECT_FALSE(budget.acquire(make("2"), 1, user_a));
}

TEST_F(BodyBudget, SomethingIsKeptForAdminsAndOwners) {
    EXPECT_TRUE(budget.acquire(make("1"), 40, user_a));
    EXPECT_TRUE(budget.acquire(make("2"), 40, user_b));
    EXPECT_FALSE(budget.acquire(make("3"), 1, user_c));
    EXPECT_EQ(hurried, "12");
    EXPECT_TRUE(budget.acquire(make("4"), 10, admin));
    EXPECT_TRUE(budget.acquire(make("5"), 10, root));
    hurried.clear();
    EXPECT_FALSE(budget.acquire(make("6"), 10, root));
    EXPECT_EQ(hurried, "124") << "not its own";
    EXPECT_FALSE(budget.acquire(make("7"), 1, user_c));
    EXPECT_EQ(hurried, "12412") << "and nobody of a higher rank";
}

TEST_F(BodyBudget, UsersAreServedInTurnAndByRank) {
    auto& first = make("1");
    EXPECT_TRUE(budget.acquire(first, 80, user_a));
    for (const char* name : {"a", "b", "c"}) EXPECT_FALSE(budget.acquire(make(name), 30, user_a));
    auto& other = make("d");
    EXPECT_FALSE(budget.acquire(other, 60, user_b));
    EXPECT_FALSE(budget.acquire(make("e"), 60, root));
    budget.release(first);
    EXPECT_EQ(served, "e") << "and nobody small overtakes what is large";
    budget.release(*bodies.back());
    EXPECT_EQ(served, "ed") << "20 are left, but nobody wants so few";
    budget.release(other);
    EXPECT_EQ(served, "eda") << "the share of one user is 40";
}

TEST_F(BodyBudget, ASmallerBodyThanWasTakenForGivesTheRestBack) {
    auto& one = make("1");
    EXPECT_TRUE(budget.acquire(one, 80, user_a));
    EXPECT_FALSE(budget.acquire(make("2"), 70, user_b));
    budget.shrink(one, 90);
    budget.shrink(one, 11);
    EXPECT_EQ(served, "");
    budget.shrink(one, 10);
    EXPECT_EQ(served, "2");
    budget.release(one);
    EXPECT_TRUE(budget.acquire(make("3"), 10, user_c));
}

TEST_F(BodyBudget, ABodyMayEndWhenItsShareComes) {
    auto& first = make("1");
    EXPECT_TRUE(budget.acquire(first, 80, user_a));
    for (int i = 0; i < 1'000; ++i) {
        auto& next = make(".");
        EXPECT_FALSE(budget.acquire(next, 80, user_b));
        next.when_granted = [this, &next] { budget.release(next); };
    }
    budget.release(first);
    EXPECT_EQ(served.size(), 1'000U);
    EXPECT_TRUE(budget.acquire(make("2"), 80, user_c)) << "nothing is held any more";
}

TEST_F(BodyBudget, OneThatStopsWaitingLetsTheOthersOn) {
    EXPECT_TRUE(budget.acquire(make("1"), 60, user_a));
    auto& large = make("2");
    EXPECT_FALSE(budget.acquire(large, 60, user_b));
    EXPECT_FALSE(budget.acquire(make("3"), 20, user_c));
    budget.release(large);
    EXPECT_EQ(served, "3");
}

TEST_F(BodyBudget, AShareThatCanNeverBeGivenOrIsAskedForTwiceIsNoRequest) {
    auto& one = make("1");
    EXPECT_THROW(budget.acquire(one, 81, user_a), std::logic_error);
    EXPECT_TRUE(budget.acquire(one, 80, user_a));
    EXPECT_THROW(budget.acquire(one, 1, user_a), std::logic_error) << "it holds one";
    auto& two = make("2");
    EXPECT_FALSE(budget.acquire(two, 30, user_a));
    EXPECT_THROW(budget.acquire(two, 30, user_a), std::logic_error) << "it waits for one";
}

} // namespace
} // namespace prooftrack::api
