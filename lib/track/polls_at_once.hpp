#pragma once

// How many polls have to be in flight at once so that each starts when it is due. Pure.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/time.hpp"

namespace prooftrack::track {

/// The wanted rate times the time a reply takes (Little's law) is in flight on average; chance needs room above that:
/// twice its square root keeps the share of polls that find no free place below a few percent. It rises at once and
/// falls only after a minute in which less would have done, since a connection costs a handshake. A server that is
/// short of CPU replies later, and later still with more connections: what counts is at most twice its quick replies,
/// and its mean only while polls are late. A machine that opens many connections is for seconds short of CPU itself,
/// and all replies look slow: the quick ones become at most about a tenth slower in a second.
class polls_at_once {
  public:
    /// Assumed until the first reply came.
    static constexpr milliseconds first_guess{100};
    static constexpr seconds patience{60};
    static constexpr std::size_t room = 8; ///< above what is computed, for ids that fall due together; so the least

    /// A reply came now, `took` after its request. Silence is not a reply: what times out says nothing of Proof's pace.
    void add(steady_duration took, steady_time now);

    /// `polls_per_second` is the wanted rate, at least 0; `is_late` says that polls start later than they are due.
    std::size_t needed(double polls_per_second, bool is_late, steady_time now);

    /// Mean over about the last 64 replies.
    steady_duration reply_time() const { return steady_duration(static_cast<std::int64_t>(mean_ns_)); }
    /// Where the quick replies lie: drawn to quicker ones twenty times as strongly as to slower ones. Of replies that
    /// take 30 to 130 ms, evenly, it is 48 ms.
    steady_duration quick_reply_time() const { return steady_duration(static_cast<std::int64_t>(quick_ns_)); }

  private:
    double mean_ns_ = static_cast<double>(steady_duration(first_guess).count());
    double quick_ns_ = mean_ns_;
    double rise_left_ns_ = 0; ///< so much may be added to the quick reply time now
    steady_time last_reply_{};
    bool has_reply_ = false;
    std::size_t needed_ = 0;
    std::size_t highest_below_ = 0; ///< of what was computed since `less_since_`
    steady_time less_since_ = steady_time::max();
};

/// What keeps polls from starting when they are due.
enum class capacity_limit : std::uint8_t { store, max_rate, connections, machine };
/// "store", "poll.max_rate", "proof.connections", "cpu".
std::string_view to_string(capacity_limit limit);

struct capacity_facts {
    bool awaits_store = false;  ///< changes wait for the store in numbers
    bool is_at_ceiling = false; ///< poll.max_rate is below the wanted rate
    std::size_t in_flight = 0;
};

/// `possible` is how many polls the client can have in flight. When none of the others is exhausted, it is the loop
/// that does not start them in time.
capacity_limit what_limits(const capacity_facts& facts, std::size_t possible);

} // namespace prooftrack::track
