#include "state_directory.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "random_text.hpp"

namespace prooftrack::sandbox {
namespace {

constexpr std::uintmax_t largest_file = 64U << 20U;

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

} // namespace

void prepare_directory(const std::filesystem::path& directory) {
    std::filesystem::create_directories(directory);
    std::filesystem::remove(directory / "base_url");
    std::filesystem::remove(directory / "shop_url");
}

void write_atomically(const std::filesystem::path& path, std::string_view text, unsigned mode) {
    const std::string beside = path.string() + ".new";
    const int file = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (file < 0) fail("open " + beside);
    const bool written =
        ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fchmod(file, mode) == 0;
    if (!written) {
        ::close(file);
        fail("write " + beside);
    }
    ::close(file);
    if (::rename(beside.c_str(), path.c_str()) != 0) fail("rename to " + path.string());
}

std::string keep_token(const std::filesystem::path& directory, const std::string& wanted) {
    const auto path = directory / "client_token";
    std::string token = wanted;
    if (token.empty() && std::filesystem::exists(path)) {
        token = read_file(path);
        while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
    }
    if (token.empty()) token = random_hex(24);
    write_atomically(path, token + "\n", 0600);
    return token;
}

std::string read_file(const std::filesystem::path& path) {
    if (std::filesystem::file_size(path) > largest_file)
        throw std::runtime_error(path.string() + " is larger than 64 MiB");
    std::ifstream file(path, std::ios::binary);
    if (!file) fail("open " + path.string());
    std::ostringstream text;
    text << file.rdbuf();
    return std::move(text).str();
}

} // namespace prooftrack::sandbox
