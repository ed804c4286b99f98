#pragma once

// As PID 1 of a container the daemon is the parent of every process that its commands leave behind, and must reap it.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/signal_set.hpp>

#include "base/lifetime.hpp"

namespace prooftrack::callback {

/// Reaps at each SIGCHLD while this process inherits orphans, else does nothing. Exit statuses of commands stay theirs.
class orphan_reaper {
  public:
    explicit orphan_reaper(const boost::asio::any_io_executor& loop);

  private:
    void await();
    boost::asio::signal_set ended_;
    lifetime lifetime_;
};

} // namespace prooftrack::callback
