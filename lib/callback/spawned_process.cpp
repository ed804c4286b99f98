#include "callback/spawned_process.hpp"

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace prooftrack {
namespace {

constexpr int first_free_descriptor = 3;

op_error last_error(std::string operation) {
    return {error_code(errno, boost::system::system_category()), std::move(operation), {}};
}

/// The same file under a number that cannot collide with 0 to 2 (a daemon started without them would otherwise mix them
/// up).
file_descriptor above_standard(file_descriptor descriptor) {
    if (!descriptor || descriptor.get() >= first_free_descriptor) return descriptor;
    return file_descriptor(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, first_free_descriptor));
}

op_result<file_descriptor> make_input(const std::string& bytes) {
    file_descriptor memory = above_standard(file_descriptor(::memfd_create("event", MFD_CLOEXEC)));
    if (!memory) return last_error("prepare the command's input");
    std::size_t written = 0;
    while (written < bytes.size()) {
        const ssize_t count = ::write(memory.get(), bytes.data() + written, bytes.size() - written);
        if (count < 0) return last_error("prepare the command's input");
        written += static_cast<std::size_t>(count);
    }
    if (::lseek(memory.get(), 0, SEEK_SET) != 0) return last_error("prepare the command's input");
    return memory;
}

/// posix_spawn's attributes and actions, destroyed with it.
class spawn_plan {
  public:
    spawn_plan(int input, int output) {
        ::posix_spawnattr_init(&attributes_);
        ::posix_spawn_file_actions_init(&actions_);
        sigset_t every;
        sigset_t none;
        ::sigfillset(&every);
        ::sigemptyset(&none);
        ::posix_spawnattr_setpgroup(&attributes_, 0);
        ::posix_spawnattr_setsigdefault(&attributes_, &every); // the daemon ignores SIGPIPE, a child must not
        ::posix_spawnattr_setsigmask(&attributes_, &none);
        ::posix_spawnattr_setflags(&attributes_,
                                   POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
        ::posix_spawn_file_actions_adddup2(&actions_, input, 0);
        ::posix_spawn_file_actions_adddup2(&actions_, output, 1);
        ::posix_spawn_file_actions_adddup2(&actions_, output, 2);
        // Asio's sockets are not close-on-exec.
        ::posix_spawn_file_actions_addclosefrom_np(&actions_, first_free_descriptor);
    }
    ~spawn_plan() {
        ::posix_spawn_file_actions_destroy(&actions_);
        ::posix_spawnattr_destroy(&attributes_);
    }
    spawn_plan(const spawn_plan&) = delete;
    spawn_plan& operator=(const spawn_plan&) = delete;

    const posix_spawnattr_t* attributes() const { return &attributes_; }
    const posix_spawn_file_actions_t* actions() const { return &actions_; }

  private:
    posix_spawnattr_t attributes_{};
    posix_spawn_file_actions_t actions_{};
};

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> out;
    out.reserve(strings.size() + 1);
    for (const auto& each : strings) out.push_back(const_cast<char*>(each.c_str())); // NOLINT: exec's signature
    out.push_back(nullptr);
    return out;
}

} // namespace

file_descriptor& file_descriptor::operator=(file_descriptor&& other) noexcept {
    if (this == &other) return *this;
    if (number_ >= 0) ::close(number_);
    number_ = std::exchange(other.number_, -1);
    return *this;
}

file_descriptor::~file_descriptor() {
    if (number_ >= 0) ::close(number_);
}

op_result<spawned_process> spawn_process(const std::vector<std::string>& argv,
                                         const std::vector<std::string>& environment, const std::string& input) {
    op_result<file_descriptor> memory = make_input(input);
    if (memory.has_error()) return memory.error();
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) return last_error("prepare the command's output");
    spawned_process child;
    child.output = above_standard(file_descriptor(ends[0]));
    const file_descriptor output = above_standard(file_descriptor(ends[1]));
    if (!child.output || !output || ::fcntl(child.output.get(), F_SETFL, O_NONBLOCK) != 0)
        return last_error("prepare the command's output");
    const spawn_plan plan(memory->get(), output.get());
    const auto arguments = pointers(argv);
    const auto variables = pointers(environment);
    const std::string operation = "start " + argv.front();
    const int failure = ::posix_spawnp(&child.pid, argv.front().c_str(), plan.actions(), plan.attributes(),
                                       arguments.data(), variables.data());
    if (failure != 0) return op_error{error_code(failure, boost::system::system_category()), operation, {}};
    child.process = file_descriptor(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
    if (child.process) return child;
    const op_error error = last_error("watch " + argv.front());
    ::kill(-child.pid, SIGKILL);
    ::waitpid(child.pid, nullptr, 0); // just killed: no more than an instant
    return error;
}

} // namespace prooftrack
