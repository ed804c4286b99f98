#pragma once

// Bounds the request bodies that are in memory together.

#include <cstddef>

#include <boost/intrusive/list.hpp>

namespace prooftrack {

/// Somebody who holds, or waits for, a share of the budget. Leaves the queue when it is destroyed.
class budget_user
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  public:
    virtual ~budget_user() = default;
    virtual void on_granted() = 0;

  private:
    friend class body_budget;
    std::size_t wanted_ = 0;
    std::size_t held_ = 0;
};

/// First come, first served. A share is asked for whole before the first byte is read, so that nobody waits while
/// holding.
class body_budget {
  public:
    explicit body_budget(std::size_t capacity) : free_(capacity) {}

    /// True: granted at once. False: `on_granted` is called later, from inside somebody's `release`. `bytes` is at most
    /// the capacity.
    bool acquire(budget_user& user, std::size_t bytes);

    /// Gives back the whole share, or leaves the queue; nothing to do is fine.
    void release(budget_user& user);

  private:
    using queue = boost::intrusive::list<budget_user, boost::intrusive::constant_time_size<false>>;
    std::size_t free_;
    queue waiting_;
};

} // namespace prooftrack
