#include "engine/delivery/callback_tester.hpp"

#include <memory>
#include <string_view>
#include <utility>

#include "base/expects.hpp"
#include "track/event.hpp"

namespace prooftrack::engine {
namespace {

/// What a `callback.test` event says instead of a transaction's id.
constexpr std::string_view test_transaction = "callback-test";

callback::delivery_job make_test_job(const std::string& callback, wall_time now, random_source& random) {
    track::event_facts facts;
    facts.id = track::make_event_id(now, random);
    facts.type = track::event_type::test;
    facts.timestamp = now;
    facts.transaction = test_transaction;
    callback::delivery_job job;
    job.callback = callback;
    job.event_id = facts.id;
    job.event_type = std::string(to_string(facts.type));
    job.transaction = std::string(test_transaction);
    job.state = std::string(to_string(facts.state));
    job.sequence = track::event_sequence(now);
    job.body = std::make_shared<const std::string>(format_event(facts));
    job.now = now;
    job.wants_reply = true;
    return job;
}

callback::delivery_outcome not_sent(const char* why) {
    callback::delivery_outcome outcome;
    outcome.error = why;
    return outcome;
}

} // namespace

void callback_tester::test(
    const std::string& callback, instant now, unique_function<void(callback::delivery_outcome)> handler) {
    expects(context_.table.find(callback) != nullptr, "callback_tester: no such callback");
    if (!context_.stop.is_running()) {
        handler(not_sent("the daemon is stopping"));
        return;
    }
    if (under_way_ >= most_callback_tests) {
        handler(not_sent("too many tests are under way"));
        return;
    }
    ++under_way_;
    context_.deps.sender.deliver(
        make_test_job(callback, now.wall, context_.random),
        [this, handler = std::move(handler)](callback::delivery_outcome outcome) mutable {
            --under_way_;
            handler(std::move(outcome));
        });
}

} // namespace prooftrack::engine
