#pragma once

// Waits for the sockets of all connections to Proof at once.

#include <array>
#include <cstddef>
#include <memory>

#include <sys/epoll.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

namespace prooftrack::proof {

/// Told on the loop what its socket is ready for, again and again until it has read or written. `readable` is also true
/// for an end and an error, which reading tells. It may remove itself and others, and destroy the watch.
class watched_socket {
  public:
    virtual void on_ready(bool readable, bool writable) = 0;

  protected:
    ~watched_socket() = default;
};

/// An epoll of its own, for which the loop waits as for one descriptor. Asio's sockets try to read before they wait (a
/// system call a poll that finds nothing) and make an operation of each wait; see README.md for what this
/// brought. Held by a shared_ptr because a watched socket that it notifies may drop it.
class socket_watch : public std::enable_shared_from_this<socket_watch> {
  public:
    /// Throws boost::system::system_error when the kernel has no epoll for us.
    explicit socket_watch(const boost::asio::any_io_executor& loop);
    socket_watch(const socket_watch&) = delete;
    socket_watch& operator=(const socket_watch&) = delete;

    /// Begins to notify `who` when `socket` can be read. False, with errno, when the kernel refuses.
    bool add(int socket, watched_socket& who);
    /// Whether `who` is also notified when `socket` can be written.
    void want_writable(int socket, watched_socket& who, bool wanted);
    /// Tells `who` nothing any more. Before the socket is closed: a child that was just forked may hold it open.
    void remove(int socket, const watched_socket& who);

  private:
    void wait();
    void gather();
    void tell();

    boost::asio::posix::stream_descriptor epoll_;
    boost::asio::steady_timer gathering_;
    std::array<epoll_event, 64> ready_{};
    std::size_t ready_count_ = 0; ///< of the round that is being dispatched, or of the last one
    std::size_t sockets_ = 0;
    bool waiting_ = false;
};

} // namespace prooftrack::proof
