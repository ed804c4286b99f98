// Requests that wait: the list with deadlines, and who waits for which transaction.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/transaction_waits.hpp"
#include "engine/wait_list.hpp"
#include "first_time.hpp"
#include "support/fake_disk.hpp"

namespace prooftrack::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

TEST(WaitList, GivesThemBackByIdOnce) {
    wait_list<std::string> waits;
    waits.add(api::wait_id{1}, first_time + 1s, "one");
    waits.add(api::wait_id{2}, first_time + 2s, "two");
    EXPECT_EQ(waits.size(), 2U);
    EXPECT_EQ(waits.take(api::wait_id{1}), "one");
    EXPECT_EQ(waits.take(api::wait_id{1}), std::nullopt);
    EXPECT_EQ(waits.take(api::wait_id{3}), std::nullopt);
    EXPECT_EQ(waits.size(), 1U);
    EXPECT_EQ(waits.next_deadline(), first_time + 2s) << "its deadline went with it";
}

TEST(WaitList, TakesOneAtATimeWhoseDeadlineHasCome) {
    wait_list<std::string> waits;
    EXPECT_EQ(waits.next_deadline(), std::nullopt);
    EXPECT_EQ(waits.take_expired(first_time), std::nullopt);
    waits.add(api::wait_id{1}, first_time + 2s, "late");
    waits.add(api::wait_id{2}, first_time + 1s, "soon");
    waits.add(api::wait_id{3}, first_time + 1s, "with it");
    EXPECT_EQ(waits.next_deadline(), first_time + 1s);
    EXPECT_EQ(waits.take_expired(first_time + 1s - 1ns), std::nullopt);
    EXPECT_EQ(waits.take_expired(first_time + 1s), "soon");
    EXPECT_EQ(waits.take_expired(first_time + 1s), "with it");
    EXPECT_EQ(waits.take_expired(first_time + 1s), std::nullopt);
    EXPECT_EQ(waits.next_deadline(), first_time + 2s);
    EXPECT_EQ(waits.take_expired(first_time + 1h), "late");
    EXPECT_EQ(waits.size(), 0U);
}

TEST(WaitList, TakesAllInTheOrderOfTheirIdsAndTheirDeadlinesToo) {
    wait_list<std::string> waits;
    waits.add(api::wait_id{2}, first_time + 1s, "two");
    waits.add(api::wait_id{1}, first_time + 2s, "one");
    EXPECT_THAT(waits.take_all(), ElementsAre("one", "two"));
    EXPECT_THAT(waits.take_all(), IsEmpty());
    EXPECT_EQ(waits.next_deadline(), std::nullopt);
    EXPECT_EQ(waits.take_expired(first_time + 1h), std::nullopt);
}

class TransactionWaits : public testing::Test {
  protected:
    void add(api::wait_id id, const std::string& transaction, steady_duration wait = 1min) {
        waits_.add(
            {id, *transaction_id::parse(transaction), [](const api::outcome<track::transaction_view>&) {}},
            first_time + wait);
    }
    std::vector<api::wait_id> take_for(const std::string& transaction) {
        std::vector<api::wait_id> ids;
        for (const auto& request : waits_.take_for(*transaction_id::parse(transaction))) ids.push_back(request.id);
        return ids;
    }

    transaction_waits waits_;
};

TEST_F(TransactionWaits, AnEndTakesAllWhoWaitForThatTransactionAlone) {
    EXPECT_TRUE(waits_.empty());
    add(api::wait_id{1}, "a");
    add(api::wait_id{2}, "b");
    add(api::wait_id{3}, "a");
    EXPECT_FALSE(waits_.empty());
    EXPECT_THAT(take_for("a"), ElementsAre(api::wait_id{1}, api::wait_id{3}));
    EXPECT_THAT(take_for("a"), IsEmpty());
    EXPECT_THAT(take_for("c"), IsEmpty());
    EXPECT_FALSE(waits_.empty());
    EXPECT_THAT(take_for("b"), ElementsAre(api::wait_id{2}));
    EXPECT_TRUE(waits_.empty());
    EXPECT_EQ(waits_.next_wake(), std::nullopt);
}

TEST_F(TransactionWaits, WhoIsTakenOutIsNotTakenByTheEnd) {
    add(api::wait_id{1}, "a");
    add(api::wait_id{2}, "a");
    add(api::wait_id{3}, "a");
    const auto taken = waits_.take(api::wait_id{2});
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->id, api::wait_id{2});
    EXPECT_EQ(taken->transaction.str(), "a");
    EXPECT_FALSE(waits_.take(api::wait_id{2}));
    EXPECT_THAT(take_for("a"), ElementsAre(api::wait_id{1}, api::wait_id{3}));
}

TEST_F(TransactionWaits, WhoseTimeIsOverIsNotTakenByTheEnd) {
    add(api::wait_id{1}, "a", 2min);
    add(api::wait_id{2}, "a", 1min);
    EXPECT_EQ(waits_.next_wake(), first_time + 1min);
    EXPECT_FALSE(waits_.take_expired(first_time + 59s));
    const auto over = waits_.take_expired(first_time + 1min);
    ASSERT_TRUE(over);
    EXPECT_EQ(over->id, api::wait_id{2});
    EXPECT_FALSE(waits_.take_expired(first_time + 1min));
    EXPECT_THAT(take_for("a"), ElementsAre(api::wait_id{1}));
    EXPECT_FALSE(waits_.take_expired(first_time + 1h)) << "taken by the end";
}

TEST_F(TransactionWaits, TheHandlerComesBackWithTheRequest) {
    std::string got;
    waits_.add(
        {api::wait_id{1}, *transaction_id::parse("a"),
         [&got](const api::outcome<track::transaction_view>& view) {
             got = std::get<track::transaction_view>(view).id.str();
         }},
        first_time + 1s);
    auto taken = waits_.take_for(*transaction_id::parse("a"));
    ASSERT_EQ(taken.size(), 1U);
    EXPECT_EQ(got, "");
    const fake_disk disk;
    taken[0].handler(disk.view_of("a", {}));
    EXPECT_EQ(got, "a");
}

} // namespace
} // namespace prooftrack::engine
