#include "store/news_ops.hpp"

#include <algorithm>
#include <set>

#include "store/facts_update.hpp"
#include "store/row_codec.hpp"

namespace prooftrack::store {
namespace {

track::active_transaction read_active(const query& row) {
    return {read_id(row, 0), read_facts(row, 1), read_revision(row, 14), shard_of_row(row.integer(15))};
}

/// Of held shards, behind `after.row`.
void read_new_rows(database& db, const news_cursor& after, cluster_news& news) {
    const std::int64_t last = db.sums.last_transaction_row();
    news.next.row = last;
    if (after.row >= last) return;
    static constexpr sql_literal new_rows = select_active<R"sql(
        WHERE row > ?
        ORDER BY row
        LIMIT ?
    )sql">;
    query row = db.sql(new_rows).select(after.row, most_news);
    std::size_t seen = 0;
    for (; row.next(); ++seen) {
        if (db.holds(row.integer(15))) news.rows.push_back(read_active(row));
        if (seen + 1 == most_news) news.next.row = row.integer(15);
    }
    news.more = news.next.row < last;
}

void read_row(database& db, std::int64_t key, cluster_news& news) {
    static constexpr sql_literal by_row = select_active<R"sql(
        WHERE row = ?
    )sql">;
    query row = db.sql(by_row).select(key);
    if (row.next()) news.rows.push_back(read_active(row));
}

void read_wanted_poll(database& db, std::int64_t key, cluster_news& news) {
    query row = db.sql(R"sql(SELECT id FROM transactions WHERE row = ?)sql").select(key);
    if (row.next()) news.wanted_polls.push_back(read_id(row, 0));
}

/// By the database's clock. What this process has told itself is not its news.
void read_pauses(database& db, std::int64_t after, std::int64_t last, cluster_news& news) {
    static constexpr sql_literal told_pauses = R"sql(
        SELECT no, subject + floor(extract(epoch FROM at - clock_timestamp()) * 1000)::BIGINT
        FROM mail
        WHERE no > ? AND no <= ? AND kind = ?
    )sql";
    query row = db.sql(told_pauses).select(after, last, mail_kind::throttled);
    while (row.next()) {
        const milliseconds left(row.integer(1));
        if (left > milliseconds(0) && !db.mail.has_told(row.integer(0)))
            news.throttled = std::max(left, news.throttled.value_or(left));
    }
}

struct mail_subjects {
    std::set<std::int64_t> rows;
    std::set<std::int64_t> polls;
    std::set<std::int64_t> lanes;
    bool pauses = false;
};

mail_subjects read_mail(database& db, const news_cursor& after, cluster_news& news) {
    const std::int64_t last = db.sums.last_mail();
    mail_subjects subjects;
    news.next.mail = last;
    if (after.mail >= last) return subjects;
    static constexpr sql_literal new_mail = R"sql(
        SELECT no, kind, subject
        FROM mail
        WHERE no > ?
        ORDER BY no
        LIMIT ?
    )sql";
    query row = db.sql(new_mail).select(after.mail, most_news);
    std::size_t seen = 0;
    for (; row.next(); ++seen) {
        const std::int64_t subject = row.integer(2);
        switch (static_cast<mail_kind>(row.integer(1))) {
        case mail_kind::row:
            if (db.holds(subject)) subjects.rows.insert(subject);
            break;
        case mail_kind::wanted_poll:
            if (db.holds(subject)) subjects.polls.insert(subject);
            break;
        case mail_kind::lane:
            subjects.lanes.insert(subject);
            break;
        case mail_kind::retried:
            news.retried.push_back(delivery_id{static_cast<std::uint64_t>(subject)});
            break;
        case mail_kind::controls:
            news.controls_changed = true;
            break;
        case mail_kind::replays:
            news.replays_changed = true;
            break;
        case mail_kind::throttled:
            subjects.pauses = true;
            break;
        }
        if (seen + 1 == most_news) news.next.mail = row.integer(0);
    }
    news.more = news.more || news.next.mail < last;
    return subjects;
}

} // namespace

bool has_missed_mail(database& db, const news_cursor& after) {
    if (after.mail < 0 || after.mail >= db.sums.last_mail()) return false;
    return !db.sql(R"sql(SELECT 1 FROM mail WHERE no = ?)sql").select(after.mail + 1).next(); // numbers have no gaps
}

op_result<cluster_news> read_cluster_news(database& db, const news_cursor& after) {
    cluster_news news;
    news.first_seq = db.sums.first_event();
    news.last_seq = db.sums.last_event();
    if (after.row < 0) {
        news.next = {db.sums.last_transaction_row(), db.sums.last_mail()};
        read_pauses(db, 0, news.next.mail, news);
        return news;
    }
    read_new_rows(db, after, news);
    const mail_subjects subjects = read_mail(db, after, news);
    for (const std::int64_t row : subjects.rows) read_row(db, row, news);
    for (const std::int64_t row : subjects.polls) read_wanted_poll(db, row, news);
    if (subjects.pauses) read_pauses(db, after.mail, news.next.mail, news);
    for (const std::int64_t row : subjects.lanes) {
        if (const lane_total* const lane = db.sums.find_lane(row)) news.lanes.push_back(lane->lane);
    }
    return news;
}

std::set<std::int64_t> read_open_wishes(database& db) {
    // A node's clock may be 30 s off; a poll too many does no harm.
    static constexpr sql_literal open_wishes = R"sql(
        SELECT m.subject
        FROM mail m
        JOIN transactions t ON t.row = m.subject
        WHERE m.kind = ?
          AND t.watched = 1
          AND (t.last_polled_at IS NULL OR
              t.last_polled_at < floor(extract(epoch FROM m.at) * 1000)::BIGINT + 30000)
    )sql";
    query row = db.sql(open_wishes).select(mail_kind::wanted_poll);
    std::set<std::int64_t> rows;
    while (row.next()) rows.insert(row.integer(0));
    return rows;
}

op_result<std::monostate> note_wanted_poll(database& db, const transaction_id& id) {
    const auto found = find_row(db, id);
    if (!found || !found->watched)
        return make_store_error(store_error::not_found, "ask for a poll", "there is none that is polled");
    db.mail.note(mail_kind::wanted_poll, found->row);
    return std::monostate();
}

} // namespace prooftrack::store
