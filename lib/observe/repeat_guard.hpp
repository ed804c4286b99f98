#pragma once

// Keeps a repeated line from drowning the others: a few a minute, then one summary. Pure: `now` is an argument.

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/time.hpp"
#include "observe/log.hpp"

namespace prooftrack::observe {

inline constexpr steady_duration repeat_window = std::chrono::minutes(1);
/// Most different lines that are distinguished at a time; all beyond it count as one for each event.
inline constexpr std::size_t max_repeat_keys = 1'024;

/// Lines that were not written.
struct suppressed_lines {
    log_event_id event = log_event_id::log_suppressed;
    std::string same; ///< the values that were the same, as `callback=shop error=…`
    std::uint64_t count = 0;
};

/// Counts lines for each event and key over windows of a minute that begin with the first line. A transaction's error
/// of a poll has one line in a window: it comes again with each poll.
class repeat_guard {
  public:
    /// Whether this line may be written; appends the summary of an earlier window that it ends.
    bool admits(
        log_event_id event, std::span<const log_field> fields, steady_time now,
        std::vector<suppressed_lines>& summaries);
    /// Appends the summaries of all windows that are over. Cheap when none is.
    void expire(steady_time now, std::vector<suppressed_lines>& summaries);
    /// Ends every window now.
    void end_all(std::vector<suppressed_lines>& summaries);

  private:
    struct window {
        log_event_id event;
        std::string same;
        steady_time begin = {};
        int written = 0;
        std::uint64_t suppressed = 0;
        std::vector<std::string> ids = {}; ///< transactions that have had their line; at most `lines_per_window`
    };
    std::unordered_map<std::string, window> windows_;
    steady_time next_expiry_ = steady_time::max();
};

} // namespace prooftrack::observe
