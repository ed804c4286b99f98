#include "prooftrackctl/views.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

std::string or_dash(std::string text) { return text.empty() ? "-" : printable(text); }

/// Without the `transaction.` that nearly all of them begin with.
std::string short_type(std::string type) {
    constexpr std::string_view common = "transaction.";
    if (type.starts_with(common)) type.erase(0, common.size());
    return type;
}

/// "3 in a row: 500 internal_error", or the last error alone.
std::string errors_text(const json_view& transaction) {
    const std::string last = printable(transaction["last_error"].text());
    const std::uint64_t row = transaction["consecutive_errors"].unsigned_integer().value_or(0);
    if (row == 0) return "";
    return last.empty() ? fmt::format("{} in a row", row) : fmt::format("{} in a row: {}", row, last);
}

/// `order=A-17 retry=2`: strings by their content, anything else as it is spelled.
std::string metadata_text(const json_view& metadata) {
    std::string out;
    for (const auto& [name, value] : metadata.members()) {
        const std::string shown = value.is_null() ? "null" : value.text();
        out += fmt::format("{}{}={}", out.empty() ? "" : " ", name, shown);
    }
    return printable(one_line(out));
}

/// A pending one without a time waits for something else: an earlier event, or its callback's recovery.
std::string next_attempt(const json_view& delivery, wall_time now) {
    const bool waits = delivery["state"].text() == "pending" && delivery["next_attempt_at"].text().empty();
    return waits ? "waits" : compact_time(delivery["next_attempt_at"].text(), now);
}

} // namespace

void field_list::add(std::string name, std::string value, paint how) {
    if (!value.empty()) fields_.push_back({std::move(name), std::move(value), how});
}

std::string field_list::format(const look& where) const {
    std::size_t widest = 0;
    for (const field& one : fields_) widest = std::max(widest, display_width(one.name));
    std::string out;
    for (const field& one : fields_) {
        out += fmt::format(
            "  {}{}  {}\n", painted(one.name, paint::dim, where), std::string(widest - display_width(one.name), ' '),
            painted(one.value, one.how, where));
    }
    return out;
}

std::string when_text(const json_view& time, wall_time now) {
    const std::string text = time.text();
    return text.empty() ? "" : fmt::format("{}  {}", relative_time(text, now), printable(text));
}

std::string format_transaction(const json_view& transaction, const look& where, wall_time now) {
    const std::string state = printable(transaction["state"].text());
    const std::string status = printable(transaction["status"].text());
    std::string out =
        fmt::format("{}\n", painted(printable(transaction["merchant_transaction_id"].text()), paint::bold, where));
    field_list fields;
    fields.add("state", state, state == "settled" ? paint_of(status) : paint_of(state));
    fields.add("status", status.empty() ? "none yet" : status, status.empty() ? paint::dim : paint_of(status));
    fields.add("tracked", when_text(transaction["tracked_at"], now));
    fields.add("settled", when_text(transaction["settled_at"], now));
    if (state == "tracking" || state == "not_found" || state == "rejected")
        fields.add("overdue", when_text(transaction["overdue_at"], now));
    fields.add("last poll", when_text(transaction["last_polled_at"], now));
    const std::string next = when_text(transaction["next_poll_at"], now);
    const std::string node = printable(transaction["node"].text());
    const bool ended = state == "settled" || state == "abandoned" || state == "untracked";
    const std::string none = node.empty() || ended ? "none planned" : fmt::format("planned by node {}", node);
    fields.add("next poll", next.empty() ? none : next);
    fields.add("node", node);
    fields.add("polls", grouped(transaction["polls"].unsigned_integer().value_or(0)));
    fields.add("errors", errors_text(transaction), paint::warn);
    fields.add("callback url", printable(transaction["callback_url"].text()));
    if (transaction["metadata"].raw() != "{}")
        fields.add("metadata", printable(one_line(transaction["metadata"].raw())));
    const json_view proof = transaction["proof"];
    fields.add("proof", proof.is_null() ? "" : printable(one_line(proof.raw())));
    return out + fields.format(where);
}

std::vector<column> transaction_columns() {
    return {{"ID", false, 16},    {"STATE"},
            {"STATUS", false, 8}, {"AGE", true},
            {"NEXT", true},       {"POLLS", true, 0, true},
            {"ERROR", false, 5},  {"METADATA", false, 8, false, 0, true}};
}

std::vector<cell> transaction_row(const json_view& transaction, const look&, wall_time now) {
    const std::string state = transaction["state"].text();
    const std::string status = transaction["status"].text();
    const bool has_errors = transaction["consecutive_errors"].unsigned_integer().value_or(0) > 0;
    return {
        {printable(transaction["merchant_transaction_id"].text())},
        {printable(state), state == "settled" ? paint_of(status) : paint_of(state)},
        {or_dash(status), status.empty() ? paint::dim : paint_of(status)},
        {compact_time(transaction["tracked_at"].text(), now)},
        {compact_time(transaction["next_poll_at"].text(), now)},
        {grouped(transaction["polls"].unsigned_integer().value_or(0))},
        {has_errors ? printable(transaction["last_error"].text()) : "", paint::warn},
        {metadata_text(transaction["metadata"]), paint::dim}};
}

std::vector<column> delivery_columns() {
    return {{"ID", true},       {"EVENT", false, 9},      {"TRANSACTION", false, 12}, {"CALLBACK", false, 8},
            {"STATE"},          {"TRIES", true, 0, true}, {"LAST", true, 0, true},    {"NEXT", true},
            {"ERROR", false, 8}};
}

std::vector<cell> delivery_row(const json_view& delivery, const look&, wall_time now) {
    const std::string type = short_type(delivery["event_type"].text());
    const std::string state = delivery["state"].text();
    return {
        {printable(delivery["id"].text())},
        {printable(type), paint_of(type)},
        {printable(delivery["merchant_transaction_id"].text())},
        {printable(delivery["callback"].text())},
        {printable(state), paint_of(state)},
        {grouped(delivery["attempts"].unsigned_integer().value_or(0))},
        {compact_time(delivery["last_attempt_at"].text(), now)},
        {next_attempt(delivery, now)},
        {printable(delivery["last_error"].text()), paint::warn}};
}

std::vector<column> event_columns() {
    return {
        {"SEQ", true, 0, false, 6},
        {"TIME"},
        {"EVENT", false, 0, false, 9},
        {"TRANSACTION", false, 16, false, 36},
        {"STATUS", false, 10}};
}

std::vector<cell> event_row(const json_view& event, const look& where, wall_time) {
    const json_view data = event["data"];
    const std::string type = short_type(event["type"].text());
    const std::string status = data["status"].text();
    const std::string previous = data["previous_status"].text();
    const bool narrow = where.width != 0 && where.width < 100;
    const bool changed = !previous.empty() && previous != status && !narrow;
    const std::string change = changed ? fmt::format("{} {} {}", previous, where.utf8 ? "→" : "->", status) : status;
    std::string time = printable(event["timestamp"].text());
    if (narrow && time.size() > 19) time = time.substr(11, 8);
    return {
        {printable(event["seq"].text())},
        {time, paint::dim},
        {printable(type), paint_of(type)},
        {printable(data["merchant_transaction_id"].text())},
        {or_dash(change), paint_of(status)}};
}

} // namespace prooftrack::ctl
