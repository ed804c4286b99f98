#pragma once

// Any number of deadlines on one timer.

#include <map>
#include <optional>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/lifetime.hpp"
#include "base/time.hpp"

namespace prooftrack::api {

class deadline_set;

/// One deadline at a time. Leaves its set when it is destroyed.
class deadline_entry {
  public:
    deadline_entry() = default;
    virtual ~deadline_entry();
    deadline_entry(const deadline_entry&) = delete;
    deadline_entry& operator=(const deadline_entry&) = delete;

    /// The time is over (up to `deadline_set::slack` early). The entry has none any more, and may end in this call.
    virtual void on_deadline() = 0;

  private:
    friend class deadline_set;
    deadline_set* set_ = nullptr;
    std::multimap<steady_time, deadline_entry*>::iterator place_;
};

/// Must outlive its entries' deadlines; used on the loop alone. Sets no timer while it is empty.
class deadline_set {
  public:
    /// Deadlines this near to each other share a wake-up.
    static constexpr milliseconds slack{50};

    explicit deadline_set(const boost::asio::any_io_executor& loop);
    ~deadline_set();
    deadline_set(const deadline_set&) = delete;
    deadline_set& operator=(const deadline_set&) = delete;

    /// Replaces an earlier deadline of this entry.
    void start(deadline_entry& entry, steady_duration within);
    void stop(deadline_entry& entry);

  private:
    void arm();
    void fire();

    std::multimap<steady_time, deadline_entry*> entries_;
    boost::asio::steady_timer timer_;
    std::optional<steady_time> armed_;
    lifetime lifetime_;
};

} // namespace prooftrack::api
