#include "track/outage_watch.hpp"

#include <array>

namespace prooftrack::track {
namespace {

/// A single error of the only transaction is no outage; a refusal is said on purpose.
constexpr std::size_t least_failures = 3;
/// Ids that come together are polled together: the first one's refusal waits for the others.
constexpr seconds newcomers_patience{2};
constexpr std::size_t enough = 20;
/// So many in a row leave no doubt before the band is over.
constexpr std::size_t overwhelming = 1'000;
constexpr seconds least_silence{1};
/// Beyond the band, in which every id is polled: for the round trips.
constexpr seconds round_trips{2};
constexpr std::uint32_t most_runs = (1U << outage_watch::run_bits) - 1;

} // namespace

bool outage_watch::on_answered(steady_time started) {
    if (!is_open() || started < first_started_) return false;
    close();
    return true;
}

void outage_watch::close() {
    run_ = run_ == most_runs ? 1 : run_ + 1;
    failures_ = 0;
    failed_answered_ = 0;
    failed_untried_ = 0;
    has_failed_beside_ = false;
}

void outage_watch::on_failed(
    standing before, bool is_in_cadence, bool is_denial, steady_time started, steady_time now) {
    if (!is_open()) {
        first_at_ = now;
        first_started_ = started;
    } else if (!is_in_cadence && before == standing::answered) { // no client can add one that was answered
        has_failed_beside_ = true;
    }
    ++failures_;
    is_denial_ = is_denial;
    if (before == standing::answered) ++failed_answered_;
    if (before == standing::untried) ++failed_untried_;
}

bool outage_watch::concerns_all(
    const candidates& left, std::pair<milliseconds, milliseconds> interval, steady_time now) const {
    if (!is_open() || (!is_denial_ && failures_ < least_failures)) return false;
    const steady_duration age = now - first_at_;
    const steady_duration band = interval.second + round_trips;
    if (left.answered + left.untried == 0) {
        if (left.others > 0 && !has_failed_beside_ && age < band) return false; // one of them is being polled
        return failed_answered_ > 0 || age >= newcomers_patience;
    }
    if (age < band) return failed_answered_ >= overwhelming && age >= least_silence;
    if (left.answered > 0) return failed_answered_ >= enough;
    return failed_answered_ + failed_untried_ >= enough || (failed_answered_ > 0 && age >= 2 * band);
}

std::optional<steady_time> outage_watch::next_look(
    std::pair<milliseconds, milliseconds> interval, steady_time now) const {
    if (!is_open()) return std::nullopt;
    const steady_duration band = interval.second + round_trips;
    const std::array<steady_duration, 4> times{least_silence, newcomers_patience, band, 2 * band};
    std::optional<steady_time> next;
    for (const steady_duration age : times) {
        const steady_time when = first_at_ + age;
        if (when > now && (!next || when < *next)) next = when;
    }
    return next;
}

} // namespace prooftrack::track
