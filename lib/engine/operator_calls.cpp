#include "engine/operator_calls.hpp"

#include "engine/problems.hpp"

namespace prooftrack {

void operator_calls::backup(client_identity who, backend_handler<std::filesystem::path> handler) {
    start(copy(), audit_.audited({"backup", "", "", who}, std::move(handler)));
}

task<outcome<std::filesystem::path>> operator_calls::copy() {
    auto made = co_await call(store_, &store::backup);
    if (!made) co_return store_problem(made.error());
    co_return std::move(made->path);
}

void operator_calls::set_log_level(std::string level, client_identity who, backend_handler<std::monostate> handler) {
    if (!set_level_ || !set_level_(level)) {
        handler(refuse(problem_code::invalid_request, "level is one of critical, error, warning, notice, info, debug"));
        return;
    }
    audit_.write({"log level", "set_level", level, who}, "done");
    handler(std::monostate{});
}

} // namespace prooftrack
