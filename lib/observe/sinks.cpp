#include "observe/sinks.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace prooftrack::observe {
namespace {

class owned_descriptor {
  public:
    explicit owned_descriptor(int fd = -1) : fd_(fd) {}
    owned_descriptor(const owned_descriptor&) = delete;
    owned_descriptor& operator=(const owned_descriptor&) = delete;
    ~owned_descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }

  private:
    int fd_;
};

/// The parts of spdlog's interface that rendered lines do not need.
class rendered_sink : public counting_sink {
  public:
    void flush() override {}
    void set_pattern(const std::string&) override {}
    void set_formatter(std::unique_ptr<spdlog::formatter>) override {}
    std::uint64_t dropped() const override { return dropped_; }

  protected:
    std::uint64_t dropped_ = 0;
};

int reopen_non_blocking(int fd) {
    struct stat info {};
    if (::fstat(fd, &info) != 0 || !(S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode))) return -1;
    const std::string path = fmt::format("/proc/self/fd/{}", fd);
    return ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

class stream_sink final : public rendered_sink {
  public:
    explicit stream_sink(int fd) : fd_(fd), own_(reopen_non_blocking(fd)) {
        struct stat info {};
        is_socket_ = ::fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode);
        may_block_ = own_.get() < 0 && !is_socket_ && !S_ISREG(info.st_mode);
    }

    void log(const spdlog::details::log_msg& message) override {
        const std::string_view line(message.payload.data(), message.payload.size());
        if (!write_rest()) {
            ++dropped_;
            return;
        }
        const ssize_t written = write_some(line);
        if (written < 0) {
            ++dropped_;
        } else {
            // A half-written line is finished before the next one, or the two would run into each other.
            rest_.assign(line.substr(static_cast<std::size_t>(written)));
        }
    }

    void flush() override { write_rest(); }

  private:
    bool write_rest() {
        if (rest_.empty()) return true;
        const ssize_t written = write_some(rest_);
        if (written > 0) rest_.erase(0, static_cast<std::size_t>(written));
        return rest_.empty();
    }

    ssize_t write_some(std::string_view bytes) const {
        if (is_socket_) return ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (own_.get() >= 0) return ::write(own_.get(), bytes.data(), bytes.size());
        if (may_block_) {
            // Could not be reopened (another user's terminal). What poll calls writable takes a page without waiting.
            constexpr std::size_t page = 4'096;
            pollfd entry{fd_, POLLOUT, 0};
            if (::poll(&entry, 1, 0) != 1 || (entry.revents & POLLOUT) == 0) return -1;
            return ::write(fd_, bytes.data(), std::min(bytes.size(), page));
        }
        return ::write(fd_, bytes.data(), bytes.size());
    }

    int fd_;
    owned_descriptor own_;
    bool is_socket_ = false;
    bool may_block_ = false;
    std::string rest_;
};

class journald_sink final : public rendered_sink {
  public:
    explicit journald_sink(const std::string& path)
        : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        address_.sun_family = AF_UNIX;
        is_usable_ = socket_.get() >= 0 && path.size() < sizeof(address_.sun_path);
        if (!is_usable_) return;
        std::memcpy(address_.sun_path, path.c_str(), path.size() + 1);
        // Room for a stall of the journal: a burst waits in the kernel instead of being dropped. Fine if it is not
        // granted.
        constexpr int wanted_buffer = 8 * 1'024 * 1'024;
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUF, &wanted_buffer, sizeof(wanted_buffer));
    }

    void log(const spdlog::details::log_msg& message) override {
        const auto sent =
            is_usable_ ? ::sendto(
                             socket_.get(), message.payload.data(), message.payload.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                             reinterpret_cast<const sockaddr*>(&address_), sizeof(address_))
                       : -1;
        if (sent < 0) ++dropped_;
    }

  private:
    owned_descriptor socket_;
    sockaddr_un address_{};
    bool is_usable_ = false;
};

} // namespace

std::shared_ptr<counting_sink> make_stream_sink(int fd) { return std::make_shared<stream_sink>(fd); }

std::shared_ptr<counting_sink> make_journald_sink(const std::string& socket_path) {
    return std::make_shared<journald_sink>(socket_path);
}

bool is_journal_there(const std::string& socket_path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path.size() >= sizeof(address.sun_path)) return false;
    std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
    const owned_descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

bool is_journal_stream(int fd, const char* journal_stream) {
    struct stat info {};
    if (journal_stream == nullptr || ::fstat(fd, &info) != 0) return false;
    return journal_stream == fmt::format("{}:{}", info.st_dev, info.st_ino);
}

} // namespace prooftrack::observe
