#include <array>
#include <cstdio>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "track/compact_id.hpp"
#include "track/due_heap.hpp"
#include "track/reply_window.hpp"
#include "track/transaction_table.hpp"

namespace prooftrack::track {
namespace {

TEST(CompactId, GivesBackEveryIdByteForByte) {
    for (const std::string& text :
         {std::string("550e8400-e29b-41d4-a716-446655440000"), std::string("550E8400-E29B-41D4-A716-446655440000"),
          std::string("03b22d25d523a5285"), std::string("550e8400-e29b-41d4-a716-44665544000g"),
          std::string("550e8400_e29b-41d4-a716-446655440000"), std::string(128, '~'), std::string("a")}) {
        compact_id id(text);
        EXPECT_EQ(id.str(), text);
        EXPECT_TRUE(id.equals(text));
        const hash_key key{1, 2};
        EXPECT_EQ(id.hash(key), compact_id::hash_of(key, text));
        EXPECT_NE(id.hash(key), id.hash({1, 3}));
        const compact_id moved = std::move(id);
        EXPECT_EQ(moved.str(), text);
        EXPECT_FALSE(moved.equals(text + "x"));
    }
    static_assert(sizeof(compact_id) == 17);
}

TEST(DueHeap, AgreesWithAnOrderedMap) {
    random_source random(3);
    due_heap heap;
    std::map<std::uint32_t, std::int64_t> model;
    for (int i = 0; i < 20'000; ++i) {
        const auto slot = static_cast<std::uint32_t>(random.between(0, 200));
        if (random.between(0, 3) == 0) {
            heap.erase(slot);
            model.erase(slot);
        } else {
            const std::int64_t when = random.between(0, 1'000);
            heap.set(slot, when);
            model[slot] = when;
        }
        ASSERT_EQ(heap.size(), model.size());
        if (model.empty()) continue;
        auto first = model.begin();
        for (auto at = model.begin(); at != model.end(); ++at) {
            if (at->second < first->second) first = at;
        }
        ASSERT_EQ(heap.top().slot, first->first);
        ASSERT_EQ(heap.top().when, first->second);
        ASSERT_EQ(heap.when(slot).has_value(), model.contains(slot));
    }
}

active_transaction make(const std::string& id) {
    active_transaction made{*transaction_id::parse(id), {}};
    made.facts.tracked_at = wall_time(milliseconds(1'000));
    made.facts.overdue_at = wall_time(milliseconds(2'000));
    return made;
}

TEST(TransactionTable, GivesBackTheFactsItWasGiven) {
    transaction_table table;
    const instant now{steady_time(seconds(100)), wall_time(seconds(1'000))};
    active_transaction full = make("a");
    full.facts.state = tracking_state::settled;
    full.facts.status = "on_hold";
    full.facts.settled_at = wall_time(milliseconds(7));
    full.facts.not_found_since = wall_time(milliseconds(8));
    full.facts.recheck_until = wall_time(milliseconds(9));
    full.facts.last_polled_at = now.wall - seconds(3);
    full.facts.polls = 12;
    full.facts.bad_requests = 2;
    full.facts.verifications_done = 1;
    full.facts.was_overdue = true;
    const std::uint32_t slot = table.insert(full, now);
    EXPECT_EQ(table.facts(slot, now), full.facts);
    EXPECT_EQ(table.count(tracking_state::settled), 1U);
    tracking_facts plain = make("a").facts;
    plain.last_polled_at = full.facts.last_polled_at;
    plain.polls = 12;
    table.set_facts(slot, plain, now);
    EXPECT_EQ(table.facts(slot, now), plain);
    EXPECT_EQ(table.count(tracking_state::settled), 0U);
}

TEST(TransactionTable, KeepsAnUnknownStatusOfOneThatHasNothingElseOfItsOwn) {
    transaction_table table;
    active_transaction odd = make("a");
    odd.facts.status = "on_hold";
    const std::uint32_t slot = table.insert(odd, {});
    EXPECT_EQ(table.facts(slot, {}).status, "on_hold");
}

TEST(TransactionTable, CountsThoseThatDoNotFail) {
    transaction_table table;
    active_transaction late = make("late");
    late.facts.state = tracking_state::overdue;
    const std::uint32_t a = table.insert(make("a"), {});
    const std::uint32_t b = table.insert(make("b"), {});
    const std::uint32_t c = table.insert(late, {});
    const auto expect = [&](std::size_t answered, std::size_t untried, std::size_t others) {
        const candidates left = table.not_failing();
        EXPECT_EQ(left.answered, answered);
        EXPECT_EQ(left.untried, untried);
        EXPECT_EQ(left.others, others);
    };
    expect(0, 2, 1);
    table.set_standing(a, standing::answered);
    table.set_standing(c, standing::answered);
    expect(1, 1, 1);
    table.set_standing(a, standing::failing, 7);
    EXPECT_EQ(table.at(a).known_standing(), standing::failing);
    EXPECT_EQ(table.at(a).failed_in, 7U);
    expect(0, 1, 1);
    table.set_facts(b, late.facts, {});
    expect(0, 0, 2);
    table.set_standing(c, standing::failing, 7);
    expect(0, 0, 1);
    table.erase(b);
    expect(0, 0, 0);
}

TEST(TransactionTable, CountsTheRowsOfEachShard) {
    transaction_table table;
    active_transaction one = make("a");
    one.shard = 255;
    const std::uint32_t slot = table.insert(one, {});
    table.insert(make("b"), {});
    EXPECT_EQ(table.count(std::uint8_t{255}), 1U);
    EXPECT_EQ(table.count(std::uint8_t{0}), 1U);
    one.shard = 7; // it was pruned, and is tracked again
    table.replace(slot, one, {});
    EXPECT_EQ(table.at(slot).shard, 7U);
    EXPECT_EQ(table.count(std::uint8_t{255}), 0U);
    EXPECT_EQ(table.count(std::uint8_t{7}), 1U);
    table.erase(slot);
    EXPECT_EQ(table.count(std::uint8_t{7}), 0U);
}

TEST(TransactionTable, ErrorsInARowAreCountedUpToTheirMost) {
    transaction_row row;
    row.shard = 9;
    row.count_error();
    EXPECT_EQ(row.errors, 1U);
    row.errors = transaction_row::most_errors - 1;
    row.count_error();
    EXPECT_EQ(row.errors, transaction_row::most_errors);
    row.count_error();
    EXPECT_EQ(row.errors, transaction_row::most_errors);
    EXPECT_EQ(row.shard, 9U);
}

TEST(TransactionTable, AReusedSlotHasAnotherGeneration) {
    transaction_table table;
    const instant now{};
    const std::uint32_t slot = table.insert(make("a"), now);
    const std::uint32_t generation = table.at(slot).generation;
    table.erase(slot);
    EXPECT_FALSE(table.is_used(slot));
    EXPECT_EQ(table.find("a"), std::nullopt);
    EXPECT_EQ(table.insert(make("b"), now), slot);
    EXPECT_NE(table.at(slot).generation, generation);
    EXPECT_EQ(table.find("b"), slot);
}

TEST(TransactionTable, KeepsABoundedNumberOfErrorTexts) {
    transaction_table table;
    const std::uint32_t slot = table.insert(make("a"), {});
    for (int i = 0; i < 1'000; ++i) table.set_error(slot, "error " + std::to_string(i));
    EXPECT_NE(table.error(slot).find("too many kinds"), std::string::npos);
    table.set_error(slot, "error 7");
    EXPECT_EQ(table.error(slot), "error 7");
}

/// UUIDs whose halves cancel each other in the hash that version 0.1.0 had: mix(high ^ mix(low)), a finalizer that
/// anybody can compute.
std::string colliding_uuid(std::uint64_t number) {
    const auto mix = [](std::uint64_t x) {
        x ^= x >> 33U;
        x *= 0xff51afd7ed558ccdULL;
        x ^= x >> 33U;
        x *= 0xc4ceb9fe1a85ec53ULL;
        return x ^ (x >> 33U);
    };
    const std::uint64_t high = __builtin_bswap64(mix(number) ^ 42U);
    const std::uint64_t low = __builtin_bswap64(number);
    std::array<char, 37> text{};
    std::snprintf(
        text.data(), text.size(), "%08x-%04x-%04x-%04x-%012llx", static_cast<unsigned>(high >> 32U),
        static_cast<unsigned>(high >> 16U & 0xffffU), static_cast<unsigned>(high & 0xffffU),
        static_cast<unsigned>(low >> 48U), static_cast<unsigned long long>(low & 0xffffffffffffULL));
    return text.data();
}

TEST(TransactionTable, IdsThatWereChosenToCollideAreSpread) {
    constexpr std::uint64_t count = 20'000;
    transaction_table table;
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::string id = colliding_uuid(i);
        ASSERT_EQ(table.find(id), std::nullopt);
        ASSERT_LT(table.comparisons(), 2 * count) << "for " << i << " of them: it would become 200 million";
        table.insert(make(id), {});
    }
    for (std::uint64_t i = 0; i < count; ++i) ASSERT_TRUE(table.find(colliding_uuid(i)));
    EXPECT_LT(table.comparisons(), 2 * count);
}

TEST(TransactionTable, ARowStaysSmall) { static_assert(sizeof(transaction_row) <= 80); }

TEST(ReplyWindow, ABurstIsOverTenTransactionsAndHalfOfTheReplies) {
    reply_window window;
    const steady_time now(seconds(1'000));
    for (std::uint32_t slot = 0; slot < 10; ++slot) window.add(slot, true, now);
    EXPECT_FALSE(window.is_burst(now)) << "ten are not over ten";
    for (int i = 0; i < 50; ++i) window.add(3, true, now);
    EXPECT_FALSE(window.is_burst(now)) << "the same ten again";
    window.add(10, true, now);
    EXPECT_TRUE(window.is_burst(now));
    EXPECT_FALSE(window.is_burst(now + seconds(61))) << "a minute later it is history";
    for (std::uint32_t i = 0; i < 62; ++i) window.add(100 + i, false, now);
    EXPECT_FALSE(window.is_burst(now)) << "fewer than half of the last hundred";
}

TEST(ReplyWindow, AReplyCountsForAMinuteAndHalfOfThemIsEnough) {
    reply_window window;
    const steady_time now(seconds(1'000));
    for (std::uint32_t slot = 0; slot < 11; ++slot) window.add(slot, true, now);
    for (int i = 0; i < 11; ++i) window.add(50, false, now);
    EXPECT_TRUE(window.is_burst(now)) << "half";
    EXPECT_TRUE(window.is_burst(now + seconds(60)));
    EXPECT_FALSE(window.is_burst(now + seconds(60) + milliseconds(1)));
    window.add(50, false, now);
    EXPECT_FALSE(window.is_burst(now)) << "less than half";
}

TEST(ReplyWindow, RemembersTheLastHundred) {
    reply_window window;
    const steady_time now(seconds(1'000));
    for (std::uint32_t slot = 0; slot < 50; ++slot) window.add(slot, true, now);
    for (int i = 0; i < 50; ++i) window.add(200, false, now);
    EXPECT_TRUE(window.is_burst(now));
    window.add(200, false, now); // in the place of the first
    EXPECT_FALSE(window.is_burst(now)) << "49 of a hundred";
    window.add(60, true, now);
    window.add(61, true, now);
    EXPECT_FALSE(window.is_burst(now)) << "two refusals in the place of two";
    for (int i = 0; i < 47; ++i) window.add(300, false, now);
    for (std::uint32_t slot = 0; slot < 100; ++slot) window.add(slot, true, now);
    EXPECT_TRUE(window.is_burst(now));
}

TEST(TransactionTable, KnowsWhichSlotsAreUsedThroughManyReuses) {
    transaction_table table;
    EXPECT_FALSE(table.is_used(0));
    for (int i = 0; i < 6; ++i) {
        const std::uint32_t slot = table.insert(make("a"), {});
        EXPECT_EQ(slot, 0U);
        EXPECT_TRUE(table.is_used(slot)) << i;
        table.erase(slot);
        EXPECT_FALSE(table.is_used(slot)) << i;
    }
    EXPECT_EQ(table.slots(), 1U);
}

TEST(CompactId, OnlyACanonicalUuidIsPacked) {
    const hash_key key{1, 2};
    for (const std::string text :
         {"01234567-89ab-cdef-0123-456789abcdef", "00000000-0000-0000-0000-000000000000",
          "99999999-9999-9999-9999-999999999999", "ffffffff-ffff-ffff-ffff-ffffffffffff"})
        EXPECT_NE(compact_id(text).hash(key), keyed_hash(key, text)) << text;
    for (const std::string text :
         {"0123456789-ab-cdef-0123-456789abcdef", "01234567-89ab-cdef-0123-456789abcde/",
          "01234567-89ab-cdef-0123-456789abcde:", "01234567-89ab-cdef-0123-456789abcde`",
          "01234567-89ab-cdef-0123-456789abcdeg", "01234567089ab-cdef-0123-456789abcdef"})
        EXPECT_EQ(compact_id(text).hash(key), keyed_hash(key, text)) << text;
}

TEST(CompactId, HoldsNoIdThatIsEmptyOrTooLong) {
    EXPECT_THROW(compact_id(""), std::logic_error);
    EXPECT_THROW(compact_id(std::string(65'536, 'a')), std::logic_error) << "its length is kept in 16 bits";
    EXPECT_EQ(compact_id(std::string(65'535, 'a')).str().size(), 65'535U);
}

TEST(DueHeap, AnEmptyOneHasNoFirst) {
    due_heap heap;
    EXPECT_THROW(heap.top(), std::logic_error);
    EXPECT_THROW(heap.pop(), std::logic_error);
}

TEST(TransactionTable, HoldsEachIdOnceAndChangesNoFreeSlot) {
    transaction_table table;
    const std::uint32_t slot = table.insert(make("a"), {});
    EXPECT_THROW(table.insert(make("a"), {}), std::logic_error);
    table.erase(slot);
    EXPECT_THROW(table.erase(slot), std::logic_error);
    EXPECT_THROW(table.replace(slot, make("a"), {}), std::logic_error);
}

TEST(TransactionTable, ANameOfARowHoldsForThatRowAlone) {
    transaction_table table;
    const std::uint32_t slot = table.insert(make("a"), {});
    const row_ref first = table.ref(slot);
    EXPECT_TRUE(table.holds(first));
    table.erase(slot);
    EXPECT_FALSE(table.holds(first));
    ASSERT_EQ(table.insert(make("b"), {}), slot);
    EXPECT_FALSE(table.holds(first)) << "the slot is another row's";
    EXPECT_TRUE(table.holds(table.ref(slot)));
    EXPECT_FALSE(table.holds({slot + 1, 1}));
}

} // namespace
} // namespace prooftrack::track
