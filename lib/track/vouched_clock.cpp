#include "track/vouched_clock.hpp"

namespace prooftrack {
namespace {

constexpr milliseconds half_of_a_second{500}; ///< a Date has whole seconds
constexpr int enough_claims = 3;              ///< one server of many may be wrong

bool is_close(milliseconds a, milliseconds b) {
    return a - b <= vouched_clock::tolerance && b - a <= vouched_clock::tolerance;
}

} // namespace

void vouched_clock::on_set(milliseconds by) {
    correction_ -= by;
    claims_ = 0;
    was_set_ = true;
}

vouched_clock::finding vouched_clock::on_date(wall_time date, wall_time wall) {
    const milliseconds lacks = date + half_of_a_second - wall;
    if (is_close(lacks, milliseconds(0))) {
        claims_ = 0;
        return follow(milliseconds(0), trust::agreed);
    }
    if (trust_ == trust::agreed) return {}; // what is known since then is better
    claims_ = claims_ > 0 && is_close(lacks, claimed_) ? claims_ + 1 : 1;
    if (claims_ == 1) claimed_ = lacks;
    if (claims_ < enough_claims) return {};
    if (trust_ == trust::disputed && is_close(claimed_, correction_)) return {};
    return follow(claimed_, trust::disputed);
}

vouched_clock::finding vouched_clock::on_no_date() {
    const bool is_news = trust_ == trust::none || was_set_;
    if (!is_news || trust_ == trust::disputed || claims_ > 0) return {};
    return follow(milliseconds(0), trust::agreed);
}

vouched_clock::finding vouched_clock::follow(milliseconds correction, trust level) {
    finding found{correction - correction_, level == trust::agreed && trust_ != trust::agreed};
    correction_ = correction;
    trust_ = level;
    was_set_ = false;
    return found;
}

} // namespace prooftrack
