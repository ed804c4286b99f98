#pragma once

// The store's complete status, in two reads.

#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

struct full_status {
    store::store_status stored;
    std::vector<track::consumer_view> consumers;
};

/// `storage` must outlive the reads.
task<op_result<full_status>> read_full_status(store::store& storage);

} // namespace prooftrack::engine
