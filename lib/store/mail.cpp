#include "store/mail.hpp"

#include <algorithm>

namespace prooftrack::store {

void outgoing_mail::flush(db_connection& db, totals& numbers) {
    std::sort(notes_.begin(), notes_.end());
    notes_.erase(std::unique(notes_.begin(), notes_.end()), notes_.end());
    for (const auto& [kind, subject] : notes_) {
        db.prepared(R"sql(INSERT INTO mail (no, kind, subject) VALUES (?, ?, ?))sql")
            .execute(numbers.take_mail_number(), kind, subject);
    }
    notes_.clear();
}

} // namespace prooftrack::store
