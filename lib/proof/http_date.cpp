#include "proof/http_date.hpp"

#include <algorithm>
#include <array>

#include "net/http_text.hpp"

namespace prooftrack::proof {
namespace {

constexpr std::array<std::string_view, 12> month_names{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> short_days{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr std::array<std::string_view, 7> long_days{"Monday", "Tuesday",  "Wednesday", "Thursday",
                                                    "Friday", "Saturday", "Sunday"};

/// Reads one date from the front; the first mismatch fails it for good.
class date_reader {
  public:
    explicit date_reader(std::string_view text) : rest_(text) {}

    bool failed() const { return failed_; }
    bool at_end() const { return rest_.empty(); }

    void literal(std::string_view expected) {
        if (!rest_.starts_with(expected)) return fail();
        rest_.remove_prefix(expected.size());
    }

    template <std::size_t Count>
    unsigned one_of(const std::array<std::string_view, Count>& names) {
        for (unsigned i = 0; i < Count; ++i) {
            if (!rest_.starts_with(names[i])) continue;
            rest_.remove_prefix(names[i].size());
            return i;
        }
        fail();
        return 0;
    }

    int number(std::size_t digits) {
        if (rest_.size() < digits) {
            fail();
            return 0;
        }
        int value = 0;
        for (const char c : rest_.substr(0, digits)) {
            if (c < '0' || c > '9') fail();
            value = value * 10 + (c - '0');
        }
        rest_.remove_prefix(digits);
        return value;
    }

    /// asctime's day: two digits, or a space and one.
    int padded_day() {
        if (!rest_.starts_with(' ')) return number(2);
        rest_.remove_prefix(1);
        return number(1);
    }

    seconds time_of_day() {
        const int hour = number(2);
        literal(":");
        const int minute = number(2);
        literal(":");
        const int second = number(2);
        if (hour > 23 || minute > 59 || second > 60) fail(); // 60: a leap second
        return std::chrono::hours(hour) + std::chrono::minutes(minute) + seconds(second);
    }

  private:
    void fail() { failed_ = true; }

    std::string_view rest_;
    bool failed_ = false;
};

std::optional<wall_time> join(const date_reader& reader, int year, unsigned month_index, int day, seconds time) {
    if (reader.failed() || !reader.at_end()) return std::nullopt;
    const std::chrono::year_month_day date{
        std::chrono::year(year), std::chrono::month(month_index + 1), std::chrono::day(static_cast<unsigned>(day))};
    if (!date.ok()) return std::nullopt;
    return wall_time(std::chrono::sys_days(date)) + time;
}

std::optional<wall_time> parse_fixdate(std::string_view text) {
    date_reader reader(text);
    reader.one_of(short_days);
    reader.literal(", ");
    const int day = reader.number(2);
    reader.literal(" ");
    const unsigned month = reader.one_of(month_names);
    reader.literal(" ");
    const int year = reader.number(4);
    reader.literal(" ");
    const seconds time = reader.time_of_day();
    reader.literal(" GMT");
    return join(reader, year, month, day, time);
}

std::optional<wall_time> parse_rfc850(std::string_view text, wall_time now) {
    date_reader reader(text);
    reader.one_of(long_days);
    reader.literal(", ");
    const int day = reader.number(2);
    reader.literal("-");
    const unsigned month = reader.one_of(month_names);
    reader.literal("-");
    const int short_year = reader.number(2);
    reader.literal(" ");
    const seconds time = reader.time_of_day();
    reader.literal(" GMT");
    const std::chrono::year_month_day today(std::chrono::floor<std::chrono::days>(now));
    const int this_year = static_cast<int>(today.year());
    int year = this_year - this_year % 100 + short_year;
    if (year > this_year + 50) year -= 100;
    return join(reader, year, month, day, time);
}

std::optional<wall_time> parse_asctime(std::string_view text) {
    date_reader reader(text);
    reader.one_of(short_days);
    reader.literal(" ");
    const unsigned month = reader.one_of(month_names);
    reader.literal(" ");
    const int day = reader.padded_day();
    reader.literal(" ");
    const seconds time = reader.time_of_day();
    reader.literal(" ");
    const int year = reader.number(4);
    return join(reader, year, month, day, time);
}

/// Whole seconds, saturated far above every clamp; nullopt unless all digits.
std::optional<milliseconds> parse_delay(std::string_view text) {
    if (text.empty()) return std::nullopt;
    constexpr std::int64_t plenty = 1'000'000;
    std::int64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        value = std::min(value * 10 + (c - '0'), plenty);
    }
    return milliseconds(value * 1000);
}

} // namespace

std::optional<wall_time> parse_http_date(std::string_view text, wall_time now) {
    text = net::trim_blanks(text);
    if (const auto date = parse_fixdate(text)) return date;
    if (const auto date = parse_rfc850(text, now)) return date;
    return parse_asctime(text);
}

std::optional<milliseconds> parse_retry_after(
    std::string_view text, std::optional<wall_time> reply_date, wall_time now, milliseconds longest) {
    text = net::trim_blanks(text);
    if (const auto delay = parse_delay(text)) return std::clamp(*delay, least_retry_after, longest);
    const auto date = parse_http_date(text, now);
    if (!date) return std::nullopt;
    return std::clamp(*date - reply_date.value_or(now), least_retry_after, longest);
}

} // namespace prooftrack::proof
