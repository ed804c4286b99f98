#pragma once

// A progress bar on standard error, when that is a terminal; nothing elsewhere.

#include <cstdint>
#include <string>

#include "base/time.hpp"
#include "prooftrackctl/table.hpp"

namespace prooftrack::ctl {

/// The bar's line, without escape sequences: `[#####     ] 50 %  12,000 lines`. Pure. `size` 0 = not known.
std::string progress_line(std::uint64_t done, std::uint64_t size, const std::string& what, const look& where);

/// Draws at most ten times a second.
class progress_bar {
  public:
    explicit progress_bar(std::uint64_t size);
    ~progress_bar() { clear(); }
    progress_bar(const progress_bar&) = delete;
    progress_bar& operator=(const progress_bar&) = delete;

    void show(std::uint64_t bytes, std::uint64_t lines);
    void show_bytes(std::uint64_t bytes);
    void show_events(std::uint64_t events);
    /// Takes the bar away, so that a line can be written; the next `show` draws it again.
    void clear();
    void done() { clear(); }

  private:
    void draw(std::uint64_t bytes, const std::string& what);

    std::uint64_t size_;
    bool active_;
    bool visible_ = false;
    look look_;
    steady_time next_draw_{};
};

} // namespace prooftrack::ctl
