#include "engine/delivery_calls.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/problems.hpp"

namespace prooftrack::engine {
namespace {

api::problem unknown_delivery(delivery_id id) {
    return refuse(
        api::problem_code::unknown_delivery,
        fmt::format("there is no delivery {}: `prooftrackctl deliveries` lists them", value_of(id)));
}

api::problem unknown_callback(std::string_view name) {
    return refuse(api::problem_code::unknown_callback, fmt::format("no [[callback]] has the name '{}'", name));
}

bool is_owed_something(const std::string& callback, const store::store_status& status) {
    return std::any_of(status.lanes.begin(), status.lanes.end(), [&](const auto& lane) {
        return lane.second.callback == callback && lane.second.pending + lane.second.dead > 0;
    });
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
    co_return store_problem(done.error());
}

void delivery_calls::retry_dead(
    std::optional<std::string> callback, api::client_identity who, api::backend_handler<std::uint64_t> handler) {
    auto audited =
        audit_.audited({"retry dead deliveries", "callback", callback.value_or("*"), who}, std::move(handler));
    start(retry_all_dead(std::move(callback)), std::move(audited));
}

task<api::outcome<std::uint64_t>> delivery_calls::retry_all_dead(std::optional<std::string> callback) {
    if (callback && !driver_.callbacks().is_configured(*callback)) {
        // A callback that the configuration no longer has exists as long as it has deliveries.
        const auto status = co_await call(store_, &store::store::status);
        if (!status) co_return store_problem(status.error());
        if (!is_owed_something(*callback, *status)) co_return unknown_callback(*callback);
    }
    auto count = co_await call(driver_, &delivery_driver::retry_dead, std::move(callback));
    if (!count) co_return store_problem(count.error());
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
