#include "api/body_budget.hpp"

namespace prooftrack {

bool body_budget::acquire(budget_user& user, std::size_t bytes) {
    if (waiting_.empty() && bytes <= free_) {
        free_ -= bytes;
        user.held_ = bytes;
        return true;
    }
    user.wanted_ = bytes;
    waiting_.push_back(user);
    return false;
}

void body_budget::release(budget_user& user) {
    if (user.is_linked()) user.unlink();
    free_ += user.held_;
    user.held_ = 0;
    while (!waiting_.empty() && waiting_.front().wanted_ <= free_) {
        budget_user& next = waiting_.front();
        waiting_.pop_front();
        free_ -= next.wanted_;
        next.held_ = next.wanted_;
        next.on_granted();
    }
}

} // namespace prooftrack
