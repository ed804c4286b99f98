#include "prooftrackctl/file_in_the_making.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void refuse_to_replace(const fs::path& target) {
    throw command_failure(
        exit_status::refused, fmt::format("{} exists: --force replaces it", printable(target.string())));
}

} // namespace

void fail_on_file(const char* operation, const fs::path& path, int error) {
    throw command_failure(
        exit_status::refused,
        fmt::format("cannot {} {}: {}", operation, printable(path.string()), std::strerror(error)));
}

void expect_free_name(const std::string& target, bool replace) {
    struct stat there {};
    if (lstat(target.c_str(), &there) != 0) return;
    if (S_ISDIR(there.st_mode)) fail_on_file("write", target, EISDIR);
    if (!replace) refuse_to_replace(target);
    if (!S_ISREG(there.st_mode) && !S_ISLNK(there.st_mode))
        throw command_failure(
            exit_status::refused,
            fmt::format("{} is a device, a pipe or a socket, which --force does not replace", printable(target)));
}

void expect_other_file(const std::string& target, const std::string& source) {
    struct stat one {
    }, other{};
    if (stat(target.c_str(), &one) != 0 || stat(source.c_str(), &other) != 0) return;
    if (one.st_dev == other.st_dev && one.st_ino == other.st_ino)
        throw command_failure(
            exit_status::refused, fmt::format("{} is what is read: choose another name", printable(target)));
}

file_in_the_making::file_in_the_making(const fs::path& target) : target_(target), name_(target.string() + ".XXXXXX") {
    descriptor_ = mkostemp(name_.data(), O_CLOEXEC); // made with mode 0600
    if (descriptor_ < 0) fail_on_file("write beside", target_, errno);
}

file_in_the_making::~file_in_the_making() {
    if (descriptor_ >= 0) close(descriptor_);
    if (!moved_) unlink(name_.c_str());
}

void file_in_the_making::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail_on_file("write", name_, errno);
        bytes.remove_prefix(static_cast<std::size_t>(count));
        written_ += static_cast<std::uint64_t>(count);
    }
}

void file_in_the_making::move_into_place(bool replace) {
    if (fsync(descriptor_) != 0) fail_on_file("sync", name_, errno);
    // Refuses an existing name without a moment in which somebody else's file could be lost.
    int moved = renameat2(AT_FDCWD, name_.c_str(), AT_FDCWD, target_.c_str(), replace ? 0 : RENAME_NOREPLACE);
    moved_ = moved == 0;
    if (!moved_ && !replace && errno == EINVAL)
        moved = link(name_.c_str(), target_.c_str()); // a file system without that flag
    if (moved != 0) {
        const int error = errno;
        if (error == EEXIST) refuse_to_replace(target_);
        fail_on_file("write", target_, error);
    }
    const fs::path folder = target_.has_parent_path() ? target_.parent_path() : fs::path(".");
    const int directory = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) fail_on_file("sync", folder, errno);
    const int synced = fsync(directory);
    const int error = errno;
    close(directory);
    if (synced != 0) fail_on_file("sync", folder, error);
}

} // namespace prooftrack::ctl
