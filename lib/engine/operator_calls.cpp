#include "engine/operator_calls.hpp"

#include "engine/problems.hpp"

namespace prooftrack::engine {

void operator_calls::backup(api::client_identity who, api::backend_handler<std::filesystem::path> handler) {
    start(copy(), audit_.audited({"backup", "", "", who}, std::move(handler)));
}

task<api::outcome<std::filesystem::path>> operator_calls::copy() {
    auto made = co_await call(store_, &store::store::backup);
    if (!made) co_return store_problem(made.error());
    co_return std::move(made->path);
}

void operator_calls::export_rows(
    track::export_query query, api::backend_handler<std::shared_ptr<byte_source>> handler) {
    start(begin_export(std::move(query)), std::move(handler));
}

task<api::outcome<std::shared_ptr<byte_source>>> operator_calls::begin_export(track::export_query query) {
    auto begun = co_await call(store_, &store::store::export_rows, std::move(query));
    if (!begun) co_return store_problem(begun.error());
    co_return std::move(*begun);
}

void operator_calls::reconcile(track::reconcile_job job, api::backend_handler<std::shared_ptr<byte_source>> handler) {
    start(begin_reconciliation(std::move(job)), std::move(handler));
}

task<api::outcome<std::shared_ptr<byte_source>>> operator_calls::begin_reconciliation(track::reconcile_job job) {
    auto begun = co_await call(store_, &store::store::reconcile, std::move(job));
    if (!begun) co_return store_problem(begun.error());
    co_return std::move(*begun);
}

void operator_calls::set_log_level(
    std::string level, api::client_identity who, api::backend_handler<std::monostate> handler) {
    if (!set_level_ || !set_level_(level)) {
        handler(refuse(
            api::problem_code::invalid_request, "level is one of critical, error, warning, notice, info, debug"));
        return;
    }
    audit_.write({"log level", "set_level", level, who}, "done");
    handler(std::monostate{});
}

} // namespace prooftrack::engine
