#include "api/file_stream.hpp"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/worker_thread.hpp"

namespace prooftrack::api {
namespace {

constexpr std::size_t bytes_a_read = 128 * 1024;
constexpr off_t bytes_ahead = 1024 * 1024;

} // namespace

op_result<std::shared_ptr<file_stream>> file_stream::open_and_unlink(const std::filesystem::path& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const int error = errno;
    ::unlink(path.c_str());
    if (descriptor < 0) return op_error{error_code(error, boost::system::system_category()), "open backup", {}};
    return std::make_shared<file_stream>(descriptor);
}

file_stream::file_stream(int descriptor) : descriptor_(descriptor) {
    struct stat state {};
    if (::fstat(descriptor_, &state) == 0) size_ = static_cast<std::uint64_t>(state.st_size);
}

// The last close of a nameless file frees its blocks, which takes seconds for some gigabytes: not on the loop. The
// thread has nothing but the descriptor and nobody waits for it.
file_stream::~file_stream() {
    try {
        net::start_worker("file-close", [descriptor = descriptor_] { ::close(descriptor); }).detach();
    } catch (const std::system_error&) {
        ::close(descriptor_);
    }
}

body_stream::progress file_stream::next(std::vector<shared_bytes>& out) {
    auto bytes = std::make_shared<std::string>(bytes_a_read, '\0');
    const ssize_t count = ::pread(descriptor_, bytes->data(), bytes->size(), offset_);
    if (count < 0) return progress::broken;
    if (count == 0) return progress::end;
    bytes->resize(static_cast<std::size_t>(count));
    offset_ += count;
    ::posix_fadvise(descriptor_, offset_, bytes_ahead, POSIX_FADV_WILLNEED);
    out.push_back(std::move(bytes));
    return progress::more;
}

} // namespace prooftrack::api
