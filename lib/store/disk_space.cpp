#include "store/disk_space.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include "store/store.hpp"

namespace prooftrack::store {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw store_start_error(75, what); }

std::string last_error() { return std::strerror(errno); }

std::uint64_t size_of(const std::filesystem::path& file) {
    struct stat info {};
    return ::stat(file.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

/// The type of the mount that holds `directory`, "" when /proc does not tell.
std::string mount_type_of(const std::filesystem::path& directory) {
    std::error_code ignored;
    const std::string real = std::filesystem::canonical(directory, ignored).string();
    std::ifstream table("/proc/self/mountinfo");
    std::string best_type;
    std::size_t best_length = 0;
    for (std::string line; std::getline(table, line);) {
        // id parent major:minor root mount-point options… - type source …
        std::istringstream fields(line);
        std::string word;
        std::string mount_point;
        for (int i = 0; i < 5 && fields >> mount_point; ++i) {
        }
        while (fields >> word && word != "-") {
        }
        std::string type;
        fields >> type;
        const bool covers = mount_point == "/" || real == mount_point || real.rfind(mount_point + "/", 0) == 0;
        if (covers && mount_point.size() >= best_length) {
            best_length = mount_point.size();
            best_type = type;
        }
    }
    return best_type;
}

bool sync_path(const std::filesystem::path& path, int flags) {
    const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
    if (descriptor < 0) return false;
    const bool ok = ::fsync(descriptor) == 0;
    const int error = errno;
    ::close(descriptor);
    errno = error;
    return ok;
}

} // namespace

disk_usage measure_disk(const std::filesystem::path& database) {
    disk_usage usage;
    usage.db_bytes = size_of(database);
    usage.wal_bytes = size_of(beside(database, "-wal"));
    struct statvfs file_system {};
    if (::statvfs(directory_of(database).c_str(), &file_system) == 0) {
        usage.free_bytes = static_cast<std::uint64_t>(file_system.f_bavail) * file_system.f_frsize;
        usage.capacity_bytes = static_cast<std::uint64_t>(file_system.f_blocks) * file_system.f_frsize;
    }
    return usage;
}

std::uint64_t recovery_bytes(std::uint64_t capacity_bytes) {
    constexpr std::uint64_t most = std::uint64_t{16} << 20U;
    constexpr std::uint64_t parts = 50;
    return capacity_bytes == 0 ? most : std::min(most, capacity_bytes / parts);
}

bool has_recovery_space(const std::filesystem::path& database) {
    const disk_usage usage = measure_disk(database);
    const std::uint64_t needed = recovery_bytes(usage.capacity_bytes);
    const int trial = ::open(directory_of(database).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (trial < 0) return usage.free_bytes >= needed; // not every file system has files without a name
    const bool ok = ::fallocate(trial, 0, 0, static_cast<off_t>(needed)) == 0;
    const bool is_conclusive = ok || errno == ENOSPC || errno == EDQUOT;
    ::close(trial);
    return is_conclusive ? ok : usage.free_bytes >= needed;
}

bool has_space_for_copy(const std::filesystem::path& database) {
    const disk_usage usage = measure_disk(database);
    constexpr std::uint64_t margin = std::uint64_t{8} << 20U;
    const std::uint64_t needed = usage.db_bytes + usage.wal_bytes;
    return usage.free_bytes >= needed + needed / 20 + margin;
}

bool is_network_file_system(long magic, const std::string& mount_type) {
    // From statfs(2): NFS, SMB, CIFS, SMB2, 9P, Coda, AFS (two), Ceph, Lustre, NCP, OCFS2, GFS2.
    constexpr std::array<unsigned long, 13> magics{0x6969,     0x517B,     0xFF534D42, 0xFE534D42, 0x01021997,
                                                   0x73757245, 0x5346414F, 0x6B414653, 0x00C36400, 0x0BD00BD0,
                                                   0x564C,     0x7461636F, 0x01161970};
    const auto value = static_cast<unsigned long>(magic) & 0xFFFFFFFFUL;
    if (std::find(magics.begin(), magics.end(), value) != magics.end()) return true;
    constexpr std::array<const char*, 12> fuse_types{"fuse.sshfs",   "fuse.s3fs",    "fuse.rclone",    "fuse.glusterfs",
                                                     "fuse.ceph",    "fuse.davfs",   "fuse.nfs",       "fuse.smbnetfs",
                                                     "fuse.juicefs", "fuse.gcsfuse", "fuse.curlftpfs", "fuse.moosefs"};
    return std::any_of(fuse_types.begin(), fuse_types.end(), [&](const char* type) { return mount_type == type; });
}

void prepare_directory(const std::filesystem::path& database) {
    const std::filesystem::path directory = directory_of(database);
    if (::mkdir(directory.c_str(), 0700) == 0) {
        sync_directory(directory_of(directory));
    } else if (errno != EEXIST) {
        refuse(fmt::format(
            "make directory {}: {} (the directories above it must exist and be writable)", directory.string(),
            last_error()));
    }
    struct statfs info {};
    if (::statfs(directory.c_str(), &info) != 0)
        refuse(fmt::format("look at {}: {}", directory.string(), last_error()));
    if (!std::filesystem::is_directory(directory)) refuse(fmt::format("{} is not a directory", directory.string()));
    if (is_network_file_system(static_cast<long>(info.f_type), mount_type_of(directory))) {
        refuse(fmt::format(
            "{} is on a network file system, where locks and syncs cannot be trusted: put store.path on a local disk",
            directory.string()));
    }
}

void prepare_file(const std::filesystem::path& database) {
    const int made = ::open(database.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (made >= 0) {
        ::close(made);
        if (!sync_directory(directory_of(database)))
            refuse(fmt::format("sync {}: {}", directory_of(database).string(), last_error()));
        return;
    }
    if (errno != EEXIST) refuse(fmt::format("make {}: {}", database.string(), last_error()));
    struct stat info {};
    if (::stat(database.c_str(), &info) != 0) refuse(fmt::format("look at {}: {}", database.string(), last_error()));
    if (!S_ISREG(info.st_mode)) refuse(fmt::format("{} is not a file", database.string()));
    // Best effort: the file may belong to another user, who gave others these rights.
    if ((info.st_mode & 077U) != 0 && ::chmod(database.c_str(), 0600) != 0) errno = 0;
}

bool sync_directory(const std::filesystem::path& directory) { return sync_path(directory, O_RDONLY | O_DIRECTORY); }
bool sync_file(const std::filesystem::path& file) { return sync_path(file, O_RDWR); }

std::filesystem::path beside(const std::filesystem::path& database, const std::string& suffix) {
    return {database.string() + suffix};
}

std::filesystem::path directory_of(const std::filesystem::path& database) {
    const std::filesystem::path parent = database.parent_path();
    return parent.empty() ? std::filesystem::path(".") : parent;
}

} // namespace prooftrack::store
