#include "config/bounded_file.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace prooftrack::config {
namespace {

class file_descriptor {
  public:
    explicit file_descriptor(int fd) : fd_(fd) {}
    file_descriptor(const file_descriptor&) = delete;
    file_descriptor& operator=(const file_descriptor&) = delete;
    ~file_descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }

  private:
    int fd_;
};

op_error failure(const std::filesystem::path& path, int error, std::string detail = {}) {
    return {error_code(error, boost::system::generic_category()), "read " + path.string(), std::move(detail)};
}

std::int64_t nanoseconds(const timespec& time) { return time.tv_sec * 1'000'000'000LL + time.tv_nsec; }

} // namespace

op_result<file_content> read_bounded_file(const std::filesystem::path& path, std::size_t most_bytes) {
    // O_NONBLOCK: opening a named pipe by mistake must not hang the daemon.
    const file_descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (fd.get() < 0) return failure(path, errno);
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return failure(path, errno);
    if (S_ISDIR(info.st_mode)) return failure(path, EISDIR);
    if (!S_ISREG(info.st_mode)) return failure(path, EINVAL, "not a regular file");

    file_content content;
    content.is_open_to_others = (info.st_mode & (S_IROTH | S_IWOTH)) != 0;
    content.text.resize(most_bytes + 1);
    std::size_t size = 0;
    while (size < content.text.size()) {
        const ssize_t count = ::read(fd.get(), content.text.data() + size, content.text.size() - size);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return failure(path, errno);
        if (count == 0) break;
        size += static_cast<std::size_t>(count);
    }
    if (size > most_bytes) return failure(path, EFBIG, "at most " + std::to_string(most_bytes) + " bytes");
    content.text.resize(size);
    return content;
}

std::optional<file_stamp> stamp_file(const std::filesystem::path& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return std::nullopt;
    return file_stamp{
        info.st_dev, info.st_ino, static_cast<std::uint64_t>(info.st_size), nanoseconds(info.st_mtim),
        nanoseconds(info.st_ctim)};
}

} // namespace prooftrack::config
