#pragma once

// The store's complete status, in two reads.

#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"
#include "store/store.hpp"

namespace prooftrack {

struct full_status {
    store_status stored;
    std::vector<consumer_view> consumers;
};

/// `storage` must outlive the reads.
task<op_result<full_status>> read_full_status(store& storage);

} // namespace prooftrack
