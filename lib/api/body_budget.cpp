#include "api/body_budget.hpp"

#include <tuple>

#include "base/expects.hpp"

namespace prooftrack::api {

bool body_budget::has_share_left(const budget_user& user) const {
    if (user.owner_.rank == client_rank::owner) return true;
    const std::size_t held = accounts_.at(user.owner_.uid).held;
    return held == 0 || held + user.wanted_ <= limits_.one_user;
}

bool body_budget::fits(const budget_user& user) const {
    if (held_ + user.wanted_ > limits_.all) return false;
    return user.owner_.rank != client_rank::everybody || held_by_everybody_ + user.wanted_ <= limits_.everybody;
}

budget_user* body_budget::next_to_serve() {
    budget_user* best = nullptr;
    const auto order = [this](const budget_user& user) {
        return std::make_tuple(user.owner_.rank, accounts_.at(user.owner_.uid).served);
    };
    for (budget_user& user : waiting_) {
        if (has_share_left(user) && (best == nullptr || order(user) < order(*best))) best = &user;
    }
    return best != nullptr && fits(*best) ? best : nullptr;
}

void body_budget::grant(budget_user& user) {
    account& own = accounts_.at(user.owner_.uid);
    own.served = ++turn_;
    own.held += user.wanted_;
    held_ += user.wanted_;
    if (user.owner_.rank == client_rank::everybody) held_by_everybody_ += user.wanted_;
    user.held_ = user.wanted_;
    user.unlink();
    holding_.push_back(user);
}

bool body_budget::acquire(budget_user& user, std::size_t bytes, budget_owner owner) {
    expects(bytes <= limits_.everybody, "body_budget: a share that can never be given");
    expects(!user.is_linked(), "body_budget: a body asked for a second share");
    user.owner_ = owner;
    user.wanted_ = bytes;
    ++accounts_[owner.uid].bodies;
    waiting_.push_back(user);
    if (next_to_serve() == &user) {
        grant(user);
        return true;
    }
    if (has_share_left(user)) hurry_holders(owner);
    return false;
}

/// A body that comes slowly gives way, but for the user's own and for those of a higher rank.
void body_budget::hurry_holders(const budget_owner& waiting) {
    for (budget_user& holder : holding_) {
        if (holder.owner_.uid != waiting.uid && holder.owner_.rank >= waiting.rank) holder.on_wanted();
    }
}

void body_budget::give_back(budget_user& user, std::size_t bytes) {
    accounts_.at(user.owner_.uid).held -= bytes;
    held_ -= bytes;
    if (user.owner_.rank == client_rank::everybody) held_by_everybody_ -= bytes;
    user.held_ -= bytes;
}

void body_budget::shrink(budget_user& user, std::size_t bytes) {
    if (bytes >= user.held_) return;
    give_back(user, user.held_ - bytes);
    serve();
}

void body_budget::release(budget_user& user) {
    if (!user.is_linked()) return;
    give_up(user);
    serve();
}

void body_budget::give_up(budget_user& user) {
    if (!user.is_linked()) return;
    user.unlink();
    give_back(user, user.held_);
    const auto own = accounts_.find(user.owner_.uid);
    if (--own->second.bodies == 0) accounts_.erase(own);
}

void body_budget::serve() {
    if (serving_) return; // from inside on_granted: the loop below goes on
    serving_ = true;
    while (budget_user* next = next_to_serve()) {
        grant(*next);
        next->on_granted();
    }
    serving_ = false;
}

} // namespace prooftrack::api
