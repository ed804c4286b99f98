#include "prooftrackctl/terminal.hpp"

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include <langinfo.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace prooftrack::ctl {

namespace {

termios saved_modes{};
std::atomic<bool> is_raw{false};

constexpr std::string_view enter_screen = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J";
constexpr std::string_view leave_screen = "\x1b[?25h\x1b[?1049l";

std::size_t number_in(const char* name, std::size_t otherwise) {
    const char* text = std::getenv(name);
    if (text == nullptr) return otherwise;
    std::size_t value = 0;
    const char* end = text + std::strlen(text);
    const auto parsed = std::from_chars(text, end, value);
    return parsed.ec == std::errc{} && parsed.ptr == end && value > 0 && value < 10'000 ? value : otherwise;
}

void write_terminal(std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = write(STDOUT_FILENO, text.data(), text.size());
        if (count <= 0) return; // the terminal went away: nothing is left to restore
        text.remove_prefix(static_cast<std::size_t>(count));
    }
}

} // namespace

bool is_terminal(int descriptor) { return isatty(descriptor) == 1; }

terminal_size size_of_terminal(int descriptor) {
    winsize size{};
    if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0)
        return {size.ws_col, size.ws_row};
    return {number_in("COLUMNS", 80), number_in("LINES", 24)};
}

look look_of(int descriptor) {
    look how;
    how.utf8 = std::string_view(nl_langinfo(CODESET)) == "UTF-8";
    if (!is_terminal(descriptor)) return how;
    how.width = size_of_terminal(descriptor).columns;
    const char* no_color = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    how.colour = (no_color == nullptr || *no_color == '\0') && term != nullptr && std::string_view(term) != "dumb";
    return how;
}

raw_terminal::raw_terminal() {
    if (!is_terminal(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &saved_modes) != 0) {
        throw std::system_error(ENOTTY, std::generic_category(), "terminal");
    }
    termios modes = saved_modes;
    modes.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    modes.c_cc[VSUSP] = _POSIX_VDISABLE; // a stopped or dumped program would leave its screen behind
    modes.c_cc[VQUIT] = _POSIX_VDISABLE;
    modes.c_cc[VMIN] = 0;
    modes.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &modes) != 0)
        throw std::system_error(errno, std::generic_category(), "terminal");
    is_raw.store(true);
    write_terminal(enter_screen);
}

raw_terminal::~raw_terminal() { restore_terminal_now(); }

void restore_terminal_now() {
    if (!is_raw.exchange(false)) return;
    write_terminal(leave_screen);
    tcsetattr(STDIN_FILENO, TCSANOW, &saved_modes);
}

} // namespace prooftrack::ctl
