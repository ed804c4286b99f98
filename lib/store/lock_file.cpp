#include "store/lock_file.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "store/disk_space.hpp"
#include "store/store.hpp"

namespace prooftrack::store {
namespace {

constexpr char marked = '!';
constexpr char taken_away = '?';
constexpr char refused = 'x';
constexpr char sound = '.';

std::string read_all(int descriptor) {
    std::array<char, 64> buffer{};
    const ssize_t length = ::pread(descriptor, buffer.data(), buffer.size(), 0);
    return length > 0 ? std::string(buffer.data(), static_cast<std::size_t>(length)) : std::string();
}

/// The pid in the file, "unknown" when it is not there (yet).
std::string holder_of(const std::string& content) {
    const std::size_t place = content.find("pid ");
    if (place == std::string::npos) return "unknown";
    std::string digits;
    for (std::size_t i = place + 4; i < content.size() && content[i] >= '0' && content[i] <= '9'; ++i)
        digits += content[i];
    return digits.empty() ? "unknown" : digits;
}

} // namespace

lock_file::lock_file(const std::filesystem::path& database) : path_(beside(database, ".lock")) {
    const auto refuse = [this](const char* operation) {
        const std::string what = fmt::format("{} {}: {}", operation, path_.string(), std::strerror(errno));
        if (descriptor_ >= 0) ::close(descriptor_);
        throw store_start_error(75, what);
    };
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor_ < 0) refuse("open the lock");
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) refuse("lock");
        const std::string holder = holder_of(read_all(descriptor_));
        ::close(descriptor_);
        throw store_start_error(
            75,
            fmt::format(
                "{} is in use by another prooftrackd (pid {}): a database has one daemon", database.string(), holder));
    }
    const std::string before = read_all(descriptor_);
    constexpr std::string_view marks{"!?x"};
    if (!before.empty() && marks.find(before.front()) != std::string_view::npos) mark_ = before.front();
    const std::string content = fmt::format("{} pid {:<20}\n", mark_, ::getpid());
    if (::pwrite(descriptor_, content.data(), content.size(), 0) != static_cast<ssize_t>(content.size()) ||
        ::ftruncate(descriptor_, static_cast<off_t>(content.size())) != 0 || ::fsync(descriptor_) != 0) {
        refuse("write the lock");
    }
    if (before.empty()) sync_directory(directory_of(database));
}

lock_file::~lock_file() { ::close(descriptor_); }

bool lock_file::mark() noexcept { return write_byte(marked); }
bool lock_file::mark_taken_away() noexcept { return write_byte(taken_away); }
bool lock_file::mark_refused() noexcept { return needs_a_file() || write_byte(refused); }

void lock_file::clear_mark() {
    if (!write_byte(sound)) {
        throw store_start_error(75, fmt::format("clear the mark in {}: {}", path_.string(), std::strerror(errno)));
    }
    mark_ = sound;
}

bool lock_file::write_byte(char byte) noexcept {
    return ::pwrite(descriptor_, &byte, 1, 0) == 1 && ::fsync(descriptor_) == 0;
}

} // namespace prooftrack::store
