#include "observe/process_numbers.hpp"

#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

namespace prooftrack::observe {
namespace {

double seconds_of(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::uint64_t resident_bytes() {
    std::ifstream in("/proc/self/statm");
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    in >> total >> resident;
    return in ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

/// Field 22 of /proc/self/stat counts clock ticks since boot; the name in field 2 may hold spaces and brackets.
double start_time_seconds() {
    std::ifstream in("/proc/self/stat");
    std::string line;
    std::getline(in, line);
    auto at = line.rfind(')');
    if (at == std::string::npos) return 0;
    constexpr int fields_behind_the_name = 20;
    for (int i = 0; i < fields_behind_the_name && at != std::string::npos; ++i) at = line.find(' ', at + 1);
    if (at == std::string::npos) return 0;
    const double ticks = std::stod(line.substr(at + 1));
    timespec boot{};
    ::clock_gettime(CLOCK_BOOTTIME, &boot);
    const double since_boot = static_cast<double>(boot.tv_sec) + static_cast<double>(boot.tv_nsec) / 1e9;
    const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    return now - since_boot + ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::uint64_t open_fds() {
    std::error_code error;
    std::uint64_t count = 0;
    for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end; at.increment(error))
        ++count;
    return count;
}

} // namespace

process_numbers read_process_numbers() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return {
        resident_bytes(), seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime), start_time_seconds(), open_fds()};
}

void release_free_memory() { ::malloc_trim(0); }

} // namespace prooftrack::observe
