#include "track/vouched_clock.hpp"

#include <algorithm>

namespace prooftrack::track {
namespace {

constexpr milliseconds half_of_a_second{500}; ///< a Date has whole seconds
constexpr int enough_claims = 3;              ///< one server of many may be wrong

bool is_close(milliseconds a, milliseconds b) {
    return a - b <= vouched_clock::tolerance && b - a <= vouched_clock::tolerance;
}

} // namespace

wall_time vouched_clock::least(wall_time wall) const {
    return wall + std::min({correction_, accepted_, milliseconds(0)});
}

void vouched_clock::on_set(milliseconds by) {
    correction_ -= by;
    if (trust_ == trust::disputed) accepted_ -= by;
    claims_ = 0;
}

vouched_clock::finding vouched_clock::on_date(wall_time date, wall_time wall) {
    has_dates_ = true;
    const milliseconds lacks = date + half_of_a_second - wall;
    if (is_close(lacks, milliseconds(0))) {
        claims_ = 0;
        is_agreed_by_date_ = true;
        return follow(milliseconds(0), trust::agreed);
    }
    if (trust_ == trust::agreed && is_agreed_by_date_) return {}; // what is known since then is better
    claims_ = claims_ > 0 && is_close(lacks, claimed_) ? claims_ + 1 : 1;
    if (claims_ == 1) claimed_ = lacks;
    if (claims_ < enough_claims) return {};
    accepted_ = claimed_;
    const milliseconds later = std::max(claimed_, milliseconds(0));
    if (trust_ == trust::disputed && is_close(later, correction_)) return {};
    return follow(later, trust::disputed);
}

vouched_clock::finding vouched_clock::on_no_date() {
    if (has_dates_) return {};
    return follow(milliseconds(0), trust::agreed);
}

vouched_clock::finding vouched_clock::follow(milliseconds correction, trust level) {
    finding found{correction - correction_, level == trust::agreed && trust_ != trust::agreed};
    correction_ = correction;
    if (level == trust::agreed) accepted_ = milliseconds(0);
    trust_ = level;
    return found;
}

} // namespace prooftrack::track
