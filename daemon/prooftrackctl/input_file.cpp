#include "prooftrackctl/input_file.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

constexpr std::size_t piece_size = 64UL * 1024;
constexpr auto feeder_patience = std::chrono::hours(24); // who feeds a pipe takes the time it takes; a signal ends it

} // namespace

input_file::input_file(const std::string& name, const stop_signal& stop)
    : name_(name), stop_(stop), buffer_(piece_size) {
    descriptor_ = name == "-" ? STDIN_FILENO : open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (descriptor_ < 0) fail(errno);
    struct stat info {};
    if (fstat(descriptor_, &info) == 0 && S_ISREG(info.st_mode)) size_ = static_cast<std::uint64_t>(info.st_size);
}

input_file::~input_file() {
    if (descriptor_ != STDIN_FILENO) close(descriptor_);
}

std::string_view input_file::read_some() {
    for (;;) {
        if (stop_.wait(descriptor_, POLLIN, std::chrono::steady_clock::now() + feeder_patience) != wait_result::ready)
            throw stop_requested();
        const ssize_t count = read(descriptor_, buffer_.data(), buffer_.size());
        if (count >= 0) return {buffer_.data(), static_cast<std::size_t>(count)};
        if (errno != EINTR && errno != EAGAIN) fail(errno);
    }
}

void input_file::fail(int error) const {
    throw command_failure(
        exit_status::refused, fmt::format("cannot read {}: {}", printable(name_), std::strerror(error)));
}

std::string read_small_file(const std::string& name, std::size_t limit, const stop_signal& stop) {
    input_file file(name, stop);
    std::string content;
    for (std::string_view piece = file.read_some(); !piece.empty(); piece = file.read_some()) {
        content += piece;
        if (content.size() > limit) {
            throw command_failure(
                exit_status::refused,
                fmt::format("cannot read {}: it is larger than {}", printable(name), byte_size(limit)));
        }
    }
    return content;
}

} // namespace prooftrack::ctl
