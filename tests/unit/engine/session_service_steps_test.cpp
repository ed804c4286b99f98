// A session request that ends at any of its steps: Proof is never asked twice under one key.

#include "session_service_fixture.hpp"

namespace prooftrack::engine {
namespace {

/// How far a request with a key has come.
enum class step : std::uint8_t { claiming, claimed, asking, tracking, tracked };
const std::vector<step> all_steps = {step::claiming, step::claimed, step::asking, step::tracking, step::tracked};

class SessionServiceSteps : public session_service_test {
  protected:
    /// Begins and goes on until it waits in that step; what was committed in it was not told yet.
    std::shared_ptr<answer> begin_until(step last) {
        restart();
        auto got = begin("key");
        if (last == step::claimed) store().commit();
        if (last < step::asking) return got;
        store().pump();
        if (last == step::asking) return got;
        proof().answer(session_of("tx-1"));
        if (last == step::tracked) store().commit();
        return got;
    }
    /// What a request with the same key gets in the next life, and how often Proof is asked for it then.
    std::pair<std::string, std::size_t> ask_in_next_life() {
        restart();
        const std::string what = text_of(ask("key", session_of("tx-2")));
        return {what, proof().asked};
    }
    void forget_disk() { disk_ = {}; }
};

TEST_F(SessionServiceSteps, ACrashAtAnyStepIsNoSecondSession) {
    const std::map<step, std::pair<std::string, std::size_t>> expected = {
        {step::claiming, {"201", 1}}, // Proof had not been asked
        {step::claimed, {"409 session_outcome_unknown", 0}},
        {step::asking, {"409 session_outcome_unknown", 0}},
        {step::tracking, {"409 session_outcome_unknown", 0}},
        {step::tracked, {"409 session_replayed", 0}},
    };
    for (const step last : all_steps) {
        const auto got = begin_until(last);
        store().crash();
        EXPECT_EQ(text_of(got), "nothing");
        EXPECT_EQ(ask_in_next_life(), expected.at(last)) << "step " << static_cast<int>(last);
        EXPECT_EQ(got.use_count(), 1) << "its handler is gone";
        forget_disk();
    }
}

TEST_F(SessionServiceSteps, AServiceDestroyedAtAnyStepAnswersNobodyAndSendsNothing) {
    for (const step last : all_steps) {
        const auto got = begin_until(last);
        const auto joined = begin("key");
        const std::size_t asked = proof().asked;
        drop_service();
        store().pump();
        while (!proof().waiting.empty()) proof().answer(session_of("tx-1"));
        store().pump();
        EXPECT_EQ(proof().asked, asked) << "step " << static_cast<int>(last);
        for (const auto& one : {got, joined}) EXPECT_EQ(text_of(one), "nothing") << "step " << static_cast<int>(last);
        EXPECT_EQ(got.use_count(), 1);
        EXPECT_EQ(joined.use_count(), 1);
        forget_disk();
    }
}

TEST_F(SessionServiceSteps, ACallThatProofsClientDropsLeavesAnUnknownOutcome) {
    const auto got = begin_until(step::asking);
    const auto joined = begin("key");
    proof().waiting.clear();
    for (const auto& one : {got, joined}) EXPECT_EQ(text_of(one), "nothing");
    EXPECT_EQ(got.use_count(), 1);
    EXPECT_EQ(joined.use_count(), 1) << "nobody would ever answer it";
    EXPECT_EQ(text_of(ask_again("key")), "409 session_outcome_unknown");
}

TEST_F(SessionServiceSteps, ARequestWithoutAKeyEndsWithItsCall) {
    const auto got = begin("");
    proof().waiting.clear();
    EXPECT_EQ(text_of(got), "nothing");
    EXPECT_EQ(got.use_count(), 1);
    EXPECT_EQ(text_of(ask("", session_of("tx-1"))), "201");
}

TEST_F(SessionServiceSteps, TheOneThatAskedIsAnsweredAfterThoseWhoJoined) {
    std::vector<std::string> order;
    const auto ask_as = [&](const std::string& who) {
        api::session_request request;
        request.idempotency_key = "key";
        start(service().create(std::move(request)), [&order, who](const api::outcome<api::proxied_reply>&) {
            order.push_back(who);
        });
    };
    for (const char* who : {"first", "second", "third"}) ask_as(who);
    store().pump();
    proof().answer(session_of("tx-1"));
    store().pump();
    EXPECT_EQ(order, (std::vector<std::string>{"second", "third", "first"}));
}

} // namespace
} // namespace prooftrack::engine
