#include "callback/spawned_process.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <set>
#include <string_view>

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/expects.hpp"

namespace prooftrack::callback {
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
        ::posix_spawnattr_setflags(
            &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
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

/// The children of spawn_process that were not reaped yet; spawned, reaped and forgotten on the loop alone.
std::set<pid_t>& living_processes() {
    static std::set<pid_t> living;
    return living;
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> out;
    out.reserve(strings.size() + 1);
    for (const auto& each : strings) out.push_back(const_cast<char*>(each.c_str())); // NOLINT: exec's signature
    out.push_back(nullptr);
    return out;
}

/// Why a file that is there cannot be started, and what to do; "" when that is all there is to say. A script's missing
/// interpreter is "No such file or directory" to the kernel, although the script is there.
std::string explain_start_failure(const std::string& program, int failure) {
    if (failure == EACCES) return "is it executable, and may the daemon's user reach it?";
    if ((failure != ENOENT && failure != ENOEXEC) || ::access(program.c_str(), F_OK) != 0) return {};
    std::string first(256, '\0');
    std::ifstream file(program, std::ios::binary);
    file.read(first.data(), static_cast<std::streamsize>(first.size()));
    first.resize(static_cast<std::size_t>(file.gcount()));
    if (!first.starts_with("#!"))
        return failure == ENOEXEC ? "it is no program and has no #! line that names an interpreter" : "";
    const std::string line = first.substr(2, std::min(first.find('\n'), first.size()) - 2);
    if (line.ends_with('\r'))
        return "the file is there, but its first line ends with CR LF: write it with LF alone (sed -i 's/\\r$//' FILE)";
    return "the file is there, but the interpreter that its #! line names is not";
}

/// A NUL would cut the string: `completed` and a NUL would read as `completed`.
bool holds_nul(const std::vector<std::string>& strings) {
    return std::any_of(
        strings.begin(), strings.end(), [](const std::string& each) { return each.find('\0') != std::string::npos; });
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

op_result<spawned_process> spawn_process(
    const std::vector<std::string>& argv, const std::vector<std::string>& environment, const std::string& input) {
    expects(!argv.empty(), "spawned_process: a command without words");
    const std::string operation = "start " + argv.front();
    if (holds_nul(argv) || holds_nul(environment)) {
        return op_error{
            error_code(EINVAL, boost::system::system_category()), operation, "an argument or a variable holds a NUL"};
    }
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
    const int failure = ::posix_spawnp(
        &child.pid, argv.front().c_str(), plan.actions(), plan.attributes(), arguments.data(), variables.data());
    if (failure != 0)
        return op_error{
            error_code(failure, boost::system::system_category()), operation,
            explain_start_failure(argv.front(), failure)};
    child.process = file_descriptor(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
    living_processes().insert(child.pid);
    if (child.process) return child;
    const op_error error = last_error("watch " + argv.front());
    ::kill(-child.pid, SIGKILL);
    ::waitpid(child.pid, nullptr, 0); // just killed: no more than an instant
    forget_process(child.pid);
    return error;
}

void forget_process(pid_t pid) { living_processes().erase(pid); }

bool inherits_orphans() {
    int is_subreaper = 0;
    return ::getpid() == 1 || (::prctl(PR_GET_CHILD_SUBREAPER, &is_subreaper) == 0 && is_subreaper != 0);
}

void reap_orphans() {
    for (;;) {
        siginfo_t ended{};
        if (::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0) return;
        if (living_processes().contains(ended.si_pid)) return;
        ::waitid(P_PID, static_cast<id_t>(ended.si_pid), &ended, WEXITED | WNOHANG);
    }
}

} // namespace prooftrack::callback
