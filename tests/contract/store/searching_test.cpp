// Lists by metadata, time, callback and the beginning of an id.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "contract/store/store_under_test.hpp"

namespace prooftrack::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

track::new_transaction with_metadata(const std::string& id, std::string metadata, std::int64_t ms = 0) {
    track::new_transaction made = make_new(id, ms);
    made.metadata = std::move(metadata);
    return made;
}

/// With an event of its own at that time, owed to these callbacks.
transition settled(const std::string& id, std::int64_t ms, std::vector<std::string> callbacks) {
    return make_settlement(id, ms, std::move(callbacks));
}

class Searching : public store_contract {
  protected:
    std::vector<std::string> list(const track::transaction_query& query) {
        std::vector<std::string> ids;
        for (const track::transaction_view& each : world.list(query).transactions) ids.push_back(each.id.str());
        return ids;
    }
    std::vector<std::string> with(std::vector<track::metadata_filter> members) {
        track::transaction_query query;
        query.metadata = std::move(members);
        return list(query);
    }
    std::vector<std::string> owed_to(const std::string& callback) {
        track::transaction_query query;
        query.not_delivered_to = callback;
        return list(query);
    }
    std::vector<std::string> begins_with(const std::string& prefix) {
        track::transaction_query query;
        query.id_prefix = prefix;
        return list(query);
    }
    void end(std::uint64_t delivery, track::delivery_state state) {
        world.attempt({delivery_id{delivery}, at_ms(1), 1, state, 200, "", std::nullopt});
    }
    std::vector<std::uint64_t> deliveries(std::optional<std::int64_t> since, std::optional<std::int64_t> until) {
        track::delivery_query query;
        if (since) query.since = at_ms(*since);
        if (until) query.until = at_ms(*until);
        return numbers(query);
    }
    std::vector<std::uint64_t> numbers(const track::delivery_query& query) {
        std::vector<std::uint64_t> ids;
        for (const track::delivery_view& each : world.deliveries(query).deliveries) ids.push_back(value_of(each.id));
        return ids;
    }
    event_page events(track::event_query query) {
        return world
            .ask<event_page>([&](store& subject, auto handler) { subject.events_between(query, std::move(handler)); })
            .value();
    }
    static std::vector<std::uint64_t> seqs_of(const event_page& page) {
        std::vector<std::uint64_t> seqs;
        for (const track::stored_event& each : page.events) seqs.push_back(value_of(each.seq));
        return seqs;
    }
};
INSTANTIATE_TEST_SUITE_P(Store, Searching, every_store(), store_name);

TEST_P(Searching, AStringMatchesByItsContentAndAnythingElseByItsSpelling) {
    world
        .add(
            {with_metadata("a", R"({"order":"A-17","n":1.10,"paid":true,"none":null})"),
             with_metadata("b", R"({"order": "A\u002d17", "n": "1.10", "list": [1, 2]})"),
             with_metadata("c", R"({"order":"A-18","n":1.1})"), make_new("d")})
        .value();
    EXPECT_THAT(with({{"order", "A-17"}}), ElementsAre("b", "a"));
    EXPECT_THAT(with({{"n", "1.10"}}), ElementsAre("b", "a"));
    EXPECT_THAT(with({{"n", "1.1"}}), ElementsAre("c"));
    EXPECT_THAT(with({{"paid", "true"}}), ElementsAre("a"));
    EXPECT_THAT(with({{"none", "null"}}), ElementsAre("a"));
    EXPECT_THAT(with({{"list", "[1, 2]"}}), ElementsAre("b"));
    EXPECT_THAT(with({{"order", "a-17"}}), IsEmpty());
    EXPECT_THAT(with({{"order", ""}}), IsEmpty());
    EXPECT_THAT(with({{"", "A-17"}}), IsEmpty());
}

TEST_P(Searching, AKeyIsOneTopLevelNameWithItsDots) {
    world
        .add(
            {with_metadata("a", R"({"shop":{"id":"7"}})"), with_metadata("b", R"({"shop.id":"7"})"),
             with_metadata("c", R"({"":"7","shop.id":""})")})
        .value();
    EXPECT_THAT(with({{"shop.id", "7"}}), ElementsAre("b"));
    EXPECT_THAT(with({{"shop", R"({"id":"7"})"}}), ElementsAre("a"));
    EXPECT_THAT(with({{"", "7"}}), ElementsAre("c"));
    EXPECT_THAT(with({{"shop.id", ""}}), ElementsAre("c"));
}

TEST_P(Searching, SeveralMembersAreJoinedByAndWithEverythingElse) {
    world
        .add(
            {with_metadata("a", R"({"shop":"x","kind":"gold"})"), with_metadata("b", R"({"shop":"x","kind":"tin"})"),
             with_metadata("c", R"({"shop":"y","kind":"gold"})"), with_metadata("d", R"({"shop":"x","kind":"gold"})")})
        .value();
    world.record(make_settlement("a", 100, {})).value();
    EXPECT_THAT(with({{"shop", "x"}, {"kind", "gold"}}), ElementsAre("d", "a"));
    track::transaction_query query;
    query.metadata = {{"shop", "x"}};
    query.state = track::tracking_state::settled;
    EXPECT_THAT(list(query), ElementsAre("a"));
    query.status = "failed";
    EXPECT_THAT(list(query), IsEmpty());
    query.status.reset();
    query.settled_before = at_ms(100);
    EXPECT_THAT(list(query), IsEmpty());
    query.settled_before = at_ms(101);
    EXPECT_THAT(list(query), ElementsAre("a"));
}

TEST_P(Searching, PagesFollowTheCursor) {
    std::vector<track::new_transaction> many;
    for (int i = 0; i < 100; ++i)
        many.push_back(with_metadata(fmt::format("tx-{}", i), i % 3 == 0 ? R"({"k":"v"})" : R"({"k":"w"})"));
    world.add(many).value();
    track::transaction_query query;
    query.metadata = {{"k", "v"}};
    query.limit = 7;
    std::vector<std::string> all;
    do {
        const track::transaction_page page = world.list(query);
        EXPECT_LE(page.transactions.size(), 7U);
        for (const track::transaction_view& each : page.transactions) all.push_back(each.id.str());
        query.cursor = page.next_cursor;
    } while (!query.cursor.empty());
    ASSERT_EQ(all.size(), 34U);
    for (int i = 0; i < 34; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)], fmt::format("tx-{}", 99 - 3 * i));
}

TEST_P(Searching, WhatIsTrackedAnewIsFoundByItsNewMetadataAndTime) {
    world.add({with_metadata("a", R"({"k":"old","same":1})", 0)}).value();
    world.record(make_change("a", track::tracking_state::untracked, "pending", 10)).value();
    world.add({with_metadata("a", R"({"k":"new","same":1})", 500)}).value();
    EXPECT_THAT(with({{"k", "old"}}), IsEmpty());
    EXPECT_THAT(with({{"k", "new"}}), ElementsAre("a"));
    EXPECT_THAT(with({{"same", "1"}}), ElementsAre("a"));
    track::transaction_query query;
    query.tracked_after = at_ms(499);
    EXPECT_THAT(list(query), ElementsAre("a"));
    query.tracked_after = at_ms(500);
    EXPECT_THAT(list(query), IsEmpty());
}

TEST_P(Searching, WhatIsPrunedIsNotFound) {
    world.add({with_metadata("a", R"({"k":"v"})"), with_metadata("b", R"({"k":"v"})")}).value();
    world.record(make_settlement("a", 10, {})).value();
    ASSERT_EQ(world.prune({at_ms(1'000), at_ms(1'000), 100}).transactions, 1U);
    EXPECT_THAT(with({{"k", "v"}}), ElementsAre("b"));
    world.add({make_new("a", 5'000)}).value();
    EXPECT_THAT(with({{"k", "v"}}), ElementsAre("b"));
    world.reopen();
    EXPECT_THAT(with({{"k", "v"}}), ElementsAre("b"));
}

TEST_P(Searching, TimesOfTrackingLeaveOutTheirEndsWhateverTheOrder) {
    world.add({make_new("a", 300), make_new("b", 100), make_new("c", 200)}).value(); // the clock was set back
    track::transaction_query query;
    query.tracked_after = at_ms(100);
    EXPECT_THAT(list(query), ElementsAre("c", "a"));
    query.tracked_before = at_ms(300);
    EXPECT_THAT(list(query), ElementsAre("c"));
    query.tracked_after.reset();
    EXPECT_THAT(list(query), ElementsAre("c", "b"));
    // A change that moves its tracked_at, as a mended clock does.
    transition moved = make_change("b", track::tracking_state::tracking, "processing", 400);
    moved.facts.tracked_at = at_ms(900);
    world.record(moved).value();
    EXPECT_THAT(list(query), ElementsAre("c"));
    query = {};
    query.tracked_after = at_ms(899);
    EXPECT_THAT(list(query), ElementsAre("b"));
}

TEST_P(Searching, NotDeliveredToIsWhatACallbackIsOwedAndDoesNotHave) {
    world.add({make_new("a"), make_new("b"), make_new("c"), make_new("d")}).value();
    world.record(settled("a", 10, {"x", "y"})).value(); // deliveries 1 and 2
    world.record(settled("b", 20, {"x"})).value();      // 3
    world.record(settled("c", 30, {"x"})).value();      // 4
    world.record(settled("d", 40, {})).value();
    EXPECT_THAT(owed_to("x"), ElementsAre("c", "b", "a"));
    end(1, track::delivery_state::delivered);
    end(3, track::delivery_state::dead);
    EXPECT_THAT(owed_to("x"), ElementsAre("c", "b")) << "b's is dead, and it does not have it";
    EXPECT_THAT(owed_to("y"), ElementsAre("a"));
    EXPECT_THAT(owed_to("nobody"), IsEmpty());
    world.retry(3, at_ms(50)).value();
    EXPECT_THAT(owed_to("x"), ElementsAre("c", "b"));
    end(3, track::delivery_state::delivered);
    EXPECT_THAT(owed_to("x"), ElementsAre("c"));
    track::transaction_query query;
    query.not_delivered_to = "x";
    query.state = track::tracking_state::tracking;
    EXPECT_THAT(list(query), IsEmpty());
}

TEST_P(Searching, AnIdIsFoundByHowItBegins) {
    const std::string first = "550e8400-e29b-41d4-a716-446655440000";
    const std::string second = "550e8411-e29b-41d4-a716-446655440000";
    const std::string shout = "550E8400-E29B-41D4-A716-446655440000";
    world.add({make_new(first), make_new("order-1"), make_new(second), make_new("order~2"), make_new(shout)}).value();
    world.add({make_new("550e84"), make_new("a~~~")}).value();
    EXPECT_THAT(begins_with("550e84"), ElementsAre("550e84", second, first));
    EXPECT_THAT(begins_with("550e841"), ElementsAre(second));
    EXPECT_THAT(begins_with("550e8400-"), ElementsAre(first));
    EXPECT_THAT(begins_with(first), ElementsAre(first));
    EXPECT_THAT(begins_with(first + "0"), IsEmpty());
    EXPECT_THAT(begins_with("550E"), ElementsAre(shout));
    EXPECT_THAT(begins_with("order"), ElementsAre("order~2", "order-1"));
    EXPECT_THAT(begins_with("a~"), ElementsAre("a~~~"));
    EXPECT_THAT(begins_with("5%"), IsEmpty());
}

TEST_P(Searching, DeliveriesOfATimeBeginWithItAndEndBeforeTheNext) {
    world.add({make_new("a"), make_new("b"), make_new("c")}).value();
    world.record(settled("a", 100, {"x", "y"})).value(); // 1 and 2
    world.record(settled("b", 300, {"x"})).value();      // 3
    world.record(settled("c", 200, {"x"})).value();      // 4: the clock was set back
    EXPECT_THAT(deliveries(100, {}), ElementsAre(4U, 3U, 2U, 1U));
    EXPECT_THAT(deliveries(101, {}), ElementsAre(4U, 3U));
    EXPECT_THAT(deliveries({}, 300), ElementsAre(4U, 2U, 1U));
    EXPECT_THAT(deliveries(100, 200), ElementsAre(2U, 1U));
    EXPECT_THAT(deliveries(301, {}), IsEmpty());
    EXPECT_THAT(deliveries({}, 100), IsEmpty());
    track::delivery_query query;
    query.since = at_ms(100);
    query.until = at_ms(300);
    query.callback = "x";
    EXPECT_THAT(numbers(query), ElementsAre(4U, 1U));
    query.state = track::delivery_state::pending;
    query.transaction = "a";
    EXPECT_THAT(numbers(query), ElementsAre(1U));
}

TEST_P(Searching, EventsOfATimeComeInTheirOrderPageByPage) {
    world.add({make_new("a"), make_new("b"), make_new("c"), make_new("d")}).value();
    world.record(settled("a", 100, {})).value();
    world.record(settled("b", 300, {})).value();
    world.record(settled("c", 200, {})).value();
    world.record(settled("d", 250, {})).value();
    track::event_query query;
    query.since = at_ms(200);
    event_page page = events(query);
    EXPECT_THAT(seqs_of(page), ElementsAre(2U, 3U, 4U));
    EXPECT_EQ(page.looked_at, event_seq{4});
    query.until = at_ms(300);
    query.limit = 1;
    page = events(query);
    EXPECT_THAT(seqs_of(page), ElementsAre(3U));
    EXPECT_EQ(page.looked_at, event_seq{3});
    query.after = page.looked_at;
    page = events(query);
    EXPECT_THAT(seqs_of(page), ElementsAre(4U));
    query.after = page.looked_at;
    page = events(query);
    EXPECT_THAT(seqs_of(page), IsEmpty());
    EXPECT_EQ(page.looked_at, event_seq{4});
    query = {};
    query.until = at_ms(100);
    EXPECT_EQ(events(query).looked_at, event_seq{4}) << "nothing of it, and nothing behind it";
}

} // namespace
} // namespace prooftrack::store
