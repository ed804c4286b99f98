#include "api/unix_listener.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/server.hpp"

namespace prooftrack::api {
namespace {

constexpr int may_work_later = 75;
constexpr int wrong_configuration = 78;
constexpr std::size_t longest_path = sizeof(sockaddr_un::sun_path) - 1;
/// How long another daemon may take to look at the path and take it over, and how often it is looked whether it has.
constexpr milliseconds longest_takeover{2'000};
constexpr milliseconds between_looks{10};

class descriptor {
  public:
    explicit descriptor(int number) : number_(number) {}
    ~descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    int get() const { return number_; }
    int release() { return std::exchange(number_, -1); }

  private:
    int number_;
};

[[noreturn]] void fail(int exit_status, const std::filesystem::path& path, std::string_view why) {
    throw api_start_error(exit_status, fmt::format("api.socket {}: {}", path.string(), why));
}

[[noreturn]] void fail_with_errno(const std::filesystem::path& path, std::string_view operation) {
    const int error = errno;
    fail(may_work_later, path, fmt::format("{}: {}", operation, std::strerror(error)));
}

sockaddr_un address_of(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.native().copy(address.sun_path, longest_path);
    return address;
}

int open_socket(const std::filesystem::path& path) {
    const int made = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0) fail_with_errno(path, "socket");
    return made;
}

/// Refuses a socket on which a process still listens.
void check_stale(const std::filesystem::path& path) {
    struct stat state {};
    if (::lstat(path.c_str(), &state) != 0) {
        if (errno == ENOENT) return;
        fail_with_errno(path, "look at");
    }
    const descriptor probe(open_socket(path));
    const sockaddr_un address = address_of(path);
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
        const peer_credentials who = read_peer_credentials(probe.get());
        fail(
            may_work_later, path,
            fmt::format(
                "socket in use: process {} of user {} listens on it: stop it, or choose another api.socket", who.pid,
                who.uid));
    }
    if (errno == EAGAIN) {
        fail(may_work_later, path, "socket in use: a process listens on it but accepts nobody: `ss -xlp` names it");
    }
    if (errno == ECONNREFUSED || errno == ENOENT) return;
    fail_with_errno(path, "socket in use, or cannot be probed");
}

/// Held while one daemon looks at the path and takes it over, so that two that start at once do not both find the
/// socket stale. A file that nobody but this user can open: others could hold a lock on the directory for ever.
class takeover_lock {
  public:
    explicit takeover_lock(const std::filesystem::path& socket)
        : socket_(socket), path_(socket.parent_path() / fmt::format(".{}.lock", socket.filename().string())) {
        const auto until = std::chrono::steady_clock::now() + longest_takeover;
        while (!try_lock()) {
            if (std::chrono::steady_clock::now() > until) {
                fail(
                    may_work_later, socket_,
                    fmt::format("another daemon is starting there and holds {}", path_.string()));
            }
            std::this_thread::sleep_for(between_looks);
        }
    }
    ~takeover_lock() {
        ::unlink(path_.c_str()); // before the lock goes: who waits for it looks whether the name still means this file
        ::close(descriptor_);
    }
    takeover_lock(const takeover_lock&) = delete;
    takeover_lock& operator=(const takeover_lock&) = delete;

  private:
    bool try_lock() {
        descriptor file(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
        if (file.get() < 0 && errno == ENOENT) fail_with_errno(socket_, "open its directory (create it first)");
        if (file.get() < 0) fail_with_errno(socket_, fmt::format("open {}", path_.string()));
        struct stat opened {};
        if (::fstat(file.get(), &opened) != 0) fail_with_errno(socket_, "look at its lock");
        if (!S_ISREG(opened.st_mode) || opened.st_uid != ::geteuid() || (opened.st_mode & 077U) != 0) {
            fail(
                may_work_later, socket_,
                fmt::format(
                    "{} belongs to user {} or may be opened by others: remove it", path_.string(), opened.st_uid));
        }
        if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK || errno == EINTR) return false;
            fail_with_errno(socket_, fmt::format("lock {}", path_.string()));
        }
        struct stat named {};
        const bool is_current =
            ::lstat(path_.c_str(), &named) == 0 && named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
        if (is_current) descriptor_ = file.release();
        return is_current;
    }

    const std::filesystem::path& socket_;
    std::filesystem::path path_;
    int descriptor_ = -1;
};

/// Short, so that it fits wherever a path with a common name fits.
std::filesystem::path temporary_name(const std::filesystem::path& path) {
    return path.parent_path() / fmt::format(".pt{:05}", ::getpid() % 100'000);
}

/// Binds with no rights for others: nobody connects before owner and mode are set.
void bind_privately(int socket, const std::filesystem::path& path) {
    ::unlink(path.c_str()); // left behind by a crash of a process with our number
    const sockaddr_un address = address_of(path);
    const mode_t before = ::umask(0177);
    const int bound = ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int error = errno;
    ::umask(before);
    errno = error;
    if (bound != 0) fail_with_errno(path, "bind");
}

void give_to(const std::filesystem::path& path, std::uint32_t mode, std::optional<gid_t> group) {
    if (group && ::chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) fail_with_errno(path, "give to the group");
    if (::chmod(path.c_str(), static_cast<mode_t>(mode)) != 0) fail_with_errno(path, "chmod");
}

} // namespace

std::string find_socket_fault(const std::filesystem::path& path) {
    if (std::max(path.native().size(), temporary_name(path).native().size()) > longest_path)
        return fmt::format("the path is too long: at most {} bytes", longest_path);
    struct stat state {};
    if (::lstat(path.c_str(), &state) == 0 && !S_ISSOCK(state.st_mode))
        return "something else than a socket is there: move it away";
    return {};
}

unix_listener unix_listener::bind(const std::filesystem::path& path, std::uint32_t mode, std::optional<gid_t> group) {
    if (const std::string fault = find_socket_fault(path); !fault.empty()) fail(wrong_configuration, path, fault);
    const std::filesystem::path temporary = temporary_name(path);
    const takeover_lock lock(path);
    check_stale(path);

    unix_listener made(open_socket(path), path);
    bind_privately(made.descriptor_, temporary);
    try {
        give_to(temporary, mode, group);
        if (::listen(made.descriptor_, SOMAXCONN) != 0) fail_with_errno(path, "listen");
        struct stat state {};
        if (::lstat(temporary.c_str(), &state) != 0) fail_with_errno(path, "look at");
        if (::rename(temporary.c_str(), path.c_str()) != 0) fail_with_errno(path, "rename into place");
        made.bound_ = identity{state.st_dev, state.st_ino};
    } catch (...) {
        ::unlink(temporary.c_str());
        throw;
    }
    return made;
}

unix_listener unix_listener::adopt(int passed) {
    unix_listener made(passed, {});
    const auto option = [passed](int name) {
        int value = -1;
        socklen_t size = sizeof value;
        return ::getsockopt(passed, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
    };
    if (option(SO_DOMAIN) != AF_UNIX || option(SO_TYPE) != SOCK_STREAM || option(SO_ACCEPTCONN) != 1) {
        throw api_start_error(
            wrong_configuration,
            "the passed descriptor is not a listening Unix stream socket: see ListenStream= and Accept=no");
    }
    ::fcntl(passed, F_SETFD, FD_CLOEXEC);
    ::fcntl(passed, F_SETFL, ::fcntl(passed, F_GETFL) | O_NONBLOCK);
    return made;
}

unix_listener::unix_listener(unix_listener&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)),
      bound_(std::exchange(other.bound_, std::nullopt)) {}

unix_listener::~unix_listener() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

int unix_listener::release() { return std::exchange(descriptor_, -1); }

void unix_listener::remove_name() {
    if (!bound_) return;
    struct stat state {};
    const bool ours =
        ::lstat(path_.c_str(), &state) == 0 && state.st_dev == bound_->device && state.st_ino == bound_->inode;
    if (ours) ::unlink(path_.c_str());
    bound_.reset();
}

} // namespace prooftrack::api
