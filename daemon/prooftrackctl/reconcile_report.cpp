#include "prooftrackctl/reconcile_report.hpp"

#include <fmt/format.h>

#include "prooftrackctl/json_view.hpp"
#include "prooftrackctl/reconcile_view.hpp"
#include "prooftrackctl/report_picture.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

constexpr std::string_view head = R"html(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Reconciliation</title>
<style>
body { font: 14px/1.45 system-ui, sans-serif; color: #1b1f24; background: #fff; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; }
p { margin: .4rem 0; } .verdict { font-weight: 600; border-left: .4rem solid; padding: .4rem .8rem; margin: 1rem 0; }
.clean { border-color: #1a7f4b; } .unclean { border-color: #b3420a; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th, td { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid #d5d9de; vertical-align: top; }
td { overflow-wrap: anywhere; } .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.id, .digest { font-family: ui-monospace, monospace; font-size: .85em; overflow-wrap: anywhere; }
code { font-size: .9em; } svg { width: 100%; height: auto; } .axis line { stroke: #d5d9de; }
svg text { font-size: 10px; fill: #1b1f24; } text.value { text-anchor: end; }
.agreed { fill: #5b7fa6; } .differing { fill: #d9590b; stroke: #7a2f00; stroke-width: .5; }
.key { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 1em; } .key.agreed { background: #5b7fa6; }
.key.differing { background: #d9590b; }
@page { margin: 15mm; }
@media print {
  body { max-width: none; margin: 0; padding: 0; font-size: 10pt; } h2 { break-after: avoid; }
  thead { display: table-header-group; } tr, svg { break-inside: avoid; }
  .agreed, .differing, .key { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
</style>
</head>
<body>
)html";

using writer = std::function<void(std::string_view)>;

/// Writes at most so many rows, and counts the rest.
class row_budget {
  public:
    explicit row_budget(std::uint64_t most) : left_(most) {}
    bool take() {
        if (left_ == 0) {
            ++left_out_;
            return false;
        }
        --left_;
        return true;
    }
    std::uint64_t left_out() const { return left_out_; }

  private:
    std::uint64_t left_;
    std::uint64_t left_out_ = 0;
};

/// "`words`" of a sentence of ours as code.
std::string with_code(std::string_view sentence) {
    std::string out;
    bool code = false;
    for (std::size_t end = sentence.find('`'); end != std::string_view::npos; end = sentence.find('`')) {
        out += html_text(sentence.substr(0, end)) + (code ? "</code>" : "<code>");
        code = !code;
        sentence.remove_prefix(end + 1);
    }
    return out + html_text(sentence) + (code ? "</code>" : "");
}

std::string period_text(const track::reconcile_period& period) {
    if (period.since.empty() && period.until.empty()) return "all that is kept";
    std::string text = period.since.empty() ? "" : "from " + period.since;
    if (!period.until.empty()) text += (text.empty() ? "before " : " to before ") + period.until;
    return "tracked " + text;
}

void write_about(const writer& write, const track::reconcile_summary& summary, const report_facts& facts) {
    write(fmt::format(
        "<h1>Reconciliation</h1>\n<p>List: {}, SHA-256 <span class=\"digest\">{}</span><br>\n"
        "Compared with the transactions here, {}. Made {}.</p>\n",
        html_text(facts.list_name), html_text(facts.list_sha256), html_text(period_text(facts.period)),
        format_wall_time(facts.made)));
    write(fmt::format(
        "<p class=\"verdict {}\">{} {}</p>\n", summary.is_clean() ? "clean" : "unclean",
        summary.is_clean() ? "Nothing differs." : "There are differences.", html_text(counts_of(summary))));
    if (const std::string text = not_compared(summary); !text.empty())
        write(fmt::format("<p>{}</p>\n", html_text(text)));
}

std::string amount_cell(const track::payment_total& total) {
    std::string text = html_text(total.amount.str());
    if (total.without_amount != 0) text += fmt::format(" + {} without an amount", grouped(total.without_amount));
    return fmt::format("<td class=\"number\">{}</td><td class=\"number\">{}</td>", text, grouped(total.payments));
}

void write_totals(const writer& write, const track::reconcile_totals& totals) {
    write("<h2>Totals by currency</h2>\n");
    if (totals.by_currency().empty()) {
        write("<p>No payments, neither in the list nor here.</p>\n");
        return;
    }
    write("<table class=\"totals\"><thead><tr><th>Currency</th><th class=\"number\">Received, by the list</th>"
          "<th class=\"number\">Payments</th><th class=\"number\">Completed here</th><th class=\"number\">Payments</th>"
          "<th class=\"number\">Difference</th></tr></thead>\n<tbody>\n");
    for (const auto& [currency, both] : totals.by_currency()) {
        write(fmt::format(
            "<tr><td>{}</td>{}{}<td class=\"number\">{}</td></tr>\n",
            currency.empty() ? "not known" : html_text(currency), amount_cell(both.given), amount_cell(both.here),
            both.difference().value_or("-")));
    }
    write("</tbody></table>\n");
}

void write_classes(const writer& write, const track::reconcile_summary& summary) {
    write("<h2>Differences</h2>\n<table class=\"classes\"><thead><tr><th>Class</th><th></th>"
          "<th class=\"number\">Transactions</th></tr></thead>\n<tbody>\n");
    for (std::size_t i = 0; i < track::difference_count; ++i) {
        const auto kind = static_cast<track::difference>(i);
        write(fmt::format(
            "<tr><td><code>{}</code></td><td>{}</td><td class=\"number\">{}</td></tr>\n", track::to_string(kind),
            html_text(title_of(kind)), grouped(summary.differences.at(i))));
    }
    write(fmt::format(
        "<tr><td></td><td>Lines that cannot be read</td><td class=\"number\">{}</td></tr>\n</tbody></table>\n",
        grouped(summary.unreadable)));
}

std::string cell_text(const std::string& text) { return text.empty() ? "-" : html_text(text); }

void write_class(const writer& write, difference_spool& found, track::difference kind, row_budget& budget) {
    bool open = false;
    const auto close = [&] {
        if (open) write("</tbody></table>\n");
        open = false;
    };
    const auto begin = [&](const std::string& what_to_do) {
        close();
        write(fmt::format("<p>{}</p>\n", with_code(what_to_do)));
        write("<table class=\"differences\"><thead><tr><th class=\"number\">Line</th><th>Id</th><th>In the list</th>"
              "<th>Here</th></tr></thead>\n<tbody>\n");
        open = true;
    };
    each_group(found, kind, begin, [&](const shown_difference& one) {
        if (!budget.take()) return;
        write(fmt::format(
            "<tr><td class=\"number\">{}</td><td class=\"id\">{}</td><td>{}</td><td>{}</td></tr>\n",
            cell_text(one.line), cell_text(one.id), cell_text(one.given), cell_text(one.here)));
    });
    close();
}

void write_unreadable(const writer& write, difference_spool& found, row_budget& budget) {
    write("<h2>Lines that cannot be read</h2>\n<table class=\"unreadable\"><thead><tr><th class=\"number\">Line</th>"
          "<th>Why</th></tr></thead>\n<tbody>\n");
    found.each_unreadable([&](std::string_view line) {
        if (!budget.take()) return;
        const json_view one = json_view::parse(line);
        write(fmt::format(
            "<tr><td class=\"number\">{}</td><td>{}</td></tr>\n", html_text(one["line"].text()),
            html_text(one["error"].text())));
    });
    write("</tbody></table>\n");
}

void write_picture(const writer& write, const track::reconcile_summary& summary) {
    const std::string picture = draw_bars(bars_of(summary.days));
    if (picture.empty()) return;
    write("<h2>Transactions by day of tracking</h2>\n<p><span class=\"key agreed\"></span>agree"
          "<span class=\"key differing\"></span>differ</p>\n");
    write(picture);
}

} // namespace

std::string html_text(std::string_view text) {
    std::string out;
    for (const char c : printable(text)) {
        switch (c) {
        case '&':
            out += "&amp;";
            break;
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '"':
            out += "&quot;";
            break;
        case '\'':
            out += "&#39;";
            break;
        default:
            out += c;
        }
    }
    return out;
}

void write_report(
    const writer& write, difference_spool& found, const track::reconcile_summary& summary, const report_facts& facts) {
    write(head);
    write_about(write, summary, facts);
    write_totals(write, summary.totals);
    write_picture(write, summary);
    write_classes(write, summary);
    row_budget budget(facts.max_rows);
    for (std::size_t i = 0; i < track::difference_count; ++i) {
        const auto kind = static_cast<track::difference>(i);
        if (summary.differences.at(i) == 0) continue;
        write(fmt::format("<h2>{}: {}</h2>\n", html_text(title_of(kind)), grouped(summary.differences.at(i))));
        write_class(write, found, kind, budget);
    }
    if (summary.unreadable != 0) write_unreadable(write, found, budget);
    if (budget.left_out() != 0)
        write(fmt::format(
            "<p class=\"verdict unclean\">{} more rows are not on this page: <code>prooftrackctl --json "
            "reconcile</code> "
            "gives them all.</p>\n",
            grouped(budget.left_out())));
    write("</body>\n</html>\n");
}

} // namespace prooftrack::ctl
