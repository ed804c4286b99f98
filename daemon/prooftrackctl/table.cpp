#include "prooftrackctl/table.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

constexpr std::size_t gap = 2;

std::string_view escape_of(paint how) {
    switch (how) {
    case paint::plain:
        return "";
    case paint::bold:
        return "\x1b[1m";
    case paint::dim:
        return "\x1b[2m";
    case paint::good:
        return "\x1b[32m";
    case paint::busy:
        return "\x1b[36m";
    case paint::warn:
        return "\x1b[33m";
    case paint::bad:
        return "\x1b[31m";
    }
    return "";
}

} // namespace

std::string painted(std::string_view text, paint how, const look& where) {
    if (!where.colour || how == paint::plain || text.empty()) return std::string(text);
    return fmt::format("{}{}\x1b[0m", escape_of(how), text);
}

paint paint_of(std::string_view word) {
    struct entry {
        std::string_view word;
        paint how;
    };
    static constexpr std::array<entry, 26> known{{
        {"completed", paint::good},    {"delivered", paint::good},  {"ok", paint::good},
        {"verified", paint::good},     {"tracking", paint::busy},   {"pending", paint::busy},
        {"processing", paint::busy},   {"failed", paint::bad},      {"dead", paint::bad},
        {"abandoned", paint::bad},     {"failing", paint::bad},     {"unauthorized", paint::bad},
        {"forbidden", paint::bad},     {"unreachable", paint::bad}, {"full", paint::bad},
        {"cancelled", paint::warn},    {"overdue", paint::warn},    {"not_found", paint::warn},
        {"rejected", paint::warn},     {"reversed", paint::warn},   {"throttled", paint::warn},
        {"unconfigured", paint::warn}, {"untracked", paint::dim},   {"settled", paint::good},
        {"paused", paint::warn},       {"dismissed", paint::dim},
    }};
    if (word.starts_with("transaction.")) word.remove_prefix(std::string_view("transaction.").size());
    for (const entry& one : known) {
        if (one.word == word) return one.how;
    }
    return paint::plain;
}

std::size_t table::total_width() const {
    std::size_t total = 0;
    std::size_t shown = 0;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        if (hidden_[i]) continue;
        total += widths_[i];
        ++shown;
    }
    return shown == 0 ? 0 : total + gap * (shown - 1);
}

void table::measure(std::size_t limit) {
    widths_.resize(columns_.size(), 0);
    hidden_.resize(columns_.size(), false);
    used_.resize(columns_.size(), false);
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        widths_[i] = std::max({widths_[i], display_width(columns_[i].title), columns_[i].usual});
        for (const auto& row : rows_) {
            if (i >= row.size()) continue;
            widths_[i] = std::max(widths_[i], display_width(row[i].text));
            used_[i] = used_[i] || !row[i].text.empty();
        }
        if (columns_[i].if_any) hidden_[i] = !used_[i];
    }
    if (limit == 0) return;
    for (std::size_t i = columns_.size(); i-- > 0 && total_width() > limit;)
        hidden_[i] = hidden_[i] || columns_[i].optional;
    // Columns give way from the right: what identifies a row stands on the left and stays whole the longest.
    for (std::size_t i = columns_.size(); i-- > 0;) {
        if (hidden_[i] || columns_[i].least == 0 || widths_[i] <= columns_[i].least) continue;
        const std::size_t total = total_width();
        if (total <= limit) return;
        widths_[i] -= std::min(total - limit, widths_[i] - columns_[i].least);
    }
}

std::string table::line(const std::vector<cell>& row, const look& where) const {
    std::string out;
    std::size_t owed = 0; // spaces come before the next text only, so that no line ends in them
    for (std::size_t i = 0; i < columns_.size() && i < row.size(); ++i) {
        if (hidden_[i]) continue;
        const bool cut = where.width != 0 && columns_[i].least != 0;
        const std::string text = cut ? cut_to_width(row[i].text, widths_[i], where.ellipsis()) : row[i].text;
        const std::size_t wide = display_width(text);
        const std::size_t fill = widths_[i] > wide ? widths_[i] - wide : 0;
        if (columns_[i].right) owed += fill;
        if (!text.empty()) {
            out.append(owed, ' ');
            out += painted(text, row[i].how, where);
            owed = 0;
        }
        owed += (columns_[i].right ? 0 : fill) + gap;
    }
    out += '\n';
    return out;
}

std::string table::format(const look& where) {
    measure(where.width);
    std::string out;
    if (!titled_) {
        std::vector<cell> titles;
        for (const column& one : columns_) titles.push_back({one.title, paint::bold});
        out += line(titles, where);
        titled_ = true;
    }
    for (const auto& row : rows_) out += line(row, where);
    rows_.clear();
    return out;
}

} // namespace prooftrack::ctl
