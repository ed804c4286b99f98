#include "sim/band_promises.hpp"

namespace prooftrack::sim {
namespace {

/// After a disturbance polls are spread and speed up again.
constexpr seconds recovery{150};
/// A poll may wait for its turn at a second's grain of the engine's alarm.
constexpr milliseconds tolerance{1'500};
constexpr int settled_in = 3;

} // namespace

void band_promises::on_configured(const config::configuration& config) {
    longest_ = config.poll.interval.second;
    has_ceiling_ = config.poll.max_rate != 0;
    on_disturbance();
}

void band_promises::on_poll(const std::string& id, bool is_open) {
    asked_id& one = ids_[id];
    const steady_time now = clock_.now().steady;
    const auto last = std::exchange(one.last, now);
    if (!is_open) one.good_in_row = 0;
    if (!last || !is_open || has_ceiling_ || one.good_in_row < settled_in || *last < disturbed_until_ + recovery)
        return;
    if (was_disturbed_since && was_disturbed_since(*last - recovery)) return;
    ++checked_;
    const steady_duration gap = now - *last;
    if (gap <= longest_ + tolerance) return;
    broken_.add(
        "{} was asked after {} ms although nothing held it up", id,
        std::chrono::duration_cast<milliseconds>(gap).count());
}

} // namespace prooftrack::sim
