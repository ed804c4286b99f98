#include "store/mail.hpp"

#include <algorithm>

namespace prooftrack::store {
namespace {

constexpr std::size_t most_told = 16;

constexpr std::int64_t between_prunes = 500; ///< of new ones; each time fewer than twice as many go

void prune_mail(db_connection& db) {
    static constexpr sql_literal remove_old = R"sql(
        DELETE FROM mail
        WHERE no IN (
            SELECT no
            FROM mail
            WHERE at < clock_timestamp() - INTERVAL '10 minutes'
            ORDER BY at
            LIMIT ?
        )
    )sql";
    db.prepared(remove_old).execute(2 * between_prunes);
}

} // namespace

void outgoing_mail::flush(db_connection& db, totals& numbers) {
    if (told_.size() > most_told) told_.erase(told_.begin(), told_.end() - most_told);
    committed_ = told_.size(); // else they were forgotten
    std::sort(notes_.begin(), notes_.end());
    notes_.erase(std::unique(notes_.begin(), notes_.end()), notes_.end());
    bool is_pruned = false;
    for (const auto& [kind, subject] : notes_) {
        const std::int64_t number = numbers.take_mail_number();
        db.prepared(R"sql(INSERT INTO mail (no, kind, subject) VALUES (?, ?, ?))sql").execute(number, kind, subject);
        is_pruned = is_pruned || number % between_prunes == 0;
        if (kind == mail_kind::throttled) told_.push_back(number);
    }
    notes_.clear();
    if (is_pruned) prune_mail(db);
}

void outgoing_mail::forget() {
    notes_.clear();
    told_.resize(committed_);
}

bool outgoing_mail::has_told(std::int64_t number) const {
    return std::find(told_.begin(), told_.end(), number) != told_.end();
}

} // namespace prooftrack::store
