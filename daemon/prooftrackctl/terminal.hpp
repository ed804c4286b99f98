#pragma once

// What standard output and standard error are, and the raw mode of `top`, which is always undone.

#include <cstddef>
#include <string_view>

#include "prooftrackctl/table.hpp"

namespace prooftrack::ctl {

struct terminal_size {
    std::size_t columns = 80;
    std::size_t rows = 24;
};

bool is_terminal(int descriptor);

/// Size of the terminal behind `descriptor`; COLUMNS and LINES, then 80 x 24, when it does not say.
terminal_size size_of_terminal(int descriptor);

/// How to write to `descriptor`: its width and colours on a terminal (NO_COLOR and TERM=dumb take the colours away), no
/// limit elsewhere.
look look_of(int descriptor);

/// Single keys without echo, the alternate screen, no cursor: from construction to destruction (or
/// `restore_terminal_now`).
class raw_terminal {
  public:
    /// Throws std::system_error when standard input or output is no terminal.
    raw_terminal();
    ~raw_terminal();
    raw_terminal(const raw_terminal&) = delete;
    raw_terminal& operator=(const raw_terminal&) = delete;
};

/// Undoes `raw_terminal`; does nothing when there is none. May be called from a signal handler.
void restore_terminal_now();

} // namespace prooftrack::ctl
