#include "engine/full_status.hpp"

#include <utility>

namespace prooftrack {

task<op_result<full_status>> read_full_status(store& storage) {
    auto status = co_await call(storage, &store::status);
    if (!status) co_return status.error();
    auto consumers = co_await call(storage, &store::consumers);
    if (!consumers) co_return consumers.error();
    co_return full_status{std::move(*status), std::move(*consumers)};
}

} // namespace prooftrack
