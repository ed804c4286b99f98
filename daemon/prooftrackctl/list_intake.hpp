#pragma once

// The merchant's list on its way into a reconciliation.

#include <string_view>

#include "api/merchant_list.hpp"
#include "track/reconcile_run.hpp"

namespace prooftrack::ctl {

/// Takes any pieces of a list. Throws command_failure when the whole is no list, or has more ids than `work` takes.
class list_intake {
  public:
    /// `work` must outlive it.
    explicit list_intake(track::reconciliation& work);

    void take(std::string_view piece);
    void finish();

  private:
    api::merchant_list list_;
};

} // namespace prooftrack::ctl
