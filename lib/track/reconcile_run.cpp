#include "track/reconcile_run.hpp"

#include <numeric>

#include <fmt/format.h>

namespace prooftrack::track {

bool reconcile_period::contains(std::string_view tracked_at) const {
    // Times of one width and one zone: their order is that of their letters.
    return (since.empty() || tracked_at >= since) && (until.empty() || tracked_at < until);
}

std::uint64_t reconcile_summary::differing() const {
    return std::accumulate(differences.begin(), differences.end(), std::uint64_t{0});
}

reconciliation::reconciliation(reconcile_findings& found, reconcile_period period, std::size_t max_lines)
    : found_(found), period_(std::move(period)), table_(max_lines), unreadable_(max_lines) {}

std::string reconciliation::repetition(const merchant_line& line) const {
    const auto at = table_.find(line.id);
    if (!at || table_.line_of(*at) == line.line) return {};
    return fmt::format("{} stands in line {} already", line.id, table_.line_of(*at));
}

bool reconciliation::take(const merchant_line& line) {
    switch (table_.add(line)) {
    case merchant_table::outcome::repeated:
        return take_unreadable({line.line, repetition(line), {}, false});
    case merchant_table::outcome::full:
        return false;
    case merchant_table::outcome::added:
        break;
    }
    ++summary_.given;
    if (line.belief.status) ++summary_.with_status;
    if (line.belief.fiat_amount) ++summary_.with_amount;
    if (line.belief.credited) ++summary_.with_credited;
    return true;
}

bool reconciliation::take_unreadable(const unreadable_line& line) {
    for (const std::string_view id : line.ids) {
        if (unreadable_.add({line.line, id, {}}) == merchant_table::outcome::full) return false;
    }
    hides_ids_ = hides_ids_ || line.hides_ids;
    ++summary_.unreadable;
    found_.on_unreadable(line.line, line.why);
    return true;
}

void reconciliation::run(reconcile_source& source, const std::function<void(std::uint64_t)>& progress) {
    source.each_owed([this](std::string_view id) {
        if (const auto at = table_.find(id)) table_.mark_owed(*at);
    });
    std::uint64_t seen = 0;
    source.each_transaction([&](const known_transaction& known) {
        look_at(source, known);
        progress(++seen);
    });
    for (std::size_t at = 0; at < table_.size(); ++at) {
        if (table_.is_seen(at)) continue;
        // A list that takes a while may have missed one that was tracked meanwhile.
        if (const auto known = source.find(table_.line(at).id)) {
            judge(source, at, *known);
        } else {
            report_unknown(at);
        }
    }
}

void reconciliation::look_at(reconcile_source& source, const known_transaction& known) {
    if (const auto at = table_.find(known.id)) {
        if (!table_.is_seen(*at)) judge(source, *at, known);
        return;
    }
    if (!period_.contains(known.tracked_at)) return;
    ++summary_.here;
    if (known.status == "completed") summary_.totals.add_here(known.fiat_currency.value_or(""), known.fiat_amount);
    if (!is_not_given(known)) return;
    report({difference::here_but_not_given, std::nullopt, nullptr, &known, hides_ids_});
    count_day(known, true);
}

bool reconciliation::is_not_given(const known_transaction& known) const {
    // One that is named in a line that cannot be read is in the list, and may have been credited: its line is reported,
    // and nothing else is said.
    return period_.contains(known.tracked_at) && !table_.find(known.id) && !unreadable_.find(known.id);
}

void reconciliation::judge(reconcile_source& source, std::size_t at, const known_transaction& known) {
    table_.mark_seen(at);
    ++summary_.here;
    const kept_line given = table_.line(at);
    const merchant_belief belief = given.belief();
    known_facts facts = known.facts(table_.is_owed(at));
    if (needs_former_statuses(belief, facts)) facts.former_statuses = source.former_statuses(known.id);
    if (counts_as_received(belief)) {
        const auto& currency = given.fiat_currency ? given.fiat_currency : known.fiat_currency;
        summary_.totals.add_given(currency.value_or(""), given.fiat_amount);
    }
    if (known.status == "completed") summary_.totals.add_here(known.fiat_currency.value_or(""), known.fiat_amount);
    const auto kind = compare(belief, facts);
    if (kind) {
        report({*kind, at, &given, &known, false});
    } else {
        ++summary_.agreed;
    }
    count_day(known, kind.has_value());
}

void reconciliation::report_unknown(std::size_t at) {
    const kept_line given = table_.line(at);
    if (counts_as_received(given.belief()))
        summary_.totals.add_given(given.fiat_currency.value_or(""), given.fiat_amount);
    report({difference::unknown_here, at, &given, nullptr, false});
}

void reconciliation::report(const found_difference& found) {
    ++summary_.differences.at(static_cast<std::size_t>(found.kind));
    found_.on_difference(found);
}

void reconciliation::count_day(const known_transaction& known, bool differs) {
    const std::string date = known.tracked_at.substr(0, 10);
    if (summary_.days.size() >= reconcile_summary::max_days && summary_.days.count(date) == 0) return;
    reconciled_day& day = summary_.days[date];
    ++(differs ? day.differing : day.agreed);
}

} // namespace prooftrack::track
