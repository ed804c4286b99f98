#pragma once

// What follows when a callback turns failing and when it recovers: the log says so, and the store remembers it.

#include <cstdint>
#include <optional>
#include <variant>

#include "engine/delivery/delivery_context.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

/// How often a failing callback is logged.
inline constexpr std::chrono::hours failing_log_interval{1};

/// Several nodes share the one stored mark of a lane, while each judges by its own attempts and reads the mark only
/// when the lane comes into its memory. One that is another's, or is missing, holds nothing for good: at most the first
/// attempt after that comes one probe interval later, or too soon, and what waits on another node is retried at once.
class failing_callbacks {
  public:
    /// Both must outlive it.
    failing_callbacks(delivery_context& context, delivery_host& host) : context_(context), host_(host) {}

    /// The lane takes the failing mark of the last run, unless it has a newer one.
    void take_over(delivery_slot& slot, const store::lane_summary& summary, instant now);
    void on_health(delivery_slot& slot, track::delivery_health::change change, instant now);
    /// The disk has space again: writes that were refused are repeated.
    void save_refused();
    void log_if_due(delivery_slot& slot, instant now);

    /// When the failing lane has to be checked again.
    std::optional<steady_time> next_log(const delivery_slot& slot) const;
    /// A failing host is remembered for a while: its next event must not count as the first of a healthy one.
    bool is_remembered(const delivery_slot& slot, steady_time now) const;
    /// The lane is removed: the store forgets that it fails.
    void forget(const delivery_slot& slot);

  private:
    void save(delivery_slot& slot);
    void save_recovery(delivery_slot& slot);
    void on_saved(track::lane_number lane, const op_result<std::monostate>& saved);
    void on_recovery_saved(track::lane_number lane, const op_result<std::uint64_t>& freed);
    void end_write(delivery_slot& slot, const std::optional<op_error>& error, instant now);
    track::mark_result result_of(const op_error& error, instant now);

    delivery_context& context_;
    delivery_host& host_;
};

} // namespace prooftrack::engine
