#include "store/transaction_ops.hpp"

#include <set>
#include <string>

#include "store/facts_update.hpp"
#include "store/postgres/dialect.hpp"
#include "store/row_codec.hpp"

namespace prooftrack::store {
namespace {

constexpr sql_literal insert_if_new = R"sql(
    INSERT INTO transactions (
        row, id, state, kind, watched, tracked_at, overdue_at, polls, bad_requests, verifications_done,
        was_overdue, options_digest, callback_url, callback_lane, metadata, traceparent
    )
    VALUES (?, ?, 0, 0, 1, ?, ?, 0, 0, 0, 0, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO NOTHING
)sql";
constexpr sql_literal track_anew = R"sql(
    UPDATE transactions
    SET state = 0, kind = 0, watched = 1, status = NULL, tracked_at = ?, overdue_at = ?, settled_at = NULL,
        not_found_since = NULL, recheck_until = NULL, last_polled_at = NULL, polls = 0, bad_requests = 0,
        verifications_done = 0, was_overdue = 0, ended_at = NULL, options_digest = ?, callback_url = ?,
        callback_lane = ?, metadata = ?, traceparent = ?, revision = revision + 1
    WHERE row = ?
)sql";

/// What the column's default gives a new row.
constexpr row_revision first_revision{1};

/// `is_new`: nobody needs to ask whether it was there.
void insert_row(database& db, std::int64_t row, const track::new_transaction& wanted, bool is_new) {
    const packed_id packed(wanted.id.str());
    statement& insert = db.sql(insert_if_new);
    const auto run_with = [&](const auto&... values) { is_new ? insert.append(values...) : insert.execute(values...); };
    const auto run = [&](const auto& id) {
        run_with(
            row, id, wanted.now, wanted.now + wanted.overdue_after, as_blob(wanted.options_digest), wanted.callback_url,
            null_if_empty(wanted.callback_lane), blob_view{wanted.metadata}, null_if_empty(wanted.traceparent));
    };
    if (packed.is_uuid() && insert.packs_ids()) {
        run(blob_view{packed.bytes()});
    } else {
        run(std::string_view(wanted.id.str()));
    }
}

/// Ids that are tracked by now: of those that PostgreSQL was asked for in one go, since asking for each row would be
/// as slow as the way there. SQLite is asked with each insert.
class known_ids {
  public:
    known_ids(database& db, std::span<const track::new_transaction> wanted) {
        if (!db.connection->is_remote() || wanted.size() < 2) return;
        is_complete_ = true;
        pg_array list;
        for (const track::new_transaction& each : wanted) list.add(each.id.str());
        static constexpr sql_literal known_of = R"sql(
            SELECT id
            FROM transactions
            WHERE id = ANY (CAST(CAST(? AS TEXT) AS TEXT[]))
        )sql";
        query row = db.sql(known_of).select(list.text());
        while (row.next()) ids_.insert(row.string(0));
    }
    bool is_complete() const { return is_complete_; }
    /// Nobody else can add it now. It is known from here on.
    bool take_if_new(const std::string& id) { return ids_.insert(id).second; }

  private:
    bool is_complete_ = false;
    std::set<std::string> ids_;
};

/// False when there is one of this id.
bool add_row(database& db, std::int64_t row, const track::new_transaction& wanted, known_ids& known_before) {
    if (!known_before.is_complete()) {
        insert_row(db, row, wanted, false);
        return db.connection->changes() == 1;
    }
    if (!known_before.take_if_new(wanted.id.str())) return false;
    insert_row(db, row, wanted, true);
    return true;
}

track::tracking_facts fresh_facts(const track::new_transaction& wanted) {
    track::tracking_facts facts;
    facts.tracked_at = wanted.now;
    facts.overdue_at = wanted.now + wanted.overdue_after;
    return facts;
}

void note_for_search(database& db, std::int64_t row, const track::new_transaction& wanted) {
    db.searched.note(ranged_list::tracked, row, wanted.now.time_since_epoch().count());
    db.searched.note_metadata(row, wanted.metadata);
}

void renew(database& db, std::int64_t row, const track::tracking_facts& old, const track::new_transaction& wanted) {
    db.foreseen.forget(wanted.id);
    db.sql(track_anew)
        .execute(
            wanted.now, wanted.now + wanted.overdue_after, as_blob(wanted.options_digest), wanted.callback_url,
            null_if_empty(wanted.callback_lane), blob_view{wanted.metadata}, null_if_empty(wanted.traceparent), row);
    db.sql(R"sql(DELETE FROM proofs WHERE transaction_row = ?)sql").execute(row);
    note_for_search(db, row, wanted);
    db.sums.count_transaction(count_cell{old.state, track::classify_status(old.status)}, count_cell{});
}

add_outcome add_one(database& db, const track::new_transaction& wanted, known_ids& known_before) {
    const std::int64_t row = db.sums.take_transaction_row();
    if (add_row(db, row, wanted, known_before)) {
        note_for_search(db, row, wanted);
        db.sums.count_transaction(std::nullopt, count_cell{});
        write_history(db, row, {.at = wanted.now});
        return {add_result::created, fresh_facts(wanted), first_revision, shard_of_row(row)};
    }
    std::int64_t known_row = 0;
    row_revision revision{};
    bool same_options = false;
    track::tracking_facts facts;
    {
        static constexpr sql_literal known_by_id = R"sql(
            SELECT state, watched, status, tracked_at, overdue_at, settled_at, not_found_since,
                recheck_until, last_polled_at, polls, bad_requests, verifications_done, was_overdue,
                row, options_digest, revision
            FROM transactions
            WHERE id = ?
        )sql";
        query known = select_by_id(db.sql(known_by_id), wanted.id.str());
        if (!known.next()) throw sqlite_error(SQLITE_CORRUPT, "an id is in its index but not in its table");
        facts = read_facts(known, 0);
        known_row = known.integer(13);
        same_options = known.text(14) == as_blob(wanted.options_digest).bytes;
        revision = read_revision(known, 15);
    }
    if (facts.state == track::tracking_state::untracked || facts.state == track::tracking_state::abandoned) {
        renew(db, known_row, facts, wanted);
        write_history(db, known_row, {.at = wanted.now});
        db.tell_owner(known_row);
        const row_revision next{value_of(revision) + 1};
        return {add_result::created, fresh_facts(wanted), next, shard_of_row(known_row)};
    }
    const bool is_same = same_options || facts.state == track::tracking_state::settled;
    const add_result what = is_same ? add_result::existing : add_result::conflict;
    return {what, std::move(facts), revision, shard_of_row(known_row)};
}

} // namespace

op_result<std::vector<add_outcome>> add_transactions(
    database& db, std::span<const track::new_transaction> transactions, const std::optional<digest>& session) {
    std::vector<add_outcome> outcomes;
    outcomes.reserve(transactions.size());
    known_ids known(db, transactions);
    for (const track::new_transaction& wanted : transactions) outcomes.push_back(add_one(db, wanted, known));
    if (session && !transactions.empty()) {
        db.sql(R"sql(UPDATE session_keys SET transaction_id = ? WHERE key = ?)sql")
            .execute(transactions.front().id.str(), as_blob(*session));
    }
    return outcomes;
}

op_result<row_revision> set_transaction_options(database& db, const options_change& change) {
    const auto before = find_row(db, change.id);
    if (!before) return make_store_error(store_error::not_found, "set options", "the transaction is gone");
    if (before->revision != change.revision)
        return make_store_error(store_error::stale, "set options", "the transaction was changed meanwhile");
    static constexpr sql_literal set_options = R"sql(
        UPDATE transactions
        SET metadata = ?, callback_url = ?, callback_lane = ?, options_digest = ?, revision = revision + 1
        WHERE row = ?
    )sql";
    db.sql(set_options)
        .execute(
            blob_view{change.metadata}, change.callback_url, null_if_empty(change.callback_lane),
            as_blob(change.options_digest), before->row);
    db.searched.note_metadata(before->row, change.metadata);
    db.tell_owner(before->row);
    return row_revision{value_of(before->revision) + 1};
}

op_result<std::monostate> save_transaction_facts(database& db, std::span<const track::active_transaction> rows) {
    if (db.connection->is_remote()) {
        row_wishes wishes;
        for (const track::active_transaction& saved : rows) wishes.transactions.push_back({saved.id});
        db.foreseen.read(*db.connection, {&wishes});
    }
    for (const track::active_transaction& saved : rows) {
        const auto before = find_row(db, saved.id);
        if (!before || before->revision != saved.revision) continue;
        const auto ended_at =
            is_ended(saved.facts.state)
                ? std::optional(before->ended_at.value_or(saved.facts.settled_at.value_or(saved.facts.tracked_at)))
                : std::nullopt;
        write_facts(db, *before, saved.facts, ended_at, before->last_event_at);
    }
    return std::monostate();
}

track::transaction_view read_view(const query& row) {
    std::optional<std::string> callback_url;
    if (!row.is_null(15)) callback_url = row.string(15);
    return {
        read_id(row, 0),
        read_facts(row, 1),
        row.string(14),
        std::move(callback_url),
        row.string(16),
        std::nullopt,
        0,
        {},
        read_revision(row, 17),
        shard_of_row(row.integer(18))};
}

op_result<std::optional<track::transaction_view>> find_transaction(database& db, const transaction_id& id) {
    static constexpr sql_literal view_by_id = R"sql(
        SELECT id, state, watched, status, tracked_at, overdue_at, settled_at, not_found_since,
            recheck_until, last_polled_at, polls, bad_requests, verifications_done, was_overdue,
            metadata, callback_url, body, revision, row
        FROM transactions
        LEFT JOIN proofs ON transaction_row = row
        WHERE id = ?
    )sql";
    query row = select_by_id(db.sql(view_by_id), id.str());
    if (!row.next()) return std::optional<track::transaction_view>();
    return std::optional(read_view(row));
}

} // namespace prooftrack::store
