#include "track/clock_skew.hpp"

namespace prooftrack::track {

std::optional<milliseconds> clock_skew::on_date(wall_time server_date, instant now) {
    constexpr milliseconds half_of_its_grain{500};
    latest_ = std::chrono::duration_cast<milliseconds>(server_date + half_of_its_grain - now.wall);
    const milliseconds distance = latest_ < milliseconds(0) ? -latest_ : latest_;
    if (distance <= tolerance) {
        off_since_.reset();
        is_reported_ = false;
        return std::nullopt;
    }
    if (!off_since_) off_since_ = now.steady;
    if (is_reported_ || now.steady - *off_since_ < patience) return std::nullopt;
    is_reported_ = true;
    return latest_;
}

} // namespace prooftrack::track
