// Calls that share a commit are as if one had been made after the other: each finds what those before it did.

#include <gmock/gmock.h>

#include "contract/store/store_under_test.hpp"

namespace prooftrack::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// What a call is answered, for later.
template <class T>
class kept_answer {
  public:
    auto handler() {
        return [this](op_result<T> given) { given_.emplace(std::move(given)); };
    }
    const T& value() const { return given_.value().value(); }
    bool is(store_error what) const { return !given_.value().has_value() && given_->error().code == what; }

  private:
    std::optional<op_result<T>> given_;
};
using kept_record = kept_answer<recorded_transition>;
using kept_adding = kept_answer<std::vector<add_outcome>>;
using kept_head = kept_answer<std::optional<delivery_head>>;

std::vector<add_result> results_of(const kept_adding& answer) {
    std::vector<add_result> results;
    for (const add_outcome& each : answer.value()) results.push_back(each.what);
    return results;
}

transition of_revision(transition change, std::uint32_t revision) {
    change.revision = row_revision{revision};
    return change;
}

attempt_record delivered(std::uint64_t id, std::uint32_t attempts = 1) {
    return {delivery_id{id}, at_ms(1000), attempts, track::delivery_state::delivered, 200, "", std::nullopt};
}
attempt_record failed(std::uint64_t id, std::int64_t next_ms, std::uint32_t attempts = 1) {
    return {delivery_id{id}, at_ms(1000), attempts, track::delivery_state::pending, 500, "500", at_ms(next_ms)};
}

class Together : public store_contract {
  protected:
    std::vector<std::uint64_t> head_ids(const std::string& lane = "backend") {
        std::vector<std::uint64_t> ids;
        for (const delivery_head& each : world.heads(lane)) ids.push_back(value_of(each.id));
        return ids;
    }
    track::delivery_view view(std::uint64_t id) { return world.load_delivery(id).value().view; }
    void record(store& subject, const transition& change, kept_record& answer) {
        subject.record(change, answer.handler());
    }
};

/// Delivery 1 of "a" is going on "backend", and 2 of "b".
class TogetherDeliveries : public Together {
  protected:
    void SetUp() override {
        world.add({make_new("a"), make_new("b")}).value();
        world.record(make_settlement("a", 10, {"backend"})).value();
        world.record(make_settlement("b", 20, {"backend"})).value();
    }
};
INSTANTIATE_TEST_SUITE_P(Store, Together, every_store(), store_name);
INSTANTIATE_TEST_SUITE_P(Store, TogetherDeliveries, every_store(), store_name);

TEST_P(TogetherDeliveries, ASecondOneIsPromotedByTheEndOfTheFirstThatComesBehindIt) {
    kept_record second;
    kept_head ended;
    world.together([&](store& subject) {
        subject.record_attempt(delivered(2), [](const auto&) {});
        record(subject, of_revision(make_settlement("a", 30, {"backend"}), 2), second);
        subject.record_attempt(delivered(1), ended.handler());
    });
    EXPECT_THAT(second.value().heads, IsEmpty()) << "it waits for the first";
    ASSERT_TRUE(ended.value().has_value());
    EXPECT_EQ(ended.value()->id, delivery_id{3});
    EXPECT_EQ(ended.value()->next_attempt_at, at_ms(1000));
    EXPECT_THAT(head_ids(), ElementsAre(3U));
    EXPECT_EQ(world.status().lanes.at("backend").pending, 1U);
    EXPECT_EQ(world.attempt(delivered(3)), std::nullopt);
}

TEST_P(TogetherDeliveries, ASecondOneIsGoingAtOnceWhenTheEndOfTheFirstCameBefore) {
    kept_record second;
    kept_head ended;
    world.together([&](store& subject) {
        subject.record_attempt(delivered(2), [](const auto&) {});
        subject.record_attempt(delivered(1), ended.handler());
        record(subject, of_revision(make_settlement("a", 30, {"backend"}), 2), second);
    });
    EXPECT_EQ(ended.value(), std::nullopt);
    ASSERT_EQ(second.value().heads.size(), 1U);
    EXPECT_EQ(second.value().heads[0].id, delivery_id{3});
    EXPECT_THAT(head_ids(), ElementsAre(3U));
    EXPECT_EQ(world.status().lanes.at("backend").pending, 1U);
}

TEST_P(TogetherDeliveries, AWholeLineEndsInItsOrder) {
    world.record(make_settlement("a", 30, {"backend"})).value(); // 3
    std::vector<kept_head> ended(4);
    kept_record last;
    world.together([&](store& subject) {
        subject.record_attempt(delivered(1), ended[0].handler());
        subject.record_attempt(delivered(3), ended[1].handler());
        record(subject, of_revision(make_settlement("a", 40, {"backend", "other"}), 3), last); // 4 and 5
        subject.record_attempt(delivered(4), ended[2].handler());
        subject.record_attempt(delivered(5), ended[3].handler());
    });
    EXPECT_EQ(ended[0].value()->id, delivery_id{3});
    EXPECT_EQ(last.value().heads.size(), 2U);
    for (int i = 1; i < 4; ++i) EXPECT_EQ(ended[static_cast<std::size_t>(i)].value(), std::nullopt) << i;
    EXPECT_THAT(head_ids(), ElementsAre(2U));
    EXPECT_EQ(world.status().lanes.at("backend").pending, 1U);
    EXPECT_EQ(world.status().lanes.at("other").pending, 0U);
}

TEST_P(TogetherDeliveries, ASecondRecordOfAnAttemptChangesNothing) {
    std::vector<kept_head> answers(4);
    world.together([&](store& subject) {
        subject.record_attempt(failed(1, 6000), answers[0].handler());
        subject.record_attempt(failed(1, 7000), answers[1].handler());
        subject.record_attempt(delivered(2), answers[2].handler());
        attempt_record dead = delivered(2, 2);
        dead.state = track::delivery_state::dead;
        subject.record_attempt(dead, answers[3].handler());
    });
    for (const kept_head& each : answers) EXPECT_EQ(each.value(), std::nullopt);
    EXPECT_EQ(view(1).attempts, 1U);
    EXPECT_EQ(view(1).next_attempt_at, at_ms(6000));
    EXPECT_EQ(view(2).state, track::delivery_state::delivered);
    EXPECT_EQ(view(2).attempts, 1U);
    EXPECT_EQ(world.status().lanes.at("backend").pending, 1U);
    EXPECT_EQ(world.status().lanes.at("backend").dead, 0U);
}

TEST_P(TogetherDeliveries, AnAttemptThatWasOvertakenByARetryDoesNotCount) {
    world.attempt(failed(1, 6000));
    kept_answer<delivery_head> retried;
    kept_head late;
    world.together([&](store& subject) {
        subject.record_attempt(failed(2, 9000), [](const auto&) {});
        subject.retry_delivery(delivery_id{1}, at_ms(2000), retried.handler());
        subject.record_attempt(failed(1, 8000, 2), late.handler());
    });
    EXPECT_FALSE(retried.value().waits);
    EXPECT_EQ(retried.value().attempts, 0U);
    EXPECT_EQ(view(1).attempts, 0U);
    EXPECT_EQ(view(1).next_attempt_at, at_ms(2000));
    EXPECT_EQ(view(2).next_attempt_at, at_ms(9000));
}

TEST_P(TogetherDeliveries, ARetryFindsTheAttemptThatWasRecordedBeforeIt) {
    world.record(make_settlement("a", 30, {"backend"})).value(); // 3
    kept_answer<delivery_head> due;
    kept_answer<delivery_head> again;
    kept_head ended;
    world.together([&](store& subject) {
        subject.record_attempt(failed(2, 9000), [](const auto&) {});
        subject.retry_delivery(delivery_id{2}, at_ms(2000), due.handler());
        subject.record_attempt(delivered(1), ended.handler());
        subject.retry_delivery(delivery_id{1}, at_ms(3000), again.handler());
    });
    EXPECT_EQ(due.value().next_attempt_at, at_ms(2000));
    EXPECT_EQ(view(2).attempts, 0U);
    EXPECT_EQ(ended.value()->id, delivery_id{3});
    EXPECT_FALSE(again.value().waits);
    EXPECT_EQ(view(1).state, track::delivery_state::pending);
    EXPECT_THAT(head_ids(), ElementsAre(3U, 2U, 1U));
    EXPECT_EQ(world.status().lanes.at("backend").pending, 3U);
}

TEST_P(Together, OfTwoChangesOfOneRevisionTheSecondIsStale) {
    for (const bool first_has_event : {true, false}) {
        for (const bool second_has_event : {true, false}) {
            const std::string id = std::string(first_has_event ? "e" : "p") + (second_has_event ? "e" : "p");
            world.add({make_new(id)}).value();
            const std::uint64_t before = value_of(world.events().last_seq);
            const auto change = [&id](bool has_event, std::int64_t ms) {
                transition made = make_settlement(id, ms, {"backend"});
                if (!has_event) made.event.reset();
                return made;
            };
            kept_record first;
            kept_record second;
            world.together([&](store& subject) {
                record(subject, change(first_has_event, 10), first);
                record(subject, change(second_has_event, 20), second);
            });
            EXPECT_EQ(first.value().revision, row_revision{2}) << id;
            EXPECT_TRUE(second.is(store_error::stale)) << id;
            EXPECT_EQ(world.find(make_id(id)).facts.settled_at, at_ms(10)) << id;
            EXPECT_EQ(world.history(make_id(id))->changes.size(), 2U) << id;
            EXPECT_EQ(value_of(world.events().last_seq), before + (first_has_event ? 1U : 0U)) << id;
        }
    }
}

TEST_P(Together, AChangeBehindAnotherOneIsMadeOnTopOfIt) {
    world.add({make_new("a")}).value();
    kept_record plain;
    kept_record first;
    kept_record second;
    world.together([&](store& subject) {
        transition change = make_change("a", track::tracking_state::tracking, "processing", 10);
        change.reply = R"({"status":"processing"})";
        change.reply_is_good = true;
        record(subject, change, plain);
        transition overdue = make_settlement("a", 20, {});
        overdue.reply.clear();
        record(subject, of_revision(overdue, 2), first);
        record(subject, of_revision(make_settlement("a", 15, {}, "failed"), 3), second); // the clock stepped back
    });
    EXPECT_EQ(plain.value().revision, row_revision{2});
    EXPECT_THAT(*first.value().body, HasSubstr(R"("proof":{"status":"processing"})"));
    EXPECT_EQ(second.value().revision, row_revision{4});
    EXPECT_THAT(*second.value().body, HasSubstr(R"("timestamp":"2026-04-01T10:00:00.021Z")"));
    EXPECT_EQ(world.history(make_id("a"))->changes.size(), 4U);
}

/// Options of "a", "b" and a change of the same revision.
class TogetherOptions : public Together {
  protected:
    void SetUp() override { world.add({make_new("a"), make_new("b")}).value(); }
    static options_change make_options(const std::string& id, std::uint32_t revision) {
        return {
            .id = make_id(id),
            .revision = row_revision{revision},
            .metadata = R"({"order":"new"})",
            .callback_url = "https://new.example/",
            .callback_lane = "https://new.example:443",
            .options_digest = make_digest(2)};
    }
};
INSTANTIATE_TEST_SUITE_P(Store, TogetherOptions, every_store(), store_name);

TEST_P(TogetherOptions, TheyHoldForAChangeBehindThemAndMakeOneStaleThatWasJudgedBefore) {
    kept_record beside;
    kept_answer<row_revision> set;
    kept_record stale;
    kept_record fresh;
    world.together([&](store& subject) {
        record(subject, make_settlement("b", 10, {"backend"}), beside);
        subject.set_options(make_options("a", 1), set.handler());
        record(subject, make_settlement("a", 20, {"backend"}), stale);
        record(subject, of_revision(make_settlement("a", 30, {}), 2), fresh);
    });
    EXPECT_EQ(beside.value().seq, event_seq{1});
    EXPECT_EQ(set.value(), row_revision{2});
    EXPECT_TRUE(stale.is(store_error::stale));
    EXPECT_EQ(fresh.value().seq, event_seq{2});
    EXPECT_THAT(*fresh.value().body, HasSubstr(R"("metadata":{"order":"new"})"));
    ASSERT_EQ(fresh.value().heads.size(), 1U);
    EXPECT_EQ(fresh.value().heads[0].lane, "https://new.example:443");
}

TEST_P(TogetherOptions, TheyAreStaleBehindAChange) {
    kept_record change;
    kept_answer<row_revision> stale;
    kept_answer<row_revision> fresh;
    world.together([&](store& subject) {
        record(subject, make_settlement("a", 20, {"backend"}), change);
        subject.set_options(make_options("a", 1), stale.handler());
        subject.set_options(make_options("a", 2), fresh.handler());
    });
    EXPECT_THAT(*change.value().body, HasSubstr(R"("metadata":{})"));
    EXPECT_TRUE(stale.is(store_error::stale));
    EXPECT_EQ(fresh.value(), row_revision{3});
    EXPECT_EQ(world.find(make_id("a")).metadata, R"({"order":"new"})");
}

TEST_P(TogetherOptions, OfTheEndOfTheTrackingAndAChangeTheSecondIsStale) {
    const auto untracked = [](const std::string& id) {
        return make_change(id, track::tracking_state::untracked, "pending", 10);
    };
    kept_record ended_first;
    kept_record settled_late;
    kept_record settled_first;
    kept_record ended_late;
    world.together([&](store& subject) {
        record(subject, untracked("a"), ended_first);
        record(subject, make_settlement("a", 20, {"backend"}), settled_late);
        record(subject, make_settlement("b", 20, {"backend"}), settled_first);
        record(subject, untracked("b"), ended_late);
    });
    EXPECT_EQ(ended_first.value().seq, std::nullopt);
    EXPECT_TRUE(settled_late.is(store_error::stale));
    EXPECT_EQ(settled_first.value().seq, event_seq{1});
    EXPECT_TRUE(ended_late.is(store_error::stale));
    EXPECT_EQ(world.find(make_id("a")).facts.state, track::tracking_state::untracked);
    EXPECT_EQ(world.find(make_id("b")).facts.state, track::tracking_state::settled);
    EXPECT_EQ(world.events().events.size(), 1U);
}

TEST_P(Together, ATransactionIsAddedOrTrackedAnewAndChangedAtOnce) {
    world.add({make_new("old")}).value();
    transition ended = make_settlement("old", 10, {}, "failed"); // with a reply that is forgotten
    ended.facts = make_change("old", track::tracking_state::untracked, "pending", 10).facts;
    world.record(ended).value();
    track::new_transaction renewed = make_new("old", 50);
    renewed.metadata = R"({"order":"B-2"})";
    transition late = of_revision(make_settlement("old", 60, {"backend"}), 3);
    late.reply.clear();
    kept_adding added;
    kept_adding again;
    kept_record of_nobody;
    kept_record stale;
    kept_record of_renewed;
    kept_record of_new;
    world.together([&](store& subject) {
        record(subject, make_settlement("nobody", 5, {}), of_nobody); // the first of them that is looked for
        subject.add({make_new("new", 50)}, std::nullopt, added.handler());
        subject.add({renewed}, std::nullopt, again.handler());
        record(subject, of_revision(make_settlement("old", 55, {}), 2), stale);
        record(subject, late, of_renewed);
        record(subject, make_settlement("new", 60, {"backend"}), of_new);
    });
    EXPECT_THAT(results_of(added), ElementsAre(add_result::created));
    EXPECT_THAT(results_of(again), ElementsAre(add_result::created));
    EXPECT_EQ(again.value()[0].revision, row_revision{3});
    EXPECT_TRUE(of_nobody.is(store_error::not_found));
    EXPECT_TRUE(stale.is(store_error::stale));
    EXPECT_EQ(of_renewed.value().seq, event_seq{2});
    EXPECT_THAT(*of_renewed.value().body, HasSubstr(R"("metadata":{"order":"B-2"})"));
    EXPECT_THAT(*of_renewed.value().body, Not(HasSubstr("failed"))) << "the reply from before is forgotten";
    EXPECT_EQ(world.find(make_id("old")).proof, "");
    EXPECT_EQ(of_new.value().seq, event_seq{3});
    EXPECT_EQ(world.find(make_id("new")).facts.state, track::tracking_state::settled);
    EXPECT_EQ(world.status().transactions.at({track::tracking_state::settled, track::status_kind::completed}), 2U);
    EXPECT_THAT(head_ids(), ElementsAre(1U, 2U));
}

TEST_P(Together, KnownAndRepeatedIdsOfACallAreAnsweredBesideOthers) {
    world.add({make_new("known"), make_new("ended")}).value();
    world.record(make_change("ended", track::tracking_state::untracked, "pending", 1)).value();
    track::new_transaction other = make_new("new", 2);
    other.options_digest = make_digest(1);
    kept_adding first;
    kept_adding second;
    kept_adding alone;
    kept_record of_known;
    kept_record of_new;
    world.together([&](store& subject) {
        record(subject, make_settlement("known", 10, {"backend"}), of_known);
        const auto all = {make_new("known"), make_new("new", 2), other,           make_new("ended", 2),
                          make_new("ended"), make_new("more"),   make_new("more")};
        subject.add(all, std::nullopt, first.handler());
        record(subject, make_settlement("new", 20, {"backend"}), of_new);
        subject.add({make_new("more"), make_new("last"), make_new("new")}, std::nullopt, second.handler());
        subject.add({make_new("last")}, std::nullopt, alone.handler());
    });
    EXPECT_THAT(
        results_of(first), ElementsAre(
                               add_result::existing, add_result::created, add_result::conflict, add_result::created,
                               add_result::existing, add_result::created, add_result::existing));
    EXPECT_EQ(first.value()[0].facts.state, track::tracking_state::settled);
    EXPECT_THAT(results_of(second), ElementsAre(add_result::existing, add_result::created, add_result::existing));
    EXPECT_EQ(second.value()[2].facts.state, track::tracking_state::settled);
    EXPECT_THAT(results_of(alone), ElementsAre(add_result::existing));
    EXPECT_EQ(of_known.value().seq, event_seq{1});
    EXPECT_EQ(of_new.value().seq, event_seq{2});
    std::vector<std::string> newest_first;
    for (const auto& each : world.list({}).transactions) newest_first.push_back(each.id.str());
    EXPECT_THAT(newest_first, ElementsAre("last", "more", "new", "ended", "known"));
    EXPECT_EQ(world.status().transactions.at({track::tracking_state::tracking, track::status_kind::none}), 3U);
    EXPECT_EQ(world.history(make_id("more"))->changes.size(), 1U);
    EXPECT_EQ(world.history(make_id("ended"))->changes.size(), 3U);
}

TEST_P(Together, AReadBetweenThemSeesWhatCameBeforeItAlone) {
    world.add({make_new("a")}).value();
    kept_answer<std::optional<track::transaction_view>> before;
    kept_answer<std::optional<track::transaction_view>> behind;
    kept_answer<event_page> events;
    kept_answer<std::vector<delivery_head>> heads;
    world.together([&](store& subject) {
        subject.find(make_id("b"), before.handler());
        subject.add({make_new("b"), make_new("c")}, std::nullopt, [](const auto&) {});
        subject.find(make_id("b"), behind.handler());
        subject.record(make_settlement("b", 10, {"backend"}), [](const auto&) {});
        subject.events_after(event_seq{0}, 10, events.handler());
        subject.next_heads("backend", 10, heads.handler());
        subject.record(make_settlement("a", 20, {"backend"}), [](const auto&) {});
    });
    EXPECT_FALSE(before.value().has_value());
    EXPECT_TRUE(behind.value().has_value());
    EXPECT_EQ(events.value().events.size(), 1U);
    EXPECT_EQ(heads.value().size(), 1U);
    EXPECT_EQ(world.events().events.size(), 2U);
}

} // namespace
} // namespace prooftrack::store
