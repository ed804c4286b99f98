#pragma once

// Takes connections from a listening socket into a pool.

#include <cstdint>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "api/connection_pool.hpp"
#include "api/deadline_set.hpp"
#include "base/lifetime.hpp"

namespace prooftrack::api {

/// While the pool is full and nobody in it is idle, clients wait in the kernel's backlog.
class accept_loop final : private deadline_entry {
  public:
    /// Owns the descriptor of a listening, non-blocking socket. `pool` must outlive it.
    accept_loop(const boost::asio::any_io_executor& loop, int listening, connection_pool& pool);
    ~accept_loop() override;

    void start();
    void stop(); ///< closes the listening socket

    std::uint64_t pauses() const { return pauses_; } ///< how often accepting paused because all were busy

  private:
    void wait();
    void on_ready();
    void on_deadline() override { wait(); }

    boost::asio::any_io_executor loop_;
    boost::asio::posix::stream_descriptor listening_;
    connection_pool& pool_;
    int family_;
    std::uint64_t pauses_ = 0;
    bool waiting_ = false; ///< for the socket to become readable
    lifetime lifetime_;
};

} // namespace prooftrack::api
