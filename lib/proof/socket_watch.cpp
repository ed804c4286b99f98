#include "proof/socket_watch.hpp"

#include <cerrno>
#include <cstdint>

#include <boost/system/system_error.hpp>

#include "net/error.hpp"

namespace prooftrack::proof {
namespace {

constexpr std::chrono::microseconds gathering_time{200};
constexpr std::uint32_t reading = EPOLLIN | EPOLLRDHUP;

int make_epoll() {
    const int made = ::epoll_create1(EPOLL_CLOEXEC);
    if (made < 0) throw boost::system::system_error(errno, boost::system::system_category(), "epoll_create1");
    return made;
}

epoll_event event_for(watched_socket& who, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &who;
    return event;
}

} // namespace

socket_watch::socket_watch(const boost::asio::any_io_executor& loop) : epoll_(loop, make_epoll()), gathering_(loop) {}

bool socket_watch::add(int socket, watched_socket& who) {
    epoll_event event = event_for(who, reading);
    if (::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, socket, &event) != 0) return false;
    ++sockets_;
    if (!waiting_) wait();
    return true;
}

void socket_watch::want_writable(int socket, watched_socket& who, bool wanted) {
    epoll_event event = event_for(who, wanted ? reading | EPOLLOUT : reading);
    ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_MOD, socket, &event); // cannot fail for a socket that was added
}

void socket_watch::remove(int socket, const watched_socket& who) {
    ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_DEL, socket, nullptr);
    for (std::size_t i = 0; i < ready_count_; ++i) {
        if (ready_[i].data.ptr == &who) ready_[i].data.ptr = nullptr;
    }
    if (--sockets_ > 0) return;
    error_code ignored;
    epoll_.cancel(ignored); // nothing to wait for: the loop may end
    gathering_.cancel();
}

void socket_watch::wait() {
    waiting_ = true;
    epoll_.async_wait(
        boost::asio::posix::stream_descriptor::wait_read, [weak = weak_from_this()](error_code /*cancelled or not*/) {
            const auto self = weak.lock();
            if (!self) return;
            self->tell();
            self->waiting_ = false;
            if (self->sockets_ > 0) self->ready_count_ > 1 ? self->gather() : self->wait();
        });
}

/// Several at once: there is much to do, and what comes in the next moment is taken along in one round.
void socket_watch::gather() {
    waiting_ = true;
    gathering_.expires_after(gathering_time);
    gathering_.async_wait([weak = weak_from_this()](error_code /*cancelled or not*/) {
        const auto self = weak.lock();
        if (!self) return;
        self->waiting_ = false;
        if (self->sockets_ > 0) self->wait();
    });
}

void socket_watch::tell() {
    const int count = ::epoll_wait(epoll_.native_handle(), ready_.data(), static_cast<int>(ready_.size()), 0);
    ready_count_ = count > 0 ? static_cast<std::size_t>(count) : 0;
    for (std::size_t i = 0; i < ready_count_; ++i) {
        auto* const who = static_cast<watched_socket*>(ready_[i].data.ptr);
        if (who == nullptr) continue; // removed by one before it
        const std::uint32_t events = ready_[i].events;
        who->on_ready((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0, (events & EPOLLOUT) != 0);
    }
}

} // namespace prooftrack::proof
