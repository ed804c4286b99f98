// The JSON of a reconciliation.

#include <fmt/format.h>

#include "base/json_string.hpp"
#include "track/reconcile_run.hpp"

namespace prooftrack::track {

namespace {

std::string json_string(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

std::string text_or_null(const std::optional<std::string>& text) { return text ? json_string(*text) : "null"; }

std::string text_or_null(const std::string& text) { return text.empty() ? "null" : json_string(text); }

std::string given_of(const kept_line* given) {
    if (given == nullptr) return "null";
    const char* credited = !given->credited ? "null" : *given->credited ? "true" : "false";
    return fmt::format(
        R"({{"status": {}, "fiat_amount": {}, "fiat_currency": {}, "credited": {}}})", text_or_null(given->status),
        text_or_null(given->fiat_amount), text_or_null(given->fiat_currency), credited);
}

std::string here_of(const known_transaction* known) {
    if (known == nullptr) return "null";
    return fmt::format(
        R"({{"state": {}, "status": {}, "fiat_amount": {}, "fiat_currency": {}, "tracked_at": {}, "settled_at": {}}})",
        json_string(to_string(known->state)), text_or_null(known->status), text_or_null(known->fiat_amount),
        text_or_null(known->fiat_currency), text_or_null(known->tracked_at), text_or_null(known->settled_at));
}

std::string total_of(const payment_total& total) {
    return fmt::format(
        R"({{"payments": {}, "fiat_amount": {}, "without_amount": {}}})", total.payments,
        json_string(total.amount.str()), total.without_amount);
}

std::string totals_of(const reconcile_totals& totals) {
    std::string out;
    for (const auto& [currency, both] : totals.by_currency()) {
        out += fmt::format(
            R"({}{{"fiat_currency": {}, "given": {}, "here": {}, "difference": {}}})", out.empty() ? "" : ", ",
            text_or_null(currency), total_of(both.given), total_of(both.here), text_or_null(both.difference()));
    }
    return out;
}

} // namespace

std::string render_difference(const found_difference& found) {
    const auto& [kind, at, given, known, may_be_hidden] = found;
    std::optional<known_facts> facts;
    if (known != nullptr) facts = known->facts(false);
    std::optional<merchant_belief> belief;
    if (given != nullptr) belief = given->belief();
    const std::string what_to_do = may_be_hidden
                                       ? std::string(advice_on_hidden)
                                       : advice_on(kind, belief ? &*belief : nullptr, facts ? &*facts : nullptr);
    return fmt::format(
        R"({{"class": {}, "merchant_transaction_id": {}, "line": {}, "given": {}, "here": {}, "what_to_do": {}}})",
        json_string(to_string(kind)), json_string(given != nullptr ? given->id : known->id),
        given != nullptr ? fmt::format("{}", given->line) : "null", given_of(given), here_of(known),
        json_string(what_to_do));
}

std::string render_unreadable(std::uint64_t line, std::string_view why) {
    return fmt::format(R"({{"line": {}, "error": {}}})", line, json_string(why));
}

std::string render_summary(const reconcile_summary& summary, const reconcile_period& period) {
    std::string classes;
    for (std::size_t i = 0; i < difference_count; ++i) {
        classes += fmt::format(
            "{}{}: {}", i == 0 ? "" : ", ", json_string(to_string(static_cast<difference>(i))),
            summary.differences.at(i));
    }
    return fmt::format(
        R"({{"summary": {{"given": {}, "here": {}, "agreed": {}, "differing": {}, "unreadable": {}, )"
        R"("differences": {{{}}}, "compared": {{"status": {}, "fiat_amount": {}, "credited": {}}}, )"
        R"("totals": [{}], "since": {}, "until": {}}}}})",
        summary.given, summary.here, summary.agreed, summary.differing(), summary.unreadable, classes,
        summary.with_status, summary.with_amount, summary.with_credited, totals_of(summary.totals),
        text_or_null(period.since), text_or_null(period.until));
}

} // namespace prooftrack::track
