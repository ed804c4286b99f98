#include "store/foreseen_rows.hpp"

#include "store/postgres/dialect.hpp"
#include "store/stored_selects.hpp"

namespace prooftrack::store {

void foreseen_rows::read(db_connection& db, const std::vector<const row_wishes*>& wishes) {
    pg_array plain;
    pg_array whole;
    pg_array deliveries;
    for (const row_wishes* const each : wishes) {
        for (const auto& [id, is_whole] : each->transactions) (is_whole ? whole : plain).add(id.str());
        for (const delivery_id id : each->deliveries) deliveries.add(std::to_string(value_of(id)));
    }
    if (!plain.is_empty()) read_transactions(db, plain.text());
    if (!whole.is_empty()) read_whole_transactions(db, whole.text());
    if (!deliveries.is_empty()) read_deliveries(db, deliveries.text());
}

void foreseen_rows::read_transactions(db_connection& db, const std::string& ids) {
    static constexpr sql_literal all_of = select_stored_rows<R"sql(
        WHERE id = ANY (CAST(CAST(? AS TEXT) AS TEXT[]))
    )sql">;
    query row = db.prepared(all_of).select(ids);
    while (row.next()) transactions_.emplace(row.string(10), foreseen_transaction{{read_stored_row(row), {}}, false});
}

void foreseen_rows::read_whole_transactions(db_connection& db, const std::string& ids) {
    static constexpr sql_literal all_of = select_whole_rows<R"sql(
        WHERE id = ANY (CAST(CAST(? AS TEXT) AS TEXT[]))
    )sql">;
    query row = db.prepared(all_of).select(ids);
    while (row.next()) transactions_.insert_or_assign(row.string(14), foreseen_transaction{read_whole_row(row), true});
}

void foreseen_rows::read_deliveries(db_connection& db, const std::string& ids) {
    static constexpr sql_literal all_of = select_stored_deliveries<R"sql(
        WHERE id = ANY (CAST(CAST(? AS TEXT) AS BIGINT[]))
    )sql">;
    query row = db.prepared(all_of).select(ids);
    while (row.next()) {
        const delivery_id id{row.count(8)};
        deliveries_.emplace(id, read_stored_delivery(row, id));
    }
}

void foreseen_rows::forget() {
    transactions_.clear();
    deliveries_.clear();
}

std::optional<stored_row> foreseen_rows::take(const transaction_id& id) {
    auto found = transactions_.extract(id.str());
    if (found.empty()) return std::nullopt;
    return std::move(found.mapped().row.row);
}

std::optional<whole_row> foreseen_rows::take_whole(const transaction_id& id) {
    auto found = transactions_.extract(id.str());
    if (found.empty() || !found.mapped().is_whole) return std::nullopt;
    return std::move(found.mapped().row);
}

std::optional<stored_delivery> foreseen_rows::take(delivery_id id) {
    auto found = deliveries_.extract(id);
    if (found.empty()) return std::nullopt;
    return std::move(found.mapped());
}

void foreseen_rows::forget(const transaction_id& id) { transactions_.erase(id.str()); }

void foreseen_rows::forget_deliveries_of(std::int64_t transaction_row) {
    std::erase_if(
        deliveries_, [transaction_row](const auto& each) { return each.second.transaction_row == transaction_row; });
}

} // namespace prooftrack::store
