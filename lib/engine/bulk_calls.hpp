#pragma once

// Use case: ending the tracking of all transactions that match a filter.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/backend.hpp"
#include "base/lifetime.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "base/unique_function.hpp"
#include "engine/change_audit.hpp"
#include "engine/poll_driver.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

/// Each row is ended as by DELETE, bound to the revision that matched: what changes meanwhile is looked at again. It
/// goes slice by slice, so that other calls and polls get their turn, and to the end also when the caller has gone.
class bulk_calls final : public api::bulk_backend {
  public:
    bulk_calls(store::store& storage, poll_driver& polls, change_audit& audit)
        : store_(storage), polls_(polls), audit_(audit) {}
    lifetime::watch observe() const { return alive_.observe(); }

    void untrack_matching(
        api::untrack_request request, api::client_identity who,
        api::backend_handler<api::untrack_summary> handler) override;

  private:
    enum class row_end : std::uint8_t {
        ended,
        moved,  ///< it is another one than the filter saw, or its change is on the way
        failed, ///< the store could not write it
    };
    struct row_result {
        row_end what = row_end::moved;
        std::optional<op_error> error; ///< of `failed`
    };
    struct slice_result {
        std::vector<std::string> ended; ///< their ids
        std::uint64_t moved = 0;
        std::optional<op_error> error; ///< of the first that failed
    };
    struct slice_work;

    task<api::outcome<api::untrack_summary>> count(track::transaction_query matching);
    task<api::outcome<api::untrack_summary>> end_all(track::transaction_query matching, api::client_identity who);
    void end_slice(
        std::vector<track::transaction_view> rows, api::client_identity who,
        unique_function<void(slice_result)> handler);
    task<row_result> end_one(track::active_transaction wanted, api::client_identity who);
    /// One that is not in memory.
    task<row_result> end_stored(track::active_transaction wanted, api::client_identity who);
    row_result ended(const transaction_id& id, const op_result<std::monostate>& recorded, api::client_identity who);
    api::problem stop(api::problem why, std::uint64_t untracked, api::client_identity who);

    store::store& store_;
    poll_driver& polls_;
    change_audit& audit_;
    lifetime alive_;
};

} // namespace prooftrack::engine
