#include "prooftrackctl/progress.hpp"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

#include "prooftrackctl/terminal.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

std::string progress_line(std::uint64_t done, std::uint64_t size, const std::string& what, const look& where) {
    if (size == 0) return what;
    const std::uint64_t share = std::min<std::uint64_t>(100, done * 100 / size);
    const std::size_t taken = display_width(what) + 10; // brackets, percentage and spaces
    const std::size_t room = where.width > taken ? std::min<std::size_t>(40, where.width - taken) : 0;
    if (room < 5) return fmt::format("{:3} %  {}", share, what);
    const std::size_t full = room * share / 100;
    std::string bar;
    for (std::size_t i = 0; i < room; ++i) bar += i < full ? (where.utf8 ? "█" : "#") : (where.utf8 ? "░" : ".");
    return fmt::format("[{}] {:3} %  {}", bar, share, what);
}

progress_bar::progress_bar(std::uint64_t size)
    : size_(size), active_(is_terminal(STDERR_FILENO)), look_(look_of(STDERR_FILENO)) {}

void progress_bar::show(std::uint64_t bytes, std::uint64_t lines) { draw(bytes, grouped(lines) + " lines"); }

void progress_bar::show_bytes(std::uint64_t bytes) { draw(bytes, byte_size(bytes)); }

void progress_bar::show_events(std::uint64_t events) { draw(events, grouped(events) + " events"); }

void progress_bar::clear() {
    if (!visible_) return;
    std::fputs("\r\x1b[K", stderr);
    visible_ = false;
}

void progress_bar::draw(std::uint64_t bytes, const std::string& what) {
    const steady_time now = std::chrono::steady_clock::now();
    if (!active_ || now < next_draw_) return;
    next_draw_ = now + milliseconds(100);
    look_.width = size_of_terminal(STDERR_FILENO).columns;
    const std::string line = cut_to_width(progress_line(bytes, size_, what, look_), look_.width - 1, "");
    std::fprintf(stderr, "\r%s\x1b[K", line.c_str());
    visible_ = true;
}

} // namespace prooftrack::ctl
