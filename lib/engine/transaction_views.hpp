#pragma once

// A transaction as users see it: the stored row with newer values from memory.

#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>

#include "api/backend.hpp"
#include "base/lifetime.hpp"
#include "base/task.hpp"
#include "engine/poll_driver.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

class transaction_views {
  public:
    /// `owner_of` names the node that owns a shard ("" = none), when there are several; else it is empty.
    transaction_views(
        store::store& storage, const poll_driver& polls, std::function<std::string_view(std::uint8_t)> owner_of = {})
        : store_(storage), polls_(polls), owner_of_(std::move(owner_of)) {}
    lifetime::watch observe() const { return alive_.observe(); }

    /// One that is not stored is a problem.
    task<api::outcome<track::transaction_view>> find(transaction_id id);
    /// Of one that another node polls: the figures that were stored last, and no next poll.
    track::transaction_view with_live(track::transaction_view view) const;

  private:
    store::store& store_;
    const poll_driver& polls_;
    std::function<std::string_view(std::uint8_t)> owner_of_;
    lifetime alive_;
};

} // namespace prooftrack::engine
