#include "store/mail.hpp"

#include <algorithm>

namespace prooftrack::store {
namespace {

/// Mail that was read by all: whoever has not read for so long is taken for gone, and loads everything again.
constexpr std::int64_t between_prunes = 500;

void prune(db_connection& db) {
    static constexpr sql_literal old_mail = R"sql(
        DELETE FROM mail
        WHERE at < clock_timestamp() - INTERVAL '5 minutes'
    )sql";
    db.prepared(old_mail).execute();
}

} // namespace

void outgoing_mail::flush(db_connection& db, totals& numbers) {
    std::sort(notes_.begin(), notes_.end());
    notes_.erase(std::unique(notes_.begin(), notes_.end()), notes_.end());
    for (const auto& [kind, subject] : notes_) {
        const std::int64_t number = numbers.take_mail_number();
        db.prepared(R"sql(INSERT INTO mail (no, kind, subject) VALUES (?, ?, ?))sql").execute(number, kind, subject);
        if (number % between_prunes == 0) prune(db);
    }
    notes_.clear();
}

} // namespace prooftrack::store
