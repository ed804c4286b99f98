#include "store/event_ops.hpp"

#include <algorithm>

#include "store/paging.hpp"
#include "store/search_keys.hpp"

namespace prooftrack::store {
namespace {

track::consumer_view view_consumer(database& db, std::string name, event_seq seq) {
    track::consumer_view view;
    view.name = std::move(name);
    view.seq = seq;
    const std::uint64_t last = value_of(db.sums.last_event());
    const std::uint64_t next = std::max(value_of(seq) + 1, value_of(db.sums.first_event()));
    if (next > last) return view;
    view.lag = last - next + 1;
    query row = db.sql(R"sql(SELECT recorded_at FROM events WHERE seq = ?)sql").select(next);
    if (row.next()) view.oldest_pending = row.time(0);
    return view;
}

std::optional<event_seq> find_consumer(database& db, const std::string& name) {
    query row = db.sql(R"sql(SELECT seq FROM consumers WHERE name = ?)sql").select(name);
    if (!row.next()) return std::nullopt;
    return event_seq{row.count(0)};
}

op_error unknown_consumer(const char* operation) {
    return make_store_error(store_error::not_found, operation, "there is no such consumer");
}

op_error beyond_last(database& db, const char* operation) {
    return make_store_error(
        store_error::beyond_last, operation, "the last event is " + std::to_string(value_of(db.sums.last_event())));
}

} // namespace

op_result<event_page> read_events(database& db, event_seq after, std::size_t limit) {
    event_page page;
    page.first_seq = db.sums.first_event();
    page.last_seq = db.sums.last_event();
    if (after >= page.last_seq) return page;
    std::size_t bytes = 0;
    static constexpr sql_literal events_after = R"sql(
        SELECT seq, body
        FROM events
        WHERE seq > ?
        ORDER BY seq
        LIMIT ?
    )sql";
    query row = db.sql(events_after).select(after, limit);
    while (bytes < most_page_bytes && row.next()) {
        page.events.push_back({event_seq{row.count(0)}, row.string(1)});
        bytes += page.events.back().body.size();
    }
    return page;
}

op_result<event_page> search_events(database& db, const track::event_query& wanted) {
    event_page page;
    page.first_seq = db.sums.first_event();
    page.last_seq = db.sums.last_event();
    page.looked_at = std::max(wanted.after, page.last_seq);
    std::size_t bytes = 0;
    event_seq after = wanted.after;
    while (true) {
        const std::vector<std::int64_t> seqs = events_of_time(db, after, wanted.since, wanted.until);
        if (seqs.empty()) return page;
        for (const std::int64_t seq : seqs) {
            if (page.events.size() >= wanted.limit || bytes >= most_page_bytes) {
                page.looked_at = page.events.empty() ? wanted.after : page.events.back().seq;
                return page;
            }
            query row = db.sql(R"sql(SELECT seq, body FROM events WHERE seq = ?)sql").select(seq);
            if (!row.next()) throw sqlite_error(SQLITE_CORRUPT, "an event is in its index but not in its table");
            page.events.push_back({event_seq{row.count(0)}, row.string(1)});
            bytes += page.events.back().body.size();
        }
        after = event_seq{static_cast<std::uint64_t>(seqs.back())};
    }
}

op_result<std::pair<bool, track::consumer_view>> put_named_consumer(
    database& db, const std::string& name, std::optional<event_seq> seq) {
    if (seq && *seq > db.sums.last_event()) return beyond_last(db, "put a consumer");
    const auto known = find_consumer(db, name);
    const event_seq position = seq.value_or(known.value_or(db.sums.last_event()));
    if (!known || *known != position) {
        static constexpr sql_literal upsert = R"sql(
            INSERT INTO consumers VALUES (?, ?)
            ON CONFLICT (name) DO UPDATE SET seq = excluded.seq
        )sql";
        db.sql(upsert).execute(name, position);
    }
    return std::pair(!known.has_value(), view_consumer(db, name, position));
}

op_result<track::consumer_view> delete_named_consumer(database& db, const std::string& name) {
    const auto known = find_consumer(db, name);
    if (!known) return unknown_consumer("delete a consumer");
    db.sql(R"sql(DELETE FROM consumers WHERE name = ?)sql").execute(name);
    return view_consumer(db, name, *known);
}

op_result<track::consumer_view> acknowledge_events(database& db, const std::string& name, event_seq seq) {
    const auto known = find_consumer(db, name);
    if (!known) return unknown_consumer("acknowledge events");
    if (seq > db.sums.last_event()) return beyond_last(db, "acknowledge events");
    if (seq <= *known) return view_consumer(db, name, *known);
    db.sql(R"sql(UPDATE consumers SET seq = ? WHERE name = ?)sql").execute(seq, name);
    return view_consumer(db, name, seq);
}

op_result<std::vector<track::consumer_view>> list_consumers(database& db) {
    std::vector<std::pair<std::string, event_seq>> known;
    {
        static constexpr sql_literal all_consumers = R"sql(
            SELECT name, seq
            FROM consumers
            ORDER BY name
        )sql";
        query row = db.sql(all_consumers).select();
        while (row.next()) known.emplace_back(row.string(0), event_seq{row.count(1)});
    }
    std::vector<track::consumer_view> views;
    views.reserve(known.size());
    for (auto& [name, seq] : known) views.push_back(view_consumer(db, std::move(name), seq));
    return views;
}

op_result<session_claim> claim_session_key(database& db, const digest& key, const digest& body, wall_time now) {
    {
        query row = db.sql(R"sql(SELECT body, transaction_id FROM session_keys WHERE key = ?)sql").select(as_blob(key));
        if (row.next()) {
            if (row.text(0) != as_blob(body).bytes) return session_claim{session_claim::verdict::other_body, {}};
            if (row.is_null(1)) return session_claim{session_claim::verdict::outcome_unknown, {}};
            return session_claim{session_claim::verdict::done, row.string(1)};
        }
    }
    db.sql(R"sql(INSERT INTO session_keys VALUES (?, ?, ?, NULL))sql").execute(as_blob(key), as_blob(body), now);
    return session_claim{};
}

op_result<std::monostate> release_session_key(database& db, const digest& key) {
    static constexpr sql_literal release = R"sql(
        DELETE FROM session_keys
        WHERE key = ? AND transaction_id IS NULL
    )sql";
    db.sql(release).execute(as_blob(key));
    return std::monostate();
}

} // namespace prooftrack::store
