#pragma once

// Amounts of money as exact decimals: compared and added without a float. Pure.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace prooftrack::track {

/// Most digits before and behind the point of a decimal.
inline constexpr std::size_t max_decimal_digits = 18;

/// A number of at most 18 digits before the point and 18 behind it, never negative. Equal by value: 100 = 100.00.
class decimal {
  public:
    decimal() = default;
    /// Digits, and perhaps a point with digits behind it: no sign, space, exponent or separator. nullopt for anything
    /// else, and for more digits than allowed (zeros count as well).
    static std::optional<decimal> parse(std::string_view text);

    std::strong_ordering operator<=>(const decimal& other) const;
    bool operator==(const decimal& other) const { return whole_ == other.whole_ && fraction_ == other.fraction_; }

  private:
    friend class decimal_sum;
    std::uint64_t whole_ = 0;    ///< below 10^18
    std::uint64_t fraction_ = 0; ///< in units of 10^-18, below 10^18
    std::uint8_t places_ = 0;    ///< digits behind the point as written
};

/// The exact sum of up to 2^64 decimals.
class decimal_sum {
  public:
    void add(const decimal& number);
    void add(const decimal_sum& other);

    /// With as many digits behind the point as the most exact number that was added.
    std::string str() const;
    /// `left` - `right`, with a minus sign when that is below zero.
    static std::string difference(const decimal_sum& left, const decimal_sum& right);

    bool is_zero() const { return high_ == 0 && whole_ == 0 && fraction_ == 0; }
    bool operator==(const decimal_sum& other) const;

  private:
    bool is_less(const decimal_sum& other) const;
    std::uint64_t high_ = 0; ///< in units of 10^18
    std::uint64_t whole_ = 0;
    std::uint64_t fraction_ = 0;
    std::uint8_t places_ = 0;
};

} // namespace prooftrack::track
