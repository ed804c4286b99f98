#include "track/reconciliation.hpp"

#include <algorithm>

namespace prooftrack::track {

namespace {

constexpr std::string_view completed = "completed";

bool is_completed(const known_facts& known) { return known.status == completed; }

bool status_contradicts(const merchant_belief& belief, const known_facts& known) {
    return belief.status && belief.status != known.status;
}

bool credit_contradicts(const merchant_belief& belief, const known_facts& known) {
    return belief.credited && *belief.credited != is_completed(known);
}

/// Something that is wrong now was right while Proof said `former`.
bool was_right(const merchant_belief& belief, const known_facts& known, std::string_view former) {
    if (status_contradicts(belief, known) && belief.status == former) return true;
    return credit_contradicts(belief, known) && *belief.credited == (former == completed);
}

std::string upper_case(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return out;
}

bool amounts_differ(const merchant_belief& belief, const known_facts& known) {
    // Proof may leave amounts out until the payment is completed, and for good when it never is.
    const bool paid = known.state == tracking_state::settled && is_completed(known);
    if (belief.fiat_amount && (known.fiat_amount || paid)) {
        const auto given = decimal::parse(*belief.fiat_amount);
        const auto here = decimal::parse(known.fiat_amount.value_or(""));
        if (!given || !here || *given != *here) return true;
    }
    if (!belief.fiat_currency || (!known.fiat_currency && !paid)) return false;
    return !known.fiat_currency || upper_case(*belief.fiat_currency) != upper_case(*known.fiat_currency);
}

std::string_view advice_on_open(const known_facts& known) {
    if (known.state == tracking_state::abandoned || known.state == tracking_state::untracked)
        return "Its tracking ended before the payment did. Take it up again with `prooftrackctl track`, or ask Proof.";
    if (known.state == tracking_state::not_found || known.state == tracking_state::rejected)
        return "Proof does not know this id. Check where it came from: `prooftrackctl explain` shows Proof's answer.";
    return "Not ended yet. Wait for its end, or have Proof asked now: `prooftrackctl poll`.";
}

std::string_view advice_on_not_given(const known_facts& known) {
    if (is_completed(known))
        return "A completed payment that the list does not have: find its order and credit it, once.";
    if (known.state == tracking_state::settled)
        return "Nothing was paid. Add it to the list, or leave it out knowingly.";
    return "Not ended yet, and the list does not have it. Find its order; `prooftrackctl explain` shows what is known.";
}

} // namespace

std::string_view to_string(difference kind) {
    constexpr std::array<std::string_view, difference_count> names{
        "unknown_here",
        "reversed_since",
        "status_differs",
        "amount_differs",
        "credited_but_not_completed",
        "completed_but_not_credited",
        "not_delivered",
        "still_open",
        "here_but_not_given"};
    return names.at(static_cast<std::size_t>(kind));
}

bool needs_former_statuses(const merchant_belief& belief, const known_facts& known) {
    return known.state == tracking_state::settled &&
           (status_contradicts(belief, known) || credit_contradicts(belief, known));
}

std::optional<difference> compare(const merchant_belief& belief, const known_facts& known) {
    if (needs_former_statuses(belief, known)) {
        const auto& words = known.former_statuses;
        const auto fits = [&](const std::string& former) { return was_right(belief, known, former); };
        if (std::any_of(words.begin(), words.end(), fits)) return difference::reversed_since;
    }
    if (status_contradicts(belief, known)) return difference::status_differs;
    if (amounts_differ(belief, known)) return difference::amount_differs;
    if (credit_contradicts(belief, known))
        return *belief.credited ? difference::credited_but_not_completed : difference::completed_but_not_credited;
    if (known.owed) return difference::not_delivered;
    if (known.state != tracking_state::settled) return difference::still_open;
    return std::nullopt;
}

namespace {

std::string_view advice_on_credit(bool credited, const known_facts& known) {
    if (!credited)
        return "Paid and not credited: credit it, once. `prooftrackctl explain` shows whether its event arrived.";
    return known.state == tracking_state::settled ? "Credited without a completed payment: take the credit back."
                                                  : "Credited before the payment was completed: hold it back until "
                                                    "then.";
}

std::string advice_on_reversal(const merchant_belief& belief, const known_facts& known) {
    if (!belief.credited)
        return is_completed(known) ? "Proof completed it after all: credit it, once."
                                   : "Proof took its word back: take the credit back, and correct the list.";
    std::string advice = is_completed(known) ? "Proof completed it after all" : "Proof took its word back";
    return advice += status_contradicts(belief, known) ? ": correct the list." : ".";
}

std::string advice_on_class(difference kind, const merchant_belief& belief, const known_facts& here) {
    switch (kind) {
    case difference::unknown_here:
        return "Check the id. If Proof gave it to you, track it: `prooftrackctl track`.";
    case difference::reversed_since:
        return advice_on_reversal(belief, here);
    case difference::status_differs:
        return here.state == tracking_state::settled ? "Correct the list: Proof's word is final. `prooftrackctl "
                                                       "explain` shows when it came and who was told."
                                                     : std::string(advice_on_open(here));
    case difference::amount_differs:
        return "Find out which amount is right before anything is credited: `prooftrackctl explain` shows Proof's "
               "reply.";
    case difference::credited_but_not_completed:
        return std::string(advice_on_credit(true, here));
    case difference::completed_but_not_credited:
        return std::string(advice_on_credit(false, here));
    case difference::not_delivered:
        return "An event about it has not arrived. `prooftrackctl explain` says why, `prooftrackctl redeliver` sends "
               "it.";
    case difference::still_open:
        return std::string(advice_on_open(here));
    case difference::here_but_not_given:
        return std::string(advice_on_not_given(here));
    }
    return "";
}

} // namespace

std::string advice_on(difference kind, const merchant_belief* belief, const known_facts* known) {
    const merchant_belief given = belief == nullptr ? merchant_belief{} : *belief;
    const known_facts here = known == nullptr ? known_facts{} : *known;
    std::string advice = advice_on_class(kind, given, here);
    const bool names_no_credit = kind == difference::reversed_since || kind == difference::status_differs ||
                                 (kind == difference::amount_differs && given.credited == true);
    if (names_no_credit && credit_contradicts(given, here))
        advice.append(" ").append(advice_on_credit(*given.credited, here));
    return advice;
}

bool counts_as_received(const merchant_belief& belief) {
    if (belief.credited) return *belief.credited;
    return !belief.status || *belief.status == completed;
}

std::optional<std::string> currency_totals::difference() const {
    const auto says_nothing = [](const payment_total& total) {
        return total.payments != 0 && total.without_amount == total.payments;
    };
    if (says_nothing(given) || says_nothing(here)) return std::nullopt;
    return decimal_sum::difference(given.amount, here.amount);
}

currency_totals& reconcile_totals::place_of(std::string_view currency, bool& fits) {
    const bool long_name = currency.size() > max_currency_length;
    const std::string name = long_name ? std::string() : upper_case(currency);
    const auto found = long_name ? totals_.end() : totals_.find(name);
    if (found != totals_.end()) return found->second;
    fits = !long_name && totals_.size() < max_currencies;
    return totals_[fits ? name : "(other)"];
}

void reconcile_totals::add(
    std::string_view currency, std::optional<std::string_view> amount, payment_total currency_totals::*side) {
    bool fits = true;
    payment_total& total = place_of(currency, fits).*side;
    ++total.payments;
    const auto number = fits && amount ? decimal::parse(*amount) : std::nullopt;
    if (number) {
        total.amount.add(*number);
    } else {
        ++total.without_amount;
    }
}

void reconcile_totals::add_given(std::string_view currency, std::optional<std::string_view> amount) {
    add(currency, amount, &currency_totals::given);
}

void reconcile_totals::add_here(std::string_view currency, std::optional<std::string_view> amount) {
    add(currency, amount, &currency_totals::here);
}

} // namespace prooftrack::track
