#pragma once

// The daemon's side of the bridge: where a named consumer stands, the events behind it, acknowledgements.

#include <cstdint>
#include <string>
#include <vector>

#include "prooftrackctl/bridge/message.hpp"
#include "prooftrackctl/command_context.hpp"

namespace prooftrack::ctl {

enum class source_result : std::uint8_t {
    done,
    away,      ///< the daemon cannot be reached, or not ready: `reason` says why, the same call may be made again
    other_log, ///< the log is another one (a restored backup): what was read before is of no use
};

/// Reads and acknowledges as one consumer. What no repetition mends is thrown as command_failure, with what to do.
class event_source {
  public:
    /// `context` must outlive it. `from_oldest`: a consumer that is made stands before the oldest event instead of
    /// behind the newest, and events that were pruned are passed over instead of ending the bridge.
    event_source(command_context& context, std::string consumer, bool from_oldest);

    /// Finds the consumer, or makes it. The first contact: a daemon that is away is thrown too.
    void begin();

    /// The events behind the last one read, at most `limit`; waits up to `wait` for one. May leave `page` empty.
    source_result read(std::vector<bridge_event>& page, std::size_t limit, milliseconds wait);

    /// Acknowledges all events up to `seq`, unless the log is another one by now.
    source_result acknowledge(std::uint64_t seq);

    const std::string& reason() const { return reason_; }
    std::uint64_t position() const { return cursor_; } ///< seq of the last event read

  private:
    source_result failed(const op_result<api_reply>& answer);
    source_result place();
    source_result make(bool at_oldest);
    source_result cursor_gone(const api_reply& reply);
    source_result read_page(const api_reply& reply, std::vector<bridge_event>& page);
    source_result look_at_log();
    bool is_same_log(const json_view& page);

    command_context& context_;
    std::string consumer_;
    bool from_oldest_;
    bool is_placed_ = false;
    bool is_other_log_ = false; ///< than at the start
    std::string log_id_;
    std::uint64_t cursor_ = 0;
    std::size_t most_events_; ///< asked for at once: fewer when a page of them is too large
    std::string reason_;
};

} // namespace prooftrack::ctl
