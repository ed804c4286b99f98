// When an Idempotency-Key is free again and when its outcome is unknown; what is kept, and for how long.

#include "session_service_fixture.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using SessionService = session_service_test;

TEST_F(SessionService, ADefiniteRefusalGivesTheKeyBack) {
    for (const int status : {400, 401, 403, 404, 409, 422, 425, 429}) {
        const std::string key = "key-" + std::to_string(status);
        EXPECT_EQ(text_of(ask(key, proof_refuses(status))), std::to_string(status) + " proof_error");
        EXPECT_EQ(text_of(ask(key, session_of("tx-" + key), "another body")), "201") << status;
    }
}

TEST_F(SessionService, AnythingElseThatCameKeepsTheKeyForEver) {
    proof::proof_reply odd_id = proof_refuses(422, "kyc_required");
    odd_id.body = R"({"error":"kyc_required","merchant_transaction_id":"a/b"})";
    const std::pair<const char*, proof::proof_reply> replies[] = {
        {"502 proof_unusable_reply", proof_says(502, "<html>")},
        {"502 proof_unusable_reply", proof_says(503, "<html>")},
        {"502 proof_unusable_reply", proof_says(504, "")},
        {"500 proof_error", proof_refuses(500)},
        {"502 proof_error", proof_refuses(502)},
        {"503 proof_error", proof_refuses(503)},
        {"502 proof_unusable_reply", proof_says(403, "<html>")},
        {"502 proof_unusable_reply", proof_says(429, R"({"message":"slow down"})")},
        {"502 proof_unusable_reply", proof_says(302, "")},
        {"502 proof_unusable_reply", proof_says(307, R"({"error":"moved"})")},
        {"408 proof_error", proof_refuses(408)},
        {"502 proof_unusable_reply", proof_says(200, "{}")},
        {"502 proof_unusable_reply", proof_says(201, "<html>")},
        {"502 proof_unusable_reply",
         proof_says(200, R"({"merchant_transaction_id":"a","merchant_transaction_id":"b"})")},
        {"422 proof_error", odd_id},
    };
    std::size_t number = 0;
    for (const auto& [expected, reply] : replies) {
        const std::string key = "key-" + std::to_string(number++);
        const auto first = ask(key, reply);
        EXPECT_EQ(text_of(first), expected) << reply.status << " " << reply.body;
        EXPECT_NE(std::get<api::problem>(first).detail.find("not known"), std::string::npos);
        EXPECT_EQ(text_of(ask_again(key)), "409 session_outcome_unknown") << reply.status << " " << reply.body;
    }
    restart();
    while (number > 0) EXPECT_EQ(text_of(ask_again("key-" + std::to_string(--number))), "409 session_outcome_unknown");
}

TEST_F(SessionService, OnlyACallThatNeverLeftGivesTheKeyBack) {
    EXPECT_EQ(text_of(ask("a", call_error(proof::proof_error::unreachable))), "502 proof_unreachable");
    EXPECT_EQ(text_of(ask("a", session_of("tx-a"))), "201");
    EXPECT_EQ(text_of(ask("b", call_error(proof::proof_error::stopped))), "503 unavailable");
    EXPECT_EQ(text_of(ask("b", session_of("tx-b"))), "201");
    EXPECT_EQ(text_of(ask("c", call_error(proof::proof_error::timed_out))), "504 proof_timeout");
    EXPECT_EQ(text_of(ask_again("c")), "409 session_outcome_unknown");
    EXPECT_EQ(text_of(ask("d", call_error(proof::proof_error::interrupted))), "502 proof_unreachable");
    EXPECT_EQ(text_of(ask_again("d")), "409 session_outcome_unknown");
    EXPECT_EQ(text_of(ask("e", call_error(proof::proof_error::unusable_reply))), "502 proof_unusable_reply");
    EXPECT_EQ(text_of(ask_again("e")), "409 session_outcome_unknown");
}

TEST_F(SessionService, OneKeyAtOnceIsAskedForOnce) {
    const auto first = begin("key");
    const auto joined = begin("key");
    const auto other = begin("key", "another body");
    EXPECT_EQ(text_of(other), "409 idempotency_key_reused");
    store().pump();
    const auto late = begin("key");
    store().pump();
    proof().answer(session_of("tx-1"));
    store().pump();
    for (const auto& got : {first, joined, late}) EXPECT_EQ(text_of(got), "201");
    EXPECT_EQ(proof().asked, 1U);
}

TEST_F(SessionService, AKeyIsBusyUntilItsReleaseIsDurable) {
    const auto first = begin("key");
    store().pump();
    proof().answer(proof_refuses(429, "rate_limit_exceeded"));
    const auto meanwhile = begin("key");
    EXPECT_EQ(text_of(first), "nothing");
    store().pump();
    EXPECT_EQ(text_of(first), "429 proof_error");
    EXPECT_EQ(text_of(meanwhile), "429 proof_error");
    EXPECT_EQ(proof().asked, 1U);
    EXPECT_EQ(text_of(ask("key", session_of("tx-1"))), "201");
}

TEST_F(SessionService, AReleaseThatFailsIsNoUnknownOutcome) {
    const auto first = begin("key");
    store().pump();
    proof().answer(proof_refuses(422, "kyc_required"));
    store().set_full(true);
    store().pump();
    EXPECT_EQ(text_of(first), "422 proof_error");
    EXPECT_EQ(text_of(ask_again("key")), "503 store_unavailable");
    store().set_full(false);
    EXPECT_EQ(text_of(ask("key", session_of("tx-1"), "another body")), "201");
}

TEST_F(SessionService, AfterARestartAReleaseThatFailedIsAnUnknownOutcome) {
    const auto first = begin("key");
    store().pump();
    proof().answer(proof_refuses(422, "kyc_required"));
    store().set_full(true);
    store().pump();
    restart();
    EXPECT_EQ(text_of(ask_again("key")), "409 session_outcome_unknown");
}

TEST_F(SessionService, AClaimThatFailsSendsNothingToProof) {
    store().set_full(true);
    EXPECT_EQ(text_of(ask_again("key")), "503 store_unavailable");
    store().set_full(false);
    EXPECT_EQ(text_of(ask("key", session_of("tx-1"))), "201");
}

TEST_F(SessionService, ADaemonThatDiedBetweenClaimAndReplyKnowsNoOutcome) {
    begin("key");
    store().pump();
    store().crash();
    restart();
    EXPECT_EQ(text_of(ask_again("key")), "409 session_outcome_unknown");
    EXPECT_EQ(text_of(ask_again("key", "another body")), "409 idempotency_key_reused");
}

TEST_F(SessionService, UnfitOptionsAreRefusedBeforeTheKeyIsTaken) {
    unfit_ = refuse(api::problem_code::invalid_request, "callback_url");
    EXPECT_EQ(text_of(ask_again("key")), "400 invalid_request");
    unfit_.reset();
    EXPECT_EQ(text_of(ask("key", session_of("tx-1"))), "201");
    unfit_ = refuse(api::problem_code::unavailable, "stopping");
    EXPECT_EQ(text_of(ask_again("key")), "201") << "what is kept needs neither Proof nor the store";
}

TEST_F(SessionService, AReplyIsKeptForAnHourAndThenDroppedByItself) {
    const proof::proof_reply reply = session_of("tx-1");
    EXPECT_EQ(text_of(ask("key", reply)), "201");
    EXPECT_EQ(wakes_changed_, 1);
    EXPECT_EQ(service().next_wake(), clock_.now().steady + 1h);
    EXPECT_EQ(std::get<api::proxied_reply>(ask_again("key")).body, reply.body);
    EXPECT_EQ(text_of(ask_again("key", "another body")), "409 idempotency_key_reused");
    clock_.run_for(1h);
    service().on_wake(clock_.now());
    EXPECT_EQ(service().kept().size(), 0U);
    EXPECT_EQ(service().kept().bytes(), 0U);
    EXPECT_EQ(service().next_wake(), std::nullopt);
    const auto later = ask_again("key");
    EXPECT_EQ(text_of(later), "409 session_replayed");
    EXPECT_EQ(member(later, "merchant_transaction_id"), "tx-1");
}

TEST_F(SessionService, AReplyThatIsTooLongIsNotKept) {
    proof::proof_reply reply = session_of("tx-1");
    reply.body += std::string(limits_.largest, ' ');
    EXPECT_EQ(std::get<api::proxied_reply>(ask("key", reply)).body, reply.body);
    EXPECT_EQ(service().kept().size(), 0U);
    EXPECT_EQ(text_of(ask_again("key")), "409 session_replayed");
    restart();
    EXPECT_EQ(text_of(ask_again("key")), "409 session_replayed");
}

TEST_F(SessionService, AnIdThatIsTrackedWithOtherOptionsIsAConflictThatTheKeyRemembers) {
    api::tracking_options options;
    options.metadata = R"({"order":"B"})";
    EXPECT_EQ(text_of(ask("first", session_of("tx-1"))), "201");
    const auto got = begin("second", "{}", options);
    store().pump();
    proof().answer(session_of("tx-1"));
    store().pump();
    EXPECT_EQ(text_of(got), "409 already_tracked");
    EXPECT_EQ(member(**got, "merchant_transaction_id"), "tx-1");
    const auto again = ask_again("second");
    EXPECT_EQ(text_of(again), "409 already_tracked");
    EXPECT_EQ(member(again, "merchant_transaction_id"), "tx-1");
    restart();
    EXPECT_EQ(text_of(ask_again("second")), "409 session_replayed");
}

TEST_F(SessionService, ASessionThatTheStoreCannotRecordIsRecordedWithTheNextRequestOfItsKey) {
    const proof::proof_reply reply = session_of("tx-1");
    const auto got = begin("key");
    store().pump();
    store().set_full(true);
    proof().answer(reply);
    store().pump();
    EXPECT_EQ(text_of(got), "503 store_unavailable");
    EXPECT_EQ(member(**got, "merchant_transaction_id"), "tx-1");
    EXPECT_EQ(log_.count(observe::log_event_id::store_error), 1U);
    EXPECT_EQ(text_of(ask_again("key", "another body")), "409 idempotency_key_reused");
    EXPECT_EQ(text_of(ask_again("key")), "503 store_unavailable");
    store().set_full(false);
    EXPECT_EQ(std::get<api::proxied_reply>(ask_again("key")).body, reply.body);
    EXPECT_TRUE(disk_.transactions.contains("tx-1"));
    EXPECT_EQ(std::get<api::proxied_reply>(ask_again("key")).body, reply.body);
}

TEST_F(SessionService, ARefusalThatHoldsASessionIsTrackedAndPassedWithItsStatus) {
    proof::proof_reply reply = proof_refuses(422, "kyc_required");
    reply.body = R"({"error":"kyc_required","merchant_transaction_id":"tx-1","init_token":"canary"})";
    const auto result = ask("key", reply);
    EXPECT_EQ(text_of(result), "422");
    EXPECT_EQ(std::get<api::proxied_reply>(result).body, reply.body);
    EXPECT_TRUE(disk_.transactions.contains("tx-1"));
    EXPECT_EQ(text_of(ask_again("key")), "422");
}

TEST_F(SessionService, ProofsRequestIdAndRetryAfterArePassedOn) {
    proof::proof_reply reply = proof_refuses(429, "rate_limit_exceeded");
    reply.request_id = R"(a"b\c)";
    reply.retry_after = 2500ms;
    const auto refused = std::get<api::problem>(ask("", reply));
    EXPECT_EQ(refused.proof_code, "rate_limit_exceeded");
    EXPECT_EQ(refused.retry_after, 3s);
    EXPECT_EQ(refused.members, (std::vector{api::problem_member::text("request_id", R"(a"b\c)")}));
    proof::proof_reply page = proof_says(503, "<html>");
    page.retry_after = 30min;
    EXPECT_EQ(std::get<api::problem>(ask("", page)).retry_after, 1800s);
}

TEST_F(SessionService, AKycAnswerIsOneJsonObjectOrAnError) {
    const auto kyc = [this](op_result<proof::proof_reply> reply) {
        answer got;
        start(service().kyc_status("u/1"), [&](api::outcome<api::proxied_reply> result) {
            got.emplace(std::move(result));
        });
        EXPECT_EQ(proof().last.target, "/widget/users/u%2F1/kyc-status");
        proof().answer(std::move(reply));
        return text_of(*got);
    };
    EXPECT_EQ(kyc(proof_says(200, R"({"status":"verified"})")), "200");
    EXPECT_EQ(kyc(proof_refuses(500)), "500 proof_error");
    EXPECT_EQ(kyc(proof_refuses(404)), "404 proof_error");
    EXPECT_EQ(kyc(proof_says(200, "<html>")), "502 proof_unusable_reply");
    EXPECT_EQ(kyc(proof_says(502, "<html>")), "502 proof_unusable_reply");
    EXPECT_EQ(kyc(proof_says(302, "")), "502 proof_unusable_reply");
    EXPECT_EQ(kyc(call_error(proof::proof_error::timed_out)), "504 proof_timeout");
}

} // namespace
} // namespace prooftrack::engine
