#include "api/export_form.hpp"

#include <array>
#include <vector>

#include "api/render.hpp"
#include "base/csv.hpp"
#include "net/json.hpp"
#include "track/types.hpp"

namespace prooftrack::api {
namespace {

using names = std::vector<std::string_view>;

const names transaction_columns{
    "merchant_transaction_id",
    "state",
    "status",
    "metadata",
    "callback_url",
    "tracked_at",
    "settled_at",
    "overdue_at",
    "last_polled_at",
    "next_poll_at",
    "polls",
    "consecutive_errors",
    "last_error"};
const names event_columns{"id", "seq", "type", "timestamp"};
const names event_data_columns{"merchant_transaction_id", "state", "status", "previous_status", "final", "metadata"};
const names delivery_columns{"id",         "event_id",    "event_type",      "merchant_transaction_id",
                             "callback",   "state",       "attempts",        "last_attempt_at",
                             "last_error", "last_status", "next_attempt_at", "note"};
/// Those of both generations of Proof's reply.
const names proof_columns{
    "merchant_transaction_id", "partner_user_id", "type",        "status",     "currency",  "network",
    "crypto_amount",           "fiat_currency",   "fiat_amount", "created_at", "updated_at"};

using members = std::vector<net::json_member>;

/// The bytes of the member; "" without it.
std::string_view find(const members& all, std::string_view name) {
    for (const net::json_member& each : all) {
        if (each.key == name) return each.value;
    }
    return {};
}

members members_of(std::string_view json) {
    if (!json.starts_with('{')) return {};
    auto found = net::top_level_members(json, {.allow_duplicate_keys = true});
    return found ? std::move(*found) : members();
}

/// Writes the cells of one line.
class line_writer {
  public:
    explicit line_writer(std::string& out) : out_(out) {}
    void cell(std::string_view text) {
        if (!is_first_) out_ += ',';
        is_first_ = false;
        append_csv_cell(out_, text);
    }
    void value(std::string_view json) {
        if (json.empty() || json == "null") return cell({});
        const auto text = net::decode_json_string(json);
        cell(text ? std::string_view(*text) : json);
    }
    void values(const members& all, const names& columns) {
        for (const std::string_view name : columns) value(find(all, name));
    }
    void end() { out_ += csv_line_end; }

  private:
    std::string& out_;
    bool is_first_ = true;
};

std::string header(const std::vector<const names*>& own, bool with_proof) {
    std::string line;
    line_writer writer(line);
    for (const names* columns : own) {
        for (const std::string_view name : *columns) writer.cell(name);
    }
    if (with_proof) {
        for (const std::string_view name : proof_columns) writer.cell("proof_" + std::string(name));
    }
    writer.end();
    return line;
}

/// A row of a list as its own JSON says it: what a member means stands in one place, where it is written.
void write_csv_transaction(std::string& out, const track::transaction_view& row) {
    const std::string json = render_transaction(row);
    line_writer writer(out);
    writer.values(members_of(json), transaction_columns);
    writer.values(members_of(row.proof), proof_columns);
    writer.end();
}

void write_csv_event(std::string& out, std::string_view row) {
    const members all = members_of(row);
    const members data = members_of(find(all, "data"));
    line_writer writer(out);
    writer.values(all, event_columns);
    writer.values(data, event_data_columns);
    writer.values(members_of(find(data, "proof")), proof_columns);
    writer.end();
}

void write_csv_delivery(std::string& out, const track::delivery_view& row) {
    const std::string json = render_delivery(row);
    line_writer writer(out);
    writer.values(members_of(json), delivery_columns);
    writer.end();
}

/// One line, whatever is in it: line ends between tokens become spaces, and inside a string there are none.
void append_line(std::string& out, std::string json) {
    for (char& c : json) {
        if (c == '\n' || c == '\r') c = ' ';
    }
    out += json;
    out += '\n';
}

} // namespace

std::string_view content_type_of(export_format format) {
    return format == export_format::csv ? "text/csv; charset=utf-8; header=present" : "application/x-ndjson";
}

track::export_query export_of(track::export_list list, export_format format) {
    track::export_query query;
    query.list = list;
    if (format == export_format::csv) {
        if (list == track::export_list::transactions) query.head = header({&transaction_columns}, true);
        if (list == track::export_list::events) query.head = header({&event_columns, &event_data_columns}, true);
        if (list == track::export_list::deliveries) query.head = header({&delivery_columns}, false);
        query.write_transaction = write_csv_transaction;
        query.write_event = write_csv_event;
        query.write_delivery = write_csv_delivery;
        return query;
    }
    query.write_transaction = [](std::string& out, const track::transaction_view& row) {
        append_line(out, render_transaction(row));
    };
    query.write_event = [](std::string& out, std::string_view row) { append_line(out, std::string(row)); };
    query.write_delivery = [](std::string& out, const track::delivery_view& row) {
        append_line(out, render_delivery(row));
    };
    return query;
}

} // namespace prooftrack::api
