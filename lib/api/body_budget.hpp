#pragma once

// Bounds the request bodies that are in memory together, and what one user holds of them.

#include <cstddef>
#include <cstdint>
#include <map>

#include <boost/intrusive/list.hpp>

#include "api/peer.hpp"
#include "base/lifetime.hpp"

namespace prooftrack::api {

/// Whose body it is.
struct budget_owner {
    client_rank rank = client_rank::everybody;
    std::int64_t uid = -1;
};

/// A body that holds, or waits for, a share of the budget. Requires `release` before it is destroyed.
class budget_user
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  public:
    virtual ~budget_user() = default;
    /// The share has come. May release this or any other one, and may end this object.
    virtual void on_granted() = 0;
    /// Another body waits for the share of this one: it should be done soon. Changes nothing in the budget.
    virtual void on_wanted() = 0;

  private:
    friend class body_budget;
    budget_owner owner_;
    std::size_t wanted_ = 0;
    std::size_t held_ = 0;
};

/// A share is requested whole before the first byte is read, so that no body waits while it holds a share. Those who
/// wait are served by rank, then in turn by user, then in their order; nobody is overtaken for being large.
class body_budget {
  public:
    struct limits {
        std::size_t all = 0;
        std::size_t everybody = 0; ///< together: the rest is kept for admins and owners
        std::size_t one_user = 0;  ///< but for owners; a single body may always be larger
    };

    explicit body_budget(limits chosen) : limits_(chosen) {}

    /// True: granted at once. False: `on_granted` is called later, from inside somebody's `release` or `shrink`.
    /// Requires that `bytes` is at most `everybody`, and that `user` neither holds nor waits.
    bool acquire(budget_user& user, std::size_t bytes, budget_owner owner);

    /// The body turned out to be smaller, and is whole: gives back what it does not need.
    void shrink(budget_user& user, std::size_t bytes);

    /// Gives back the whole share, or stops waiting; nothing to do is fine.
    void release(budget_user& user);
    /// The same, but whoever waits is served only by `serve`: for where nothing may be called.
    void give_up(budget_user& user);
    bool any_waiting() const { return !waiting_.empty(); }
    /// Grants what may be granted now.
    void serve();

    lifetime::watch observe() const { return alive_.observe(); }

  private:
    using user_list = boost::intrusive::list<budget_user, boost::intrusive::constant_time_size<false>>;
    /// What is known of a user id while it has a body here.
    struct account {
        std::size_t held = 0;
        std::size_t bodies = 0;   ///< that hold or wait
        std::uint64_t served = 0; ///< the turn in which it was served last
    };

    bool fits(const budget_user& user) const;
    bool has_share_left(const budget_user& user) const;
    /// The next to serve; null when none that waits may be served.
    budget_user* next_to_serve();
    void grant(budget_user& user);
    void give_back(budget_user& user, std::size_t bytes);
    void hurry_holders(const budget_owner& waiting);

    limits limits_;
    std::size_t held_ = 0;
    std::size_t held_by_everybody_ = 0;
    std::uint64_t turn_ = 0;
    bool serving_ = false;
    std::map<std::int64_t, account> accounts_;
    user_list waiting_;
    user_list holding_;
    lifetime alive_;
};

} // namespace prooftrack::api
