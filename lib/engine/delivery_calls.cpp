#include "engine/delivery_calls.hpp"

#include <utility>

#include "engine/control_calls.hpp"
#include "engine/problems.hpp"

namespace prooftrack::engine {
namespace {

api::problem retry_problem(const op_error& error) {
    return error.code == store::store_error::paused ? callback_paused(error.detail) : store_problem(error);
}

} // namespace

void delivery_calls::deliveries(track::delivery_query query, api::backend_handler<track::delivery_page> handler) {
    start(list(std::move(query)), std::move(handler));
}

task<api::outcome<track::delivery_page>> delivery_calls::list(track::delivery_query query) {
    auto page = co_await call(store_, &store::store::deliveries, std::move(query));
    if (!page) co_return store_problem(page.error());
    for (track::delivery_view& view : page->deliveries) driver_.annotate(view);
    co_return std::move(*page);
}

void delivery_calls::retry_delivery(
    delivery_id id, api::client_identity who, api::backend_handler<std::monostate> handler) {
    start(retry(id), audit_.audited({"retry delivery", "delivery", value_of(id), who}, std::move(handler)));
}

task<api::outcome<std::monostate>> delivery_calls::retry(delivery_id id) {
    const auto done = co_await call(driver_, &delivery_driver::retry_delivery, id);
    if (done) co_return std::monostate{};
    if (done.error().code == store::store_error::not_found) co_return unknown_delivery(id);
    co_return retry_problem(done.error());
}

void delivery_calls::retry_dead(
    std::optional<std::string> callback, api::client_identity who, api::backend_handler<std::uint64_t> handler) {
    auto audited =
        audit_.audited({"retry dead deliveries", "callback", callback.value_or("*"), who}, std::move(handler));
    start(retry_all_dead(std::move(callback)), std::move(audited));
}

task<api::outcome<std::uint64_t>> delivery_calls::retry_all_dead(std::optional<std::string> callback) {
    if (callback) {
        const std::string name = *callback;
        const auto unknown = co_await refuse_unknown_callback(store_, driver_, name);
        if (unknown) co_return *unknown;
    }
    auto count = co_await call(driver_, &delivery_driver::retry_dead, std::move(callback));
    if (!count) co_return retry_problem(count.error());
    co_return *count;
}

void delivery_calls::test_callback(
    std::string name, api::client_identity who, api::backend_handler<api::callback_test_result> handler) {
    auto audited = audit_.audited({"test callback", "callback", name, who}, std::move(handler));
    start(test(std::move(name)), std::move(audited));
}

task<api::outcome<api::callback_test_result>> delivery_calls::test(std::string name) {
    if (driver_.callbacks().find(name) == nullptr) co_return unknown_callback(name);
    callback::delivery_outcome done = co_await call(driver_, &delivery_driver::test_callback, name);
    const bool has_status = done.status != 0 || done.what == callback::delivery_outcome::verdict::delivered;
    co_return api::callback_test_result{
        has_status ? std::optional(done.status) : std::nullopt, std::chrono::duration_cast<milliseconds>(done.took),
        std::move(done.reply), std::move(done.error)};
}

} // namespace prooftrack::engine
