#include "store/reconcile_ops.hpp"

#include "net/json.hpp"
#include "store/row_codec.hpp"

namespace prooftrack::store {
namespace {

std::optional<std::string> if_any(std::string text) {
    return text.empty() ? std::nullopt : std::optional(std::move(text));
}

std::optional<std::string> text_of(std::string_view json) {
    if (json == "null") return std::nullopt;
    auto text = net::decode_json_string(json);
    return if_any(text ? std::move(*text) : std::string(json));
}

/// From columns id, state, status, tracked_at, settled_at, body.
track::known_transaction read_known(const query& row) {
    track::known_transaction known;
    known.id = read_id(row, 0).str();
    known.state = read_tracking_state(row, 1);
    known.status = if_any(row.string(2));
    known.tracked_at = format_wall_time(row.time(3));
    if (const auto settled_at = row.optional_time(4)) known.settled_at = format_wall_time(*settled_at);
    read_amounts(row.text(5), known);
    return known;
}

class copy_source final : public track::reconcile_source {
  public:
    explicit copy_source(database& copy) : copy_(copy) {}

    void each_transaction(const std::function<void(const track::known_transaction&)>& visit) override {
        static constexpr sql_literal all = R"sql(
            SELECT id, state, status, tracked_at, settled_at, body
            FROM transactions
            LEFT JOIN proofs ON transaction_row = row
            ORDER BY row
        )sql";
        for (auto row = copy_.sql(all).stream(); row.next();) visit(read_known(row));
    }

    void each_owed(const std::function<void(std::string_view)>& visit) override {
        static constexpr sql_literal pending = R"sql(
            SELECT t.id
            FROM deliveries d
            CROSS JOIN transactions t ON t.row = d.transaction_row
            WHERE d.state = 0
        )sql";
        static constexpr sql_literal dead = R"sql(
            SELECT t.id
            FROM deliveries d
            CROSS JOIN transactions t ON t.row = d.transaction_row
            WHERE d.state = 2
        )sql";
        for (const sql_literal& owed : {pending, dead}) {
            for (auto row = copy_.sql(owed).stream(); row.next();) visit(read_id(row, 0).str());
        }
    }

    std::optional<track::known_transaction> find(const std::string& id) override {
        static constexpr sql_literal one = R"sql(
            SELECT id, state, status, tracked_at, settled_at, body
            FROM transactions
            LEFT JOIN proofs ON transaction_row = row
            WHERE id = ?
        )sql";
        auto row = select_by_id(copy_.sql(one), id);
        return row.next() ? std::optional(read_known(row)) : std::nullopt;
    }

    std::vector<std::string> former_statuses(const std::string& id) override {
        static constexpr sql_literal changes = R"sql(
            SELECT h.from_status, h.to_status
            FROM transactions t
            CROSS JOIN history h ON h.transaction_row = t.row
            WHERE t.id = ?
              AND h.from_state = 1
              AND h.to_state = 1
            ORDER BY h.number
        )sql";
        constexpr auto settled = track::tracking_state::settled;
        std::vector<std::string> words;
        for (auto row = select_by_id(copy_.sql(changes), id); row.next();) {
            if (track::takes_word_back(settled, row.text(0), settled, row.text(1))) words.push_back(row.string(0));
        }
        return words;
    }

  private:
    database& copy_;
};

} // namespace

void read_amounts(std::string_view proof, track::known_transaction& into) {
    if (proof.empty()) return;
    const net::json_limits as_proof_writes{
        .max_depth = 128, .allow_duplicate_keys = true, .allow_number_overflow = true};
    const auto members = net::top_level_members(proof, as_proof_writes);
    if (!members) return;
    for (const net::json_member& one : *members) {
        if (one.key == "fiat_amount") into.fiat_amount = text_of(one.value);
        if (one.key == "fiat_currency") into.fiat_currency = text_of(one.value);
    }
}

void write_reconciliation(database& copy, const track::reconcile_job& job, piece_writer& out) {
    copy_source source(copy);
    job(source, [&out](std::string_view line) {
        out.piece().append(line) += '\n';
        out.end_row();
    });
}

} // namespace prooftrack::store
