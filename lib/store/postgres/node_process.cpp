#include "store/postgres/node_process.hpp"

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <fstream>
#include <iterator>
#include <sstream>

#include <unistd.h>

#include <fmt/format.h>

#include "base/random.hpp"

namespace prooftrack::store {
namespace {

constexpr std::size_t most_bytes = 4'096;

/// "" when it cannot be read.
std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text(most_bytes, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
}

std::string host_name() {
    std::array<char, HOST_NAME_MAX + 1> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
    return name.data();
}

std::string namespace_of_pids() {
    std::array<char, 64> text{};
    const ssize_t length = ::readlink("/proc/self/ns/pid", text.data(), text.size());
    return length < 0 ? "" : std::string(text.data(), static_cast<std::size_t>(length));
}

/// Of the machine's and the boot's ids, which are not shown to others as they are. The service may read only one of
/// them (ProcSubset=pid). 0 = neither.
std::uint64_t machine_number() {
    const std::string ids = read_file("/etc/machine-id") + read_file("/proc/sys/kernel/random/boot_id");
    std::uint64_t number = 0;
    for (const char each : ids) number = random_source(number ^ static_cast<unsigned char>(each)).next();
    return number;
}

/// Field 22 of /proc/PID/stat. The name in the second field may have spaces and brackets.
std::int64_t start_of(std::int64_t pid) {
    const std::string text = read_file(fmt::format("/proc/{}/stat", pid));
    const std::size_t behind_name = text.rfind(')');
    if (behind_name == std::string::npos) return 0;
    std::istringstream fields(text.substr(behind_name + 1));
    std::string skipped;
    for (int field = 3; field < 22; ++field) fields >> skipped;
    std::int64_t start = 0;
    fields >> start;
    return start;
}

} // namespace

node_process this_process() {
    node_process own;
    const std::uint64_t machine = machine_number();
    const std::string pids = namespace_of_pids();
    own.host = host_name();
    own.pid = ::getpid();
    own.start = start_of(own.pid);
    if (machine != 0 && !pids.empty()) own.host += fmt::format(" {:016x} {}", machine, pids);
    return own;
}

bool is_known_dead(const node_process& process) {
    const node_process own = this_process();
    const bool is_here = process.host == own.host && own.host.find(' ') != std::string::npos;
    if (!is_here || process.pid <= 0 || process.pid > INT_MAX) return false;
    if (::kill(static_cast<pid_t>(process.pid), 0) != 0 && errno == ESRCH) return true;
    const std::int64_t start = start_of(process.pid);
    return start != 0 && process.start != 0 && start != process.start;
}

} // namespace prooftrack::store
