#include "prooftrackctl/report_picture.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "base/time.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

using std::chrono::days;
using std::chrono::sys_days;

constexpr double left = 64;
constexpr double right = 712;
constexpr double top = 12;
constexpr double bottom = 172;
constexpr double date_width = 56;

std::optional<sys_days> day_of(const std::string& date) {
    const auto when = date.size() == 10 ? parse_wall_time(date + "T00:00:00Z") : std::nullopt;
    return when ? std::optional(std::chrono::floor<days>(*when)) : std::nullopt;
}

std::string date_of(sys_days day) { return format_wall_time(wall_time(day)).substr(0, 10); }

/// The least number of one digit and zeros that is not below `most`, but for 7 and 9.
std::uint64_t scale_for(std::uint64_t most) {
    std::uint64_t scale = 1;
    for (std::uint64_t step = 1; step <= 1'000'000'000'000'000; step *= 10) {
        for (const std::uint64_t factor : {1UL, 2UL, 3UL, 4UL, 5UL, 6UL, 8UL}) {
            scale = step * factor;
            if (scale >= most) return scale;
        }
    }
    return std::max(scale, most);
}

std::string rectangle(const char* kind, double x, double width, double from, double to) {
    return fmt::format(
        R"(<rect class="{}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"/>)", kind, x, from, width, to - from);
}

std::string draw_axis(std::uint64_t scale) {
    std::string out;
    const std::vector<std::uint64_t> marks =
        scale == 1 ? std::vector<std::uint64_t>{0, 1} : std::vector<std::uint64_t>{0, scale / 2, scale};
    for (const std::uint64_t mark : marks) {
        const double y = bottom - (bottom - top) * static_cast<double>(mark) / static_cast<double>(scale);
        out += fmt::format(
            R"(<line x1="{}" y1="{:.2f}" x2="{}" y2="{:.2f}"/><text class="value" x="{}" y="{:.2f}">{}</text>)", left,
            y, right, y, left - 6, y + 4, grouped(mark));
    }
    return out;
}

} // namespace

std::vector<picture_bar> bars_of(const std::map<std::string, track::reconciled_day>& counted) {
    std::map<sys_days, track::reconciled_day> known;
    for (const auto& [date, day] : counted) {
        if (const auto at = day_of(date)) known[*at] = day;
    }
    std::vector<picture_bar> bars;
    if (known.empty()) return bars;
    const sys_days first = known.begin()->first;
    const sys_days last = known.rbegin()->first;
    const auto span = static_cast<std::size_t>((last - first).count()) + 1;
    const std::size_t per_bar = (span + max_picture_bars - 1) / max_picture_bars;
    bars.resize((span + per_bar - 1) / per_bar);
    for (std::size_t i = 0; i < bars.size(); ++i) {
        bars[i].first_day = date_of(first + days(i * per_bar));
        bars[i].last_day = date_of(std::min(last, first + days((i + 1) * per_bar - 1)));
    }
    for (const auto& [at, day] : known) {
        picture_bar& bar = bars[static_cast<std::size_t>((at - first).count()) / per_bar];
        bar.agreed += day.agreed;
        bar.differing += day.differing;
    }
    return bars;
}

std::string draw_bars(const std::vector<picture_bar>& bars) {
    if (bars.empty()) return {};
    std::uint64_t most = 1;
    for (const picture_bar& bar : bars) most = std::max(most, bar.agreed + bar.differing);
    const std::uint64_t scale = scale_for(most);
    const double step = (right - left) / static_cast<double>(std::max<std::size_t>(bars.size(), 7));
    std::string out =
        R"(<svg viewBox="0 0 720 200" role="img" aria-label="Transactions by day of tracking"><g class="axis">)";
    out += draw_axis(scale) + "</g>";
    // At most every fifth day or so has room for its date.
    const std::size_t labelled = std::max<std::size_t>(1, (bars.size() + 6) / 7);
    for (std::size_t i = 0; i < bars.size(); ++i) {
        const picture_bar& bar = bars[i];
        const auto height = [scale](std::uint64_t count) {
            return (bottom - top) * static_cast<double>(count) / static_cast<double>(scale);
        };
        const double x = left + step * static_cast<double>(i) + step * 0.1;
        const double agreed = bottom - height(bar.agreed);
        // One among thousands must be seen.
        const double differing = bar.differing == 0 ? agreed : agreed - std::max(2.0, height(bar.differing));
        const std::string span =
            bar.first_day == bar.last_day ? bar.first_day : fmt::format("{} to {}", bar.first_day, bar.last_day);
        out +=
            fmt::format("<g><title>{}: {} agree, {} differ</title>", span, grouped(bar.agreed), grouped(bar.differing));
        if (bar.agreed != 0) out += rectangle("agreed", x, step * 0.8, agreed, bottom);
        if (bar.differing != 0) out += rectangle("differing", x, step * 0.8, differing, agreed);
        out += "</g>";
        if (i % labelled == 0 && x + date_width <= right)
            out += fmt::format(R"(<text class="day" x="{:.2f}" y="{}">{}</text>)", x, bottom + 16, bar.first_day);
    }
    return out + "</svg>\n";
}

} // namespace prooftrack::ctl
