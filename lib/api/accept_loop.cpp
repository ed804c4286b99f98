#include "api/accept_loop.hpp"

#include <cerrno>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace prooftrack::api {
namespace {

/// So that a flood of new clients does not keep the loop from serving the ones it has.
constexpr int accepts_a_turn = 64;
/// How long to leave clients in the backlog when the process or the system is out of descriptors or memory.
constexpr milliseconds shortage_pause{1000};

int family_of(int socket) {
    int family = AF_UNSPEC;
    socklen_t size = sizeof family;
    ::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &family, &size);
    return family;
}

bool is_waiting(int listening) {
    pollfd state{listening, POLLIN, 0};
    return ::poll(&state, 1, 0) == 1;
}

} // namespace

accept_loop::accept_loop(const boost::asio::any_io_executor& loop, int listening, connection_pool& pool)
    : loop_(loop), listening_(loop, listening), pool_(pool), family_(family_of(listening)) {}

accept_loop::~accept_loop() { stop(); }

void accept_loop::start() { wait(); }

void accept_loop::stop() {
    lifetime_.end();
    pool_.when_free({});
    pool_.deadlines().stop(*this);
    boost::system::error_code ignored;
    listening_.close(ignored);
}

void accept_loop::wait() {
    if (std::exchange(waiting_, true)) return;
    listening_.async_wait(
        boost::asio::posix::stream_descriptor::wait_read,
        lifetime_.guarded([this](const boost::system::error_code& error) {
            waiting_ = false;
            if (!error) on_ready();
        }));
}

void accept_loop::on_ready() {
    for (int i = 0; i < accepts_a_turn; ++i) {
        if (!is_waiting(listening_.native_handle())) return wait();
        if (!pool_.may_accept()) {
            ++pauses_;
            pool_.when_free(lifetime_.guarded([this] { wait(); }));
            if (const auto later = pool_.look_again()) pool_.deadlines().start(*this, *later);
            return;
        }
        const int accepted = ::accept4(listening_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0) {
            const int error = errno;
            if (error == EINTR || error == ECONNABORTED || error == EAGAIN) continue;
            return pool_.deadlines().start(*this, shortage_pause);
        }
        connection::socket_type socket(loop_);
        boost::system::error_code failure;
        socket.assign(boost::asio::generic::stream_protocol(family_, 0), accepted, failure);
        if (failure) {
            ::close(accepted);
            return pool_.deadlines().start(*this, shortage_pause);
        }
        pool_.adopt(std::move(socket), family_ == AF_UNIX ? read_peer_credentials(accepted) : peer_credentials());
    }
    wait();
}

} // namespace prooftrack::api
