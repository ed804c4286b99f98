// How failures look to a user of the API.

#include "engine/problems.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/problem.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

op_error failure(error_code code, std::string operation, std::string detail = "") {
    return {code, std::move(operation), std::move(detail)};
}
op_error failure(store::store_error code) { return failure(make_error_code(code), "commit"); }
op_error failure(proof::proof_error code) { return failure(make_error_code(code), "call Proof"); }

TEST(Problems, ARefusalHasItsCodeAndItsDetailAndNothingElse) {
    const api::problem refused = refuse(api::problem_code::already_ended, "it has ended");
    EXPECT_EQ(refused.code, api::problem_code::already_ended);
    EXPECT_EQ(refused.detail, "it has ended");
    EXPECT_EQ(refused.status, 0);
    EXPECT_THAT(refused.members, IsEmpty());
    EXPECT_EQ(refused.retry_after, std::nullopt);
}

TEST(Problems, WhatTheStoreCannotDoIs503AndSaysWhy) {
    const api::problem full = store_problem(failure(store::store_error::full));
    EXPECT_EQ(http_status(full), 503);
    EXPECT_EQ(full.code, api::problem_code::store_unavailable);
    EXPECT_THAT(full.detail, HasSubstr("the disk is full: nothing was changed"));
    const api::problem no_room = store_problem(failure(store::store_error::no_space_for_copy));
    EXPECT_EQ(no_room.code, api::problem_code::store_unavailable);
    EXPECT_THAT(no_room.detail, HasSubstr("no room for a copy"));
    const api::problem busy = store_problem(failure(store::store_error::busy));
    EXPECT_EQ(busy.code, api::problem_code::unavailable);
    EXPECT_THAT(busy.detail, HasSubstr("another backup"));
    const api::problem away = store_problem(failure(store::store_error::unreachable));
    EXPECT_EQ(away.code, api::problem_code::store_unavailable);
    EXPECT_THAT(away.detail, StartsWith("PostgreSQL cannot be reached: nothing was changed"));
    const api::problem other = store_problem(failure(store::store_error::failed));
    EXPECT_EQ(other.code, api::problem_code::store_unavailable);
    EXPECT_THAT(other.detail, HasSubstr("commit: the store has failed and stopped"));
}

TEST(Problems, ABackupOfPostgresIsPostgres) {
    const api::problem refused = store_problem(failure(store::store_error::not_a_file));
    EXPECT_EQ(http_status(refused), 400);
    EXPECT_THAT(refused.detail, HasSubstr("pg_dump"));
}

TEST(Problems, AnInvalidArgumentIsTheCallers) {
    const api::problem wrong = store_problem(failure(
        boost::system::errc::make_error_code(boost::system::errc::invalid_argument), "read the cursor",
        "it is none of ours"));
    EXPECT_EQ(wrong.code, api::problem_code::invalid_request);
    EXPECT_EQ(wrong.detail, "read the cursor: it is none of ours");
}

TEST(Problems, AnUnknownTransactionIsNamedWithTheCommandThatTracksIt) {
    const api::problem unknown = unknown_transaction(*transaction_id::parse("order-1"));
    EXPECT_EQ(http_status(unknown), 404);
    EXPECT_EQ(word_of(unknown.code), "unknown_transaction");
    EXPECT_EQ(unknown.detail, "'order-1' is not tracked here: `prooftrackctl track order-1` tracks it");
}

TEST(Problems, ACallWithoutAReplySaysWhoCouldNot) {
    EXPECT_EQ(call_problem(failure(proof::proof_error::stopped)).code, api::problem_code::unavailable);
    EXPECT_THAT(call_problem(failure(proof::proof_error::stopped)).detail, HasSubstr("stopping"));
    EXPECT_EQ(call_problem(failure(proof::proof_error::timed_out)).code, api::problem_code::proof_timeout);
    EXPECT_EQ(call_problem(failure(proof::proof_error::unusable_reply)).code, api::problem_code::proof_unusable_reply);
    EXPECT_EQ(call_problem(failure(proof::proof_error::interrupted)).code, api::problem_code::proof_unreachable);
    const api::problem unreachable = call_problem(failure(proof::proof_error::unreachable));
    EXPECT_EQ(unreachable.code, api::problem_code::proof_unreachable);
    EXPECT_THAT(unreachable.detail, StartsWith("Proof gave no usable answer: call Proof: "));
}

TEST(Problems, ProofsOwnErrorPassesThrough) {
    proof::proof_reply reply;
    reply.status = 409;
    reply.is_own_error = true;
    reply.error_code = "session_already_used";
    reply.message = "this session was used";
    reply.request_id = "req-1";
    reply.retry_after = milliseconds(1'001);
    const api::problem made = reply_problem(reply, "a session");
    EXPECT_EQ(made.code, api::problem_code::passed_through);
    EXPECT_EQ(http_status(made), 409);
    EXPECT_EQ(made.proof_code, "session_already_used");
    EXPECT_EQ(made.detail, "this session was used");
    EXPECT_THAT(made.members, ElementsAre(api::problem_member::text("request_id", "req-1")));
    EXPECT_EQ(made.retry_after, seconds(2)) << "rounded up: a second too early is refused again";
    reply.message.clear();
    reply.request_id.clear();
    reply.retry_after.reset();
    const api::problem silent = reply_problem(reply, "a session");
    EXPECT_EQ(silent.detail, "Proof answered 409");
    EXPECT_THAT(silent.members, IsEmpty());
    EXPECT_EQ(silent.retry_after, std::nullopt);
}

TEST(Problems, AReplyThatIsNotWhatWasAskedForIsUnusable) {
    const auto of = [](int status) {
        proof::proof_reply reply;
        reply.status = status;
        return reply_problem(reply, "no session id");
    };
    for (const int status : {200, 299}) {
        EXPECT_EQ(
            of(status).detail,
            "Proof answered " + std::to_string(status) + " with no session id: ask its support with request_id");
    }
    for (const int status : {300, 302, 399}) EXPECT_THAT(of(status).detail, HasSubstr("a redirect"));
    for (const int status : {199, 400, 404, 503}) EXPECT_THAT(of(status).detail, HasSubstr("a gateway or firewall"));
    for (const int status : {199, 200, 302, 404}) {
        EXPECT_EQ(of(status).code, api::problem_code::proof_unusable_reply) << status;
        EXPECT_EQ(http_status(of(status)), 502) << status;
    }
}

} // namespace
} // namespace prooftrack::engine
