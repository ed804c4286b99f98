#include "prooftrackctl/difference_spool.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "prooftrackctl/exit_status.hpp"

namespace prooftrack::ctl {

namespace {

[[noreturn]] void fail(const char* what) {
    throw command_failure(
        exit_status::refused, fmt::format("cannot {} a temporary file: {}", what, std::strerror(errno)));
}

} // namespace

void difference_spool::put_into(std::size_t place, std::string_view line) {
    auto& file = files_.at(place);
    if (!file) file.reset(std::tmpfile());
    if (!file) fail("make");
    if (std::fwrite(line.data(), 1, line.size(), file.get()) != line.size() || std::fputc('\n', file.get()) == EOF)
        fail("write");
}

void difference_spool::each_of(std::size_t place, const visitor& visit) {
    std::FILE* file = files_.at(place).get();
    if (file == nullptr) return;
    if (std::fflush(file) != 0 || std::fseek(file, 0, SEEK_SET) != 0) fail("write");
    struct buffer {
        char* text = nullptr;
        std::size_t size = 0;
        ~buffer() { std::free(text); } // NOLINT(cppcoreguidelines-no-malloc): getline's own
    } line;
    for (;;) {
        const ssize_t length = getline(&line.text, &line.size, file);
        if (length < 0) break;
        visit(std::string_view(line.text, static_cast<std::size_t>(length) - 1));
    }
    if (std::ferror(file) != 0 || std::fseek(file, 0, SEEK_END) != 0) fail("read");
}

} // namespace prooftrack::ctl
