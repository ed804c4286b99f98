#pragma once

// The share of the memory for bodies that one body has.

#include <cstddef>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>

#include "api/body_budget.hpp"
#include "base/lifetime.hpp"

namespace prooftrack::api {

/// Who reads the body.
class body_reader {
  public:
    virtual void on_granted() = 0; ///< as of budget_user
    virtual void on_wanted() = 0;

  protected:
    ~body_reader() = default;
};

/// Shared by the connection that reads the body and the request that works on it: a client that leaves ends the one,
/// but not the other. The last to let go gives the share back; who waits for it is served in a turn of its own, because
/// a request may end anywhere. May outlive the budget.
class body_share final : public budget_user {
  public:
    body_share(body_budget& budget, boost::asio::any_io_executor loop, body_reader& reader)
        : budget_(budget), alive_(budget.observe()), loop_(std::move(loop)), reader_(&reader) {}
    body_share(const body_share&) = delete;
    body_share& operator=(const body_share&) = delete;
    ~body_share() override {
        if (!alive_) return;
        budget_.give_up(*this);
        if (!budget_.any_waiting()) return;
        boost::asio::post(loop_, [alive = alive_, &budget = budget_] {
            if (alive) budget.serve();
        });
    }

    /// As of body_budget.
    bool acquire(std::size_t bytes, budget_owner owner) { return budget_.acquire(*this, bytes, owner); }
    void shrink(std::size_t bytes) { budget_.shrink(*this, bytes); }
    /// The reader is not called any more.
    void leave() { reader_ = nullptr; }

  private:
    void on_granted() override {
        if (reader_ != nullptr) reader_->on_granted();
    }
    void on_wanted() override {
        if (reader_ != nullptr) reader_->on_wanted();
    }

    body_budget& budget_;
    lifetime::watch alive_;
    boost::asio::any_io_executor loop_;
    body_reader* reader_;
};

} // namespace prooftrack::api
