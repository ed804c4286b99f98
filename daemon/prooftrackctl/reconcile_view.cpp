#include "prooftrackctl/reconcile_view.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "prooftrackctl/json_view.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

constexpr std::size_t rows_at_once = 500; // of a table: bounds its memory

void append_word(std::string& out, const std::string& word) {
    if (word.empty()) return;
    if (!out.empty()) out += ' ';
    out += word;
}

std::string money_of(const json_view& side) {
    std::string text = side["fiat_amount"].text();
    append_word(text, side["fiat_currency"].text());
    return text;
}

table difference_table() {
    return table(
        {{"LINE", true, 0, false, 7},
         {"ID", false, 8, false, 36},
         {"LIST", false, 10, false, 28},
         {"HERE", false, 10, false, 28}});
}

class difference_printer {
  public:
    explicit difference_printer(output& out) : out_(out), rows_(difference_table()) {}

    void begin(const std::string& what_to_do) {
        flush();
        rows_ = difference_table();
        out_.write(wrapped(what_to_do, out_.style().width, "  "));
    }

    void row(const shown_difference& one) {
        const auto text = [](const std::string& raw) { return raw.empty() ? std::string("-") : printable(raw); };
        rows_.add({{text(one.line)}, {text(one.id)}, {text(one.given)}, {text(one.here)}});
        if (++waiting_ == rows_at_once) flush();
    }

    void flush() {
        if (!rows_.empty()) out_.write(rows_.format(out_.style()));
        waiting_ = 0;
    }

  private:
    output& out_;
    table rows_;
    std::size_t waiting_ = 0;
};

void print_unreadable(output& out, difference_spool& found, const track::reconcile_summary& summary) {
    if (summary.unreadable == 0) return;
    out.line(
        painted(fmt::format("lines that cannot be read: {}", grouped(summary.unreadable)), paint::bold, out.style()));
    found.each_unreadable([&out](std::string_view line) {
        const json_view one = json_view::parse(line);
        out.line(fmt::format("  line {}: {}", one["line"].text(), printable(one["error"].text())));
    });
    out.line("");
}

std::string amount_text(const track::payment_total& total) {
    return fmt::format("{}{}", total.amount.str(), total.without_amount == 0 ? "" : "+");
}

void print_totals(output& out, const track::reconcile_totals& totals) {
    if (totals.by_currency().empty()) return;
    table rows(
        {{"CURRENCY"},
         {"IN THE LIST", true},
         {"PAYMENTS", true},
         {"HERE", true},
         {"PAYMENTS", true},
         {"DIFFERENCE", true}});
    bool incomplete = false;
    for (const auto& [currency, both] : totals.by_currency()) {
        const bool same = both.given.amount == both.here.amount;
        rows.add(
            {{currency.empty() ? "-" : printable(currency)},
             {amount_text(both.given)},
             {grouped(both.given.payments)},
             {amount_text(both.here)},
             {grouped(both.here.payments)},
             {both.difference().value_or("-"), same ? paint::plain : paint::bad}});
        incomplete = incomplete || both.given.without_amount != 0 || both.here.without_amount != 0;
    }
    out.write(rows.format(out.style()));
    if (incomplete) out.line("+ and payments whose amount is not known.");
    out.line("");
}

} // namespace

shown_difference shown_difference_of(std::string_view json) {
    shown_difference shown;
    json_view given;
    json_view here;
    for (const json_view::member& one : json_view::parse(json).members()) {
        if (one.name == "line") shown.line = one.value.text();
        if (one.name == "merchant_transaction_id") shown.id = one.value.text();
        if (one.name == "what_to_do") shown.what_to_do = one.value.text();
        if (one.name == "given") given = one.value;
        if (one.name == "here") here = one.value;
    }
    shown.given = given["status"].text();
    append_word(shown.given, money_of(given));
    if (const auto credited = given["credited"].boolean())
        append_word(shown.given, *credited ? "credited" : "not credited");
    shown.here = here["state"].text();
    append_word(shown.here, here["status"].text());
    append_word(shown.here, money_of(here));
    return shown;
}

void each_group(
    difference_spool& found, track::difference kind, const std::function<void(const std::string&)>& begin,
    const std::function<void(const shown_difference&)>& row) {
    std::vector<std::string> groups; // the few sentences of advice_on
    found.each(kind, [&groups](std::string_view line) {
        std::string what = json_view::parse(line)["what_to_do"].text();
        if (std::find(groups.begin(), groups.end(), what) == groups.end()) groups.push_back(std::move(what));
    });
    for (const std::string& group : groups) {
        begin(group);
        found.each(kind, [&](std::string_view line) {
            const shown_difference one = shown_difference_of(line);
            if (one.what_to_do == group) row(one);
        });
    }
}

std::string_view title_of(track::difference kind) {
    switch (kind) {
    case track::difference::unknown_here:
        return "In the list, not known here";
    case track::difference::reversed_since:
        return "Reversed by Proof since";
    case track::difference::status_differs:
        return "Another status";
    case track::difference::amount_differs:
        return "Another amount or currency";
    case track::difference::credited_but_not_completed:
        return "Credited, not completed";
    case track::difference::completed_but_not_credited:
        return "Completed, not credited";
    case track::difference::not_delivered:
        return "An event has not been delivered";
    case track::difference::still_open:
        return "Not ended yet";
    case track::difference::here_but_not_given:
        return "Known here, not in the list";
    }
    return "";
}

std::string counts_of(const track::reconcile_summary& summary) {
    std::string text = fmt::format(
        "{} in the list, {} looked at here: {} agree, {} differ", grouped(summary.given), grouped(summary.here),
        grouped(summary.agreed), grouped(summary.differing()));
    if (summary.unreadable != 0)
        text += fmt::format(
            ", {} {} cannot be read", grouped(summary.unreadable), summary.unreadable == 1 ? "line" : "lines");
    return text + '.';
}

std::string not_compared(const track::reconcile_summary& summary) {
    std::string missing;
    const auto add = [&missing](std::uint64_t lines, std::string_view column) {
        if (lines == 0) missing += fmt::format("{}{}", missing.empty() ? "" : ", ", column);
    };
    add(summary.with_status, track::status_column);
    add(summary.with_amount, track::amount_column);
    add(summary.with_credited, track::credited_column);
    if (missing.empty() || summary.given == 0) return {};
    return fmt::format("Not compared, as no line says it: {}.", missing);
}

void print_reconciliation(output& out, difference_spool& found, const track::reconcile_summary& summary) {
    for (std::size_t i = 0; i < track::difference_count; ++i) {
        const auto kind = static_cast<track::difference>(i);
        if (summary.differences.at(i) == 0) continue;
        out.line(painted(
            fmt::format("{} ({}): {}", title_of(kind), track::to_string(kind), grouped(summary.differences.at(i))),
            paint::bold, out.style()));
        difference_printer printer(out);
        each_group(
            found, kind, [&printer](const std::string& what_to_do) { printer.begin(what_to_do); },
            [&printer](const shown_difference& one) { printer.row(one); });
        printer.flush();
        out.line("");
    }
    print_unreadable(out, found, summary);
    print_totals(out, summary.totals);
    out.line(counts_of(summary));
    if (const std::string text = not_compared(summary); !text.empty()) out.line(text);
}

} // namespace prooftrack::ctl
