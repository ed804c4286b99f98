#pragma once

// A session_service between a Proof that answers when the test says and a store by hand.

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "api/problem.hpp"
#include "engine/problems.hpp"
#include "engine/session_service.hpp"
#include "support/fake_store.hpp"
#include "support/recorded_log.hpp"
#include "support/virtual_time.hpp"

namespace prooftrack::engine {

/// Takes calls and answers them by hand.
class fake_proof final : public proof::proof_client {
  public:
    void wake(std::size_t) override {}
    void call(proof::proof_call request, unique_function<void(op_result<proof::proof_reply>)> handler) override {
        ++asked;
        last = std::move(request);
        waiting.push_back(std::move(handler));
    }
    std::size_t most_at_once() const override { return 64; }
    void retire_connections() override {}
    void reconfigure(std::shared_ptr<const proof::proof_setup> /*setup*/) noexcept override {}
    void stop(milliseconds, unique_function<void()> stopped) override { stopped(); }

    void answer(op_result<proof::proof_reply> reply) {
        ASSERT_FALSE(waiting.empty()) << "Proof was not asked";
        auto handler = std::move(waiting.front());
        waiting.pop_front();
        handler(std::move(reply));
    }

    std::size_t asked = 0;
    proof::proof_call last;
    std::deque<unique_function<void(op_result<proof::proof_reply>)>> waiting;
};

inline proof::proof_reply proof_says(int status, std::string body) {
    proof::proof_reply reply;
    reply.status = status;
    reply.content_type = "application/json";
    reply.body = std::move(body);
    return reply;
}
inline proof::proof_reply proof_refuses(int status, std::string code = "invalid_request") {
    proof::proof_reply reply = proof_says(status, R"({"error":")" + code + R"(","message":"no"})");
    reply.is_own_error = true;
    reply.error_code = std::move(code);
    reply.message = "no";
    return reply;
}
inline proof::proof_reply session_of(const std::string& id) {
    return proof_says(200, R"({ "merchant_transaction_id":")" + id + R"(", "init_token":"canary"})");
}
inline op_error call_error(proof::proof_error code) { return {make_error_code(code), "call Proof", {}}; }

/// What the engine does with a new session's id, without the polls.
inline task<std::optional<api::problem>> record_session(
    store::store& storage, transaction_id id, api::tracking_options options, std::optional<store::digest> session,
    wall_time now) {
    track::new_transaction row{
        .id = std::move(id),
        .metadata = options.metadata,
        .callback_url = {},
        .callback_lane = "",
        .now = now,
        .overdue_after = milliseconds(1000),
        .options_digest = {}};
    row.options_digest[0] = static_cast<std::uint8_t>(options.metadata.size());
    std::vector<track::new_transaction> rows{std::move(row)};
    auto added = co_await call(storage, &store::store::add, std::move(rows), session);
    if (!added) co_return store_problem(added.error());
    if (added->front().what == store::add_result::conflict)
        co_return refuse(api::problem_code::already_tracked, "other options");
    co_return std::nullopt;
}

class session_service_test : public testing::Test {
  protected:
    using answer = std::optional<api::outcome<api::proxied_reply>>;

    /// A daemon's life: a new one knows what is on the disk and nothing else.
    struct life {
        explicit life(session_service_test& test)
            : store(test.disk_), service(std::make_unique<session_service>(
                                     test.clock_, store, test.log_, test.hooks(*this), test.limits_)) {
            service->attach(proof);
        }
        store::fake_store store;
        fake_proof proof;
        std::unique_ptr<session_service> service;
    };

    void restart() { life_ = std::make_unique<life>(*this); }

    std::shared_ptr<answer> begin(
        const std::string& key, const std::string& body = "{}", api::tracking_options options = {}) {
        api::session_request request;
        request.body = body;
        request.whole_body = body;
        request.options = std::move(options);
        if (!key.empty()) request.idempotency_key = key;
        auto got = std::make_shared<answer>();
        start(service().create(std::move(request)), [got](api::outcome<api::proxied_reply> result) {
            got->emplace(std::move(result));
        });
        return got;
    }
    /// Asks, lets the store work, has Proof answer if it is asked, and lets the store work again.
    api::outcome<api::proxied_reply> ask(
        const std::string& key, op_result<proof::proof_reply> reply, const std::string& body = "{}") {
        auto got = begin(key, body);
        store().pump();
        if (!proof().waiting.empty()) proof().answer(std::move(reply));
        store().pump();
        if (!*got) throw std::logic_error("no answer");
        return std::move(**got);
    }
    /// The same, where Proof must not be asked.
    api::outcome<api::proxied_reply> ask_again(const std::string& key, const std::string& body = "{}") {
        const std::size_t before = proof().asked;
        auto result = ask(key, call_error(proof::proof_error::timed_out), body);
        EXPECT_EQ(proof().asked, before) << "Proof was asked again";
        return result;
    }

    static std::string text_of(const api::outcome<api::proxied_reply>& result) {
        if (const auto* reply = std::get_if<api::proxied_reply>(&result)) return std::to_string(reply->status);
        const auto& refused = std::get<api::problem>(result);
        return std::to_string(http_status(refused)) + " " + std::string(kind_of(refused.code).word);
    }
    static std::string text_of(const std::shared_ptr<answer>& got) { return *got ? text_of(**got) : "nothing"; }
    static std::string member(const api::outcome<api::proxied_reply>& result, std::string_view name) {
        for (const api::problem_member& each : std::get<api::problem>(result).members) {
            if (each.name() == name) return std::get<std::string>(each.value());
        }
        return "";
    }

    session_service& service() { return *life_->service; }
    /// The store and Proof go on.
    void drop_service() { life_->service.reset(); }
    store::fake_store& store() { return life_->store; }
    fake_proof& proof() { return life_->proof; }

    session_hooks hooks(life& of) {
        return {
            [this, &of](transaction_id id, api::tracking_options options, std::optional<store::digest> session) {
                return record_session(of.store, std::move(id), std::move(options), session, clock_.now().wall);
            },
            [this](const api::tracking_options&) { return unfit_; }, [this] { ++wakes_changed_; },
            [this] { return clock_.now().wall; }};
    }

    fake_disk disk_;
    virtual_clock clock_;
    recorded_log log_;
    session_memory_limits limits_;
    std::optional<api::problem> unfit_;
    int wakes_changed_ = 0;
    std::unique_ptr<life> life_ = std::make_unique<life>(*this);
};

} // namespace prooftrack::engine
