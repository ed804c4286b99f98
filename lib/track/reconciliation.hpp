#pragma once

// What the merchant's books say about a transaction against what is known here: the classes of differences, what to do
// about each, and totals by currency. Pure.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "track/decimal.hpp"
#include "track/types.hpp"

namespace prooftrack::track {

/// In the order in which they are tried: a transaction is reported once, in the first class that fits.
enum class difference : std::uint8_t {
    unknown_here,
    reversed_since,             ///< what the merchant believes was true until Proof took its word back
    status_differs,             ///< Proof's word is another
    amount_differs,             ///< another number or currency; 100 = 100.00
    credited_but_not_completed, ///< the customer was credited and Proof does not say `completed`
    completed_but_not_credited, ///< the customer paid and was not credited
    not_delivered,              ///< all agrees, but an event is pending or dead
    still_open,                 ///< all agrees, but no final word of Proof's is known
    here_but_not_given,
};
inline constexpr std::size_t difference_count = 9;

std::string_view to_string(difference kind);

/// One line of the merchant's list. What he does not say is not compared.
struct merchant_belief {
    std::optional<std::string_view> status;
    std::optional<std::string_view> fiat_amount; ///< a decimal that `decimal::parse` reads
    std::optional<std::string_view> fiat_currency;
    std::optional<bool> credited;
};

/// What is known here, as far as it is compared.
struct known_facts {
    tracking_state state = tracking_state::tracking;
    std::optional<std::string_view> status; ///< Proof's word; nullopt before the first good reply
    std::optional<std::string_view> fiat_amount;
    std::optional<std::string_view> fiat_currency;
    bool owed = false;                        ///< a delivery of it is pending or dead
    std::vector<std::string> former_statuses; ///< terminal words that Proof took back; needed only if the function
                                              ///< below asks for them
};

/// True when the answer of `compare` may depend on `former_statuses`.
bool needs_former_statuses(const merchant_belief& belief, const known_facts& known);

/// nullopt = nothing differs. Never `unknown_here` or `here_but_not_given`.
std::optional<difference> compare(const merchant_belief& belief, const known_facts& known);

/// What to do, as a few sentences for people: whatever the class, a credit that contradicts Proof's word is named, and
/// one that agrees with it is left as it is. `belief` is null for `here_but_not_given` alone, `known` for
/// `unknown_here` alone.
std::string advice_on(difference kind, const merchant_belief* belief, const known_facts* known);

/// True when the merchant counts the payment as received: `credited`, without it the status `completed`, without both
/// the mere line (a list of paid orders).
bool counts_as_received(const merchant_belief& belief);

/// Payments and their exact sum.
struct payment_total {
    std::uint64_t payments = 0;
    std::uint64_t without_amount = 0; ///< of these: no amount, or none that is a decimal
    decimal_sum amount;
};

struct currency_totals {
    payment_total given; ///< what the merchant counts as received
    payment_total here;  ///< what Proof says is `completed`

    /// `given` - `here`; nullopt when one side has payments and the amount of none is known.
    std::optional<std::string> difference() const;
};

/// Totals by currency, in upper case; "" = no currency is known. Amounts of what does not fit into the table are not
/// added up, only counted, in the currency `(other)`.
class reconcile_totals {
  public:
    static constexpr std::size_t max_currencies = 200;
    static constexpr std::size_t max_currency_length = 16;

    void add_given(std::string_view currency, std::optional<std::string_view> amount);
    void add_here(std::string_view currency, std::optional<std::string_view> amount);

    const std::map<std::string, currency_totals, std::less<>>& by_currency() const { return totals_; }

  private:
    currency_totals& place_of(std::string_view currency, bool& fits);
    void add(std::string_view currency, std::optional<std::string_view> amount, payment_total currency_totals::*side);
    std::map<std::string, currency_totals, std::less<>> totals_;
};

} // namespace prooftrack::track
