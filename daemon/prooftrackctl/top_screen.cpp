#include "prooftrackctl/top_screen.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "prooftrackctl/json_view.hpp"
#include "prooftrackctl/status_view.hpp"
#include "prooftrackctl/text.hpp"
#include "prooftrackctl/views.hpp"

namespace prooftrack::ctl {

namespace {

void append_lines(std::vector<std::string>& lines, std::string_view text) {
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        lines.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos) return;
        text.remove_prefix(end + 1);
    }
}

/// Cuts a line with escape sequences in it; they take no columns and are always closed.
std::string cut_painted(std::string_view line, std::size_t width) {
    std::string out;
    std::size_t used = 0;
    bool coloured = false;
    while (!line.empty()) {
        if (line.front() == '\x1b') {
            const std::size_t end = line.find('m');
            const std::size_t length = end == std::string_view::npos ? line.size() : end + 1;
            out += line.substr(0, length);
            coloured = line.substr(0, length) != "\x1b[0m";
            line.remove_prefix(length);
            continue;
        }
        const std::string_view run = line.substr(0, std::min(line.find('\x1b'), line.size()));
        const std::string part = cut_to_width(run, width - used, "");
        out += part;
        used += display_width(part);
        if (part.size() < run.size()) break;
        line.remove_prefix(run.size());
    }
    if (coloured) out += "\x1b[0m";
    return out;
}

std::string headline(const top_facts& facts, const look& where, wall_time now, std::size_t width) {
    const std::string time = format_wall_time(now).substr(11, 8) + " UTC";
    const std::string left = facts.trouble.empty() ? "q quits" : facts.trouble;
    const std::string shown =
        cut_to_width(left, width > time.size() + 2 ? width - time.size() - 2 : 0, where.ellipsis());
    const std::size_t taken = display_width(shown) + time.size();
    return fmt::format(
        "{}{}{}", painted(shown, facts.trouble.empty() ? paint::dim : paint::bad, where),
        std::string(width > taken ? width - taken : 0, ' '), painted(time, paint::dim, where));
}

std::string event_lines(const top_facts& facts, const look& where, wall_time now, std::size_t most) {
    table rows(event_columns());
    const std::size_t shown = std::min(most, facts.events.size());
    for (std::size_t i = 0; i < shown; ++i) { // the newest on top
        rows.add(event_row(json_view::parse(facts.events[facts.events.size() - 1 - i]), where, now));
    }
    return rows.empty() ? painted("  none yet\n", paint::dim, where) : rows.format(where);
}

} // namespace

std::string sparkline(const std::deque<double>& values, std::size_t width, const look& where) {
    static constexpr std::array<const char*, 8> marks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    if (!where.utf8) return "";
    const std::size_t count = std::min(width, values.size());
    double most = 0;
    for (std::size_t i = values.size() - count; i < values.size(); ++i) most = std::max(most, values[i]);
    std::string out;
    for (std::size_t i = values.size() - count; i < values.size(); ++i) {
        const double share = most > 0 ? values[i] / most : 0;
        out += marks.at(std::min<std::size_t>(7, static_cast<std::size_t>(std::max(0.0, share) * 7.99)));
    }
    return out;
}

std::vector<std::string> top_lines(const top_facts& facts, const look& where, terminal_size size, wall_time now) {
    std::vector<std::string> lines;
    look inner = where;
    inner.width = size.columns;
    lines.push_back(headline(facts, inner, now, size.columns));
    const json_view status = json_view::parse(facts.status);
    if (!status.is_missing()) {
        // Half of a small screen is for the callbacks, so that the newest events are always there.
        const std::size_t callbacks = size.rows > 24 ? size.rows / 3 : 4;
        append_lines(lines, format_status(status, inner, now, callbacks));
        const std::size_t room = size.columns > 24 ? size.columns - 16 : 0;
        const std::string line = sparkline(facts.poll_rates, room, inner);
        if (!line.empty() && size.rows > 20)
            lines.insert(lines.begin() + 4, "                " + painted(line, paint::busy, inner));
        lines.emplace_back();
        lines.push_back(painted("newest events", paint::bold, inner));
        const std::size_t left = size.rows > lines.size() + 1 ? size.rows - lines.size() - 1 : 0;
        append_lines(lines, event_lines(facts, inner, now, left));
    }
    lines.resize(size.rows);
    for (std::string& line : lines) line = cut_painted(line, size.columns);
    return lines;
}

std::string top_frame(const std::vector<std::string>& lines) {
    std::string frame = "\x1b[?2026h\x1b[H"; // terminals that know it show the frame at once
    for (std::size_t i = 0; i < lines.size(); ++i) {
        frame += lines[i];
        frame += "\x1b[K";
        if (i + 1 < lines.size()) frame += "\r\n";
    }
    frame += "\x1b[J\x1b[?2026l";
    return frame;
}

} // namespace prooftrack::ctl
