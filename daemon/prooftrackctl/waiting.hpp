#pragma once

// Waiting for a transaction's end, across restarts of the daemon.

#include <optional>
#include <string>

#include "prooftrackctl/commands.hpp"

namespace prooftrack::ctl {

/// How long a daemon that answered once may be away before a wait or a followed stream gives up.
inline constexpr milliseconds longest_absence{3'600'000};

/// Pauses between attempts to reach a daemon that is away: 100 ms doubling to 2 s, in all `longest_absence` at most.
class reconnect_pause {
  public:
    /// false when the daemon has been away for too long.
    bool may_go_on() const;
    /// The next pause; the first one starts the count of the absence.
    milliseconds next();
    /// The daemon answered.
    void reset();
    bool is_away() const { return away_since_.has_value(); }

  private:
    std::optional<steady_time> away_since_;
    milliseconds pause_{100};
};

/// Waits until the transaction has ended, prints it, gives its exit status (exit_status.hpp). The first contact must
/// succeed. `known` = the daemon has just answered about it.
int wait_for_end(command_context& context, const std::string& id, std::optional<milliseconds> timeout, bool known);

} // namespace prooftrack::ctl
