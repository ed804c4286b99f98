#include "prooftrackd/service_credentials.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/bounded_file.hpp"

namespace prooftrack::daemon {
namespace {

constexpr std::size_t most_environment_bytes = 2UL * 1024 * 1024; // the kernel's own bound is of that size

bool is_number(std::string_view text) {
    return !text.empty() && text.size() < 10 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

} // namespace

std::filesystem::path credentials_of_main_process() {
    const char* pid = std::getenv("MAINPID"); // NOLINT(concurrency-mt-unsafe): there is one thread
    if (pid == nullptr || !is_number(pid)) return {};
    const std::string process = std::string("/proc/") + pid;
    const auto environment = config::read_bounded_file(process + "/environ", most_environment_bytes);
    if (!environment) return {};
    constexpr std::string_view name = "CREDENTIALS_DIRECTORY=";
    std::string_view rest = environment->text;
    while (!rest.empty()) {
        const std::string_view entry = rest.substr(0, rest.find('\0'));
        if (entry.starts_with(name)) return process + "/root" + std::string(entry.substr(name.size()));
        rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
    }
    return {};
}

} // namespace prooftrack::daemon
