#pragma once

// Aligned columns that fit the terminal. Pure: a width and a palette in, lines out.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace prooftrack::ctl {

enum class paint : std::uint8_t { plain, bold, dim, good, busy, warn, bad };

/// How things look where they are going.
struct look {
    std::size_t width = 0; ///< columns of the terminal, 0 = no limit (not a terminal)
    bool colour = false;   ///< escape sequences are welcome
    bool utf8 = true;      ///< else ASCII only for our own marks
    std::string_view ellipsis() const { return utf8 ? "…" : "~"; }
};

/// `text` in a colour, when the look has colours.
std::string painted(std::string_view text, paint how, const look& where);

/// The colour of one of our states, Proof's status words, a health or a delivery state.
paint paint_of(std::string_view word);

struct column {
    std::string title;
    bool right = false;    ///< aligned to the right
    std::size_t least = 0; ///< may be cut down to this many columns when room is short; 0 = never cut
    bool optional = false; ///< left out when room is short, before anything is cut
    std::size_t usual = 0; ///< width to begin with, for rows that come one by one
    bool if_any = false;   ///< left out until a row has something in it
};

struct cell {
    std::string text; ///< printable
    paint how = paint::plain;
};

/// Collects rows, then gives all lines at once. A later `format` keeps the widths of the ones before, so that pages
/// line up.
class table {
  public:
    explicit table(std::vector<column> columns) : columns_(std::move(columns)) {}

    void add(std::vector<cell> row) { rows_.push_back(std::move(row)); }
    bool empty() const { return rows_.empty(); }

    /// The rows since the last call, the title line before the first; every line ends in LF. Rows are dropped
    /// afterwards.
    std::string format(const look& where);

  private:
    std::size_t total_width() const;
    void measure(std::size_t limit);
    std::string line(const std::vector<cell>& row, const look& where) const;

    std::vector<column> columns_;
    std::vector<std::size_t> widths_;
    std::vector<bool> hidden_;
    std::vector<bool> used_; ///< columns in which a row had something
    std::vector<std::vector<cell>> rows_;
    bool titled_ = false;
};

} // namespace prooftrack::ctl
