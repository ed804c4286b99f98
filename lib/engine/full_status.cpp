#include "engine/full_status.hpp"

#include <utility>

namespace prooftrack::engine {

task<op_result<full_status>> read_full_status(store::store& storage) {
    auto status = co_await call(storage, &store::store::status);
    if (!status) co_return status.error();
    auto consumers = co_await call(storage, &store::store::consumers);
    if (!consumers) co_return consumers.error();
    co_return full_status{std::move(*status), std::move(*consumers)};
}

} // namespace prooftrack::engine
