#include "prooftrackctl/difference_spool.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

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

void difference_spool::each(track::difference kind, const visitor& visit) {
    const auto place = static_cast<std::size_t>(kind);
    if (kind == track::difference::unknown_here) {
        each_of(place, visit);
    } else {
        each_backwards(place, visit);
    }
}

void difference_spool::each_backwards(std::size_t place, const visitor& visit) {
    constexpr long block = 64L * 1024;
    std::FILE* file = files_.at(place).get();
    if (file == nullptr) return;
    if (std::fflush(file) != 0 || std::fseek(file, 0, SEEK_END) != 0) fail("write");
    std::string text; // what was read and not given back yet; it begins at `at`
    for (long at = std::ftell(file); at > 0;) {
        const long length = std::min(at, block);
        at -= length;
        std::string piece(static_cast<std::size_t>(length), '\0');
        if (std::fseek(file, at, SEEK_SET) != 0 || std::fread(piece.data(), 1, piece.size(), file) != piece.size())
            fail("read");
        text.insert(0, piece);
        // The LF at the end of each line is kept until the one before it is found.
        for (std::size_t before = 0; text.size() > 1; text.resize(before + 1)) {
            before = text.rfind('\n', text.size() - 2);
            if (before == std::string::npos) break;
            visit(std::string_view(text).substr(before + 1, text.size() - before - 2));
        }
    }
    if (!text.empty()) visit(std::string_view(text).substr(0, text.size() - 1));
    if (std::fseek(file, 0, SEEK_END) != 0) fail("read");
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
