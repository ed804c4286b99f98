#include "track/decimal.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

namespace prooftrack::track {

namespace {

constexpr std::uint64_t unit = 1'000'000'000'000'000'000; // 10^18

/// nullopt unless `digits` is 1 to 18 digits.
std::optional<std::uint64_t> read_digits(std::string_view digits) {
    if (digits.empty() || digits.size() > max_decimal_digits) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : digits) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return value;
}

/// Adds below `unit`; true when a unit is carried.
bool add_below(std::uint64_t& to, std::uint64_t number) {
    to += number;
    const bool carry = to >= unit;
    if (carry) to -= unit;
    return carry;
}

/// Subtracts; true when a unit was borrowed.
bool subtract_below(std::uint64_t& from, std::uint64_t number) {
    const bool borrow = from < number;
    from = borrow ? from + (unit - number) : from - number;
    return borrow;
}

} // namespace

std::optional<decimal> decimal::parse(std::string_view text) {
    const std::size_t point = text.find('.');
    const auto whole = read_digits(text.substr(0, point));
    if (!whole) return std::nullopt;
    decimal number;
    number.whole_ = *whole;
    if (point == std::string_view::npos) return number;
    const std::string_view behind = text.substr(point + 1);
    const auto fraction = read_digits(behind);
    if (!fraction) return std::nullopt;
    number.fraction_ = *fraction;
    for (std::size_t i = behind.size(); i < max_decimal_digits; ++i) number.fraction_ *= 10;
    number.places_ = static_cast<std::uint8_t>(behind.size());
    return number;
}

std::strong_ordering decimal::operator<=>(const decimal& other) const {
    return std::tie(whole_, fraction_) <=> std::tie(other.whole_, other.fraction_);
}

void decimal_sum::add(const decimal& number) {
    decimal_sum one;
    one.whole_ = number.whole_;
    one.fraction_ = number.fraction_;
    one.places_ = number.places_;
    add(one);
}

void decimal_sum::add(const decimal_sum& other) {
    const std::uint64_t carry = add_below(fraction_, other.fraction_) ? 1 : 0;
    const bool high = add_below(whole_, other.whole_ + carry);
    high_ += other.high_ + (high ? 1 : 0);
    places_ = std::max(places_, other.places_);
}

std::string decimal_sum::str() const {
    std::string text = high_ == 0 ? fmt::format("{}", whole_) : fmt::format("{}{:018}", high_, whole_);
    if (places_ != 0) text += "." + fmt::format("{:018}", fraction_).substr(0, places_);
    return text;
}

bool decimal_sum::operator==(const decimal_sum& other) const {
    return high_ == other.high_ && whole_ == other.whole_ && fraction_ == other.fraction_;
}

bool decimal_sum::is_less(const decimal_sum& other) const {
    return std::tie(high_, whole_, fraction_) < std::tie(other.high_, other.whole_, other.fraction_);
}

std::string decimal_sum::difference(const decimal_sum& left, const decimal_sum& right) {
    const bool below = left.is_less(right);
    decimal_sum rest = below ? right : left;
    const decimal_sum& taken = below ? left : right;
    const std::uint64_t borrow = subtract_below(rest.fraction_, taken.fraction_) ? 1 : 0;
    const bool high = subtract_below(rest.whole_, taken.whole_ + borrow);
    rest.high_ -= taken.high_ + (high ? 1 : 0);
    rest.places_ = std::max(left.places_, right.places_);
    return (below ? "-" : "") + rest.str();
}

} // namespace prooftrack::track
