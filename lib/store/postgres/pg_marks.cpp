#include "store/postgres/pg_marks.hpp"

#include <fmt/format.h>

#include "store/postgres/pg_statement.hpp"

namespace prooftrack::store {

void leave_mark(pg_link& link) {
    if (link.has_mark()) return;
    link.post(R"sql(BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE)sql");
    link.post(R"sql(
        WITH turn AS (
            UPDATE prooftrackd
            SET batch = batch + 1,
                mark = gen_random_uuid()::TEXT
            WHERE one = 1
            RETURNING batch, mark
        )
        INSERT INTO marks (batch, mark)
        SELECT batch, mark
        FROM turn
        ON CONFLICT (batch) DO UPDATE SET mark = excluded.mark
    )sql");
    // Those of the future were left by a restore that did not reach this table.
    link.post(fmt::format(
        R"sql(
            DELETE FROM marks
            WHERE batch > (SELECT batch FROM prooftrackd WHERE one = 1)
               OR batch < (SELECT min(batch) FROM (SELECT batch FROM marks ORDER BY batch DESC LIMIT {}) AS kept)
        )sql",
        most_marks));
    link.ask(R"sql(COMMIT)sql");
    link.note_mark();
}

known_commit last_commit(pg_link& link) {
    pg_rows row(link.ask(R"sql(SELECT batch, mark FROM prooftrackd WHERE one = 1)sql"));
    known_commit last;
    if (!row.next()) return last;
    last.number = row.integer(0);
    last.mark = row.text(1);
    return last;
}

bool has_commit(pg_link& link, const known_commit& known, const known_commit& last) {
    if (last.number < known.number) return false;
    if (last.mark == known.mark) return true;
    pg_rows found(link.ask(
        fmt::format(R"sql(SELECT mark FROM marks WHERE batch <= {} ORDER BY batch DESC LIMIT 1)sql", known.number)));
    return !found.next() || found.text(0) == known.mark;
}

} // namespace prooftrack::store
