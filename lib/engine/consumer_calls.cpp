#include "engine/consumer_calls.hpp"

#include <fmt/format.h>

#include "engine/problems.hpp"

namespace prooftrack::engine {
namespace {

/// A consumer's absence and its overtaking have names of their own.
api::problem consumer_problem(const std::string& name, const op_error& error) {
    if (error.code == store::store_error::not_found) {
        return refuse(
            api::problem_code::unknown_consumer,
            fmt::format("there is no consumer '{0}': `prooftrackctl consumers add {0}` makes it", name));
    }
    if (error.code == store::store_error::beyond_last) {
        return refuse(api::problem_code::invalid_request, "seq is beyond the last event");
    }
    return store_problem(error);
}

} // namespace

void consumer_calls::put_consumer(
    std::string name, std::optional<event_seq> seq, api::client_identity who,
    api::backend_handler<std::pair<bool, track::consumer_view>> handler) {
    auto audited = audit_.audited({"put consumer", "consumer", name, who}, std::move(handler));
    start(put(std::move(name), seq), std::move(audited));
}

task<api::outcome<std::pair<bool, track::consumer_view>>> consumer_calls::put(
    std::string name, std::optional<event_seq> seq) {
    auto made = co_await call(store_, &store::store::put_consumer, name, seq);
    if (!made) co_return consumer_problem(name, made.error());
    co_return std::move(*made);
}

void consumer_calls::delete_consumer(
    std::string name, api::client_identity who, api::backend_handler<track::consumer_view> handler) {
    auto audited = audit_.audited({"delete consumer", "consumer", name, who}, std::move(handler));
    start(remove(std::move(name)), std::move(audited));
}

task<api::outcome<track::consumer_view>> consumer_calls::remove(std::string name) {
    auto gone = co_await call(store_, &store::store::delete_consumer, name);
    if (!gone) co_return consumer_problem(name, gone.error());
    co_return std::move(*gone);
}

void consumer_calls::acknowledge(std::string name, event_seq seq, api::backend_handler<track::consumer_view> handler) {
    start(move_on(std::move(name), seq), std::move(handler));
}

task<api::outcome<track::consumer_view>> consumer_calls::move_on(std::string name, event_seq seq) {
    auto moved = co_await call(store_, &store::store::acknowledge, name, seq);
    if (!moved) co_return consumer_problem(name, moved.error());
    co_return std::move(*moved);
}

void consumer_calls::consumers(api::backend_handler<std::vector<track::consumer_view>> handler) {
    start(list(), std::move(handler));
}

task<api::outcome<std::vector<track::consumer_view>>> consumer_calls::list() {
    auto all = co_await call(store_, &store::store::consumers);
    if (!all) co_return store_problem(all.error());
    co_return std::move(*all);
}

} // namespace prooftrack::engine
