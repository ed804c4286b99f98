#include "prooftrackd/machine.hpp"

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include <boost/system/system_error.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/peer.hpp"
#include "api/server.hpp"
#include "prooftrackd/descriptor_limit.hpp"

namespace prooftrack::daemon {
namespace {

namespace errc = boost::system::errc;

machine_fault fault_of_errno(const std::filesystem::path& path) {
    const error_code error(errno, boost::system::generic_category());
    return {fmt::format("{}: {}", path.string(), error.message()), is_lack_of_permission(error)};
}

} // namespace

bool is_lack_of_permission(const error_code& error) {
    return error == errc::permission_denied || error == errc::operation_not_permitted;
}

op_result<config::file_content> this_machine::read_file(
    const std::filesystem::path& path, std::size_t most_bytes) const {
    return config::read_bounded_file(path, most_bytes);
}

op_result<gid_t> this_machine::find_group(const std::string& name) const {
    try {
        if (const auto found = prooftrack::api::find_group(name)) return *found;
    } catch (const boost::system::system_error& failed) {
        return op_error{failed.code(), "look up group " + name, {}};
    }
    return op_error{
        errc::make_error_code(errc::no_such_file_or_directory), "look up group " + name,
        fmt::format("there is no group '{}'", name)};
}

machine_fault this_machine::check_program(const std::filesystem::path& path) const {
    constexpr mode_t anybody_may_run = S_IXUSR | S_IXGRP | S_IXOTH;
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return fault_of_errno(path);
    if (!S_ISREG(info.st_mode)) return {fmt::format("{}: not a program but something else", path.string())};
    if ((info.st_mode & anybody_may_run) == 0) return {fmt::format("{}: not executable (chmod +x)", path.string())};
    if (::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) != 0) return fault_of_errno(path);
    return {};
}

machine_fault this_machine::check_socket(const std::filesystem::path& path) const {
    return {api::find_socket_fault(path)};
}

std::string this_machine::environment(const std::string& name) const {
    const char* value = std::getenv(name.c_str()); // NOLINT(concurrency-mt-unsafe): nobody writes the environment
    return value == nullptr ? std::string() : std::string(value);
}

std::string this_machine::host_name() const {
    std::array<char, HOST_NAME_MAX + 1> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string();
}

std::uint64_t this_machine::descriptor_limit() const { return hard_descriptor_limit(); }

} // namespace prooftrack::daemon
