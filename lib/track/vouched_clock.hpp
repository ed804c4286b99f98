#pragma once

// The time that deadlines hold by: the wall clock, corrected by what is known against it.

#include <cstdint>
#include <optional>

#include "base/time.hpp"

namespace prooftrack::track {

/// It goes on evenly when the wall clock is set, and follows the wall clock again once Proof's `Date` agrees with that.
/// While the `Date` contradicts a wall clock that it has never agreed with since the start, it is the later one of the
/// two: what is noted by it makes no transaction older.
class vouched_clock {
  public:
    static constexpr milliseconds tolerance{30'000};

    enum class trust : std::uint8_t {
        none,     ///< no `Date` yet: nothing is known about the wall clock
        disputed, ///< the `Date` says otherwise
        agreed,   ///< wall clock and `Date` agreed at some time since the start; from then on no step is missed
    };

    /// What a reply changed.
    struct finding {
        milliseconds moved{0};   ///< the vouched time was put forward by so much: what was noted by it has to be, too
        bool has_agreed = false; ///< `agreed` for the first time
    };

    trust level() const { return trust_; }
    wall_time at(wall_time wall) const { return wall + correction_; }
    /// The wall clock's time of a vouched one.
    wall_time wall_of(wall_time vouched) const { return vouched - correction_; }

    /// The earliest current time that agrees with all sources: ages noted before the start are at least as long.
    wall_time least(wall_time wall) const;

    /// The wall clock was set.
    void on_set(milliseconds by);
    /// A reply with a `Date`; `wall` is the wall clock's time.
    finding on_date(wall_time date, wall_time wall);
    /// A reply without. If none had one, there is nothing to hold against the wall clock, until one has.
    finding on_no_date();

  private:
    finding follow(milliseconds correction, trust level);

    milliseconds correction_{0};
    trust trust_ = trust::none;
    bool has_dates_ = false;
    bool is_agreed_by_date_ = false; ///< else a Date may still contradict
    milliseconds claimed_{0};        ///< what the last Dates say that the wall clock lacks
    int claims_ = 0;                 ///< so many in a row agree on that
    milliseconds accepted_{0};       ///< the same, when enough did; 0 unless `disputed`
};

} // namespace prooftrack::track
