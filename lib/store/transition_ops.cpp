#include "store/transition_ops.hpp"

#include "base/own_url.hpp"
#include "store/delivery_ops.hpp"
#include "store/facts_update.hpp"
#include "store/row_codec.hpp"

namespace prooftrack::store {
namespace {

/// An event that was just written.
struct written_event {
    wall_time at{};
    std::string traceparent;
    std::shared_ptr<const std::string> body;
};

/// What `load_delivery_record` would read of a delivery that was just inserted.
delivery_record fresh_record(
    const delivery_head& head, const transition& change, const std::string& callback, const std::string& url,
    const written_event& event) {
    track::delivery_view view{
        head.id,
        change.event->id,
        std::string(to_string(change.event->type)),
        change.id,
        callback,
        track::delivery_state::pending,
        0,
        std::nullopt,
        "",
        0,
        head.next_attempt_at};
    return {std::move(view),     head.lane,  url,      std::string(to_string(change.facts.state)),
            change.facts.status, event.body, event.at, event.traceparent};
}

/// Inserts the event and a delivery for each callback that gets it.
recorded_transition write_event(
    database& db, const stored_row& before, const event_ingredients& parts, const transition& change,
    wall_time event_time) {
    const owed_event& owed = *change.event;
    const std::int64_t row = before.row;
    track::event_facts facts;
    facts.id = owed.id;
    facts.type = owed.type;
    facts.timestamp = event_time;
    facts.transaction = change.id.str();
    facts.state = change.facts.state;
    facts.status = change.facts.status;
    facts.previous_status = owed.previous_status;
    facts.metadata = parts.metadata;
    facts.proof = parts.proof;
    recorded_transition recorded;
    recorded.body = std::make_shared<const std::string>(format_event(facts));
    recorded.seq = db.sums.take_event_seq();
    db.sql(R"sql(INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?))sql")
        .append(
            *recorded.seq, owed.id, to_string(owed.type), row, change.facts.state, null_if_empty(change.facts.status),
            event_time, blob_view{*recorded.body}, null_if_empty(before.traceparent));
    db.searched.note(
        ranged_list::recorded, static_cast<std::int64_t>(value_of(*recorded.seq)),
        event_time.time_since_epoch().count());
    const written_event written{event_time, before.traceparent, recorded.body};
    const owed_delivery delivery{*recorded.seq, row, change.at, !before.last_event_at};
    const auto owe = [&](const std::string& lane, const std::string& callback, const std::optional<std::string>& url) {
        auto head = insert_delivery(db, delivery, lane, callback, url);
        if (!head) return;
        recorded.records.push_back(fresh_record(*head, change, callback, url.value_or(""), written));
        recorded.heads.push_back(std::move(*head));
    };
    for (const std::string& callback : owed.callbacks) owe(callback, callback, {});
    if (parts.callback_url && selects("transaction.*", owed.type))
        owe(parts.callback_lane, std::string(own_url_callback), parts.callback_url);
    return recorded;
}

} // namespace

op_result<recorded_transition> record_transition(database& db, const transition& change) {
    event_ingredients parts;
    std::optional<stored_row> before;
    if (!change.event) {
        before = find_row(db, change.id);
    } else if (auto found = find_whole_row(db, change.id)) {
        before = std::move(found->row);
        parts = std::move(found->parts);
    }
    if (!before) return make_store_error(store_error::not_found, "record a change", "the transaction is gone");
    if (before->revision != change.revision) {
        return make_store_error(
            store_error::stale, "record a change", "the transaction was changed since the change was judged");
    }
    const bool has_event = change.event.has_value();
    const auto event_time =
        has_event ? std::optional(track::next_event_time(change.at, before->last_event_at)) : std::nullopt;
    std::optional<wall_time> ended_at;
    if (is_ended(change.facts.state)) {
        const bool ends_now = has_event || change.facts.state != before->cell.state || !before->ended_at;
        ended_at = ends_now ? change.at : *before->ended_at;
    }
    write_facts(db, *before, change.facts, ended_at, has_event ? event_time : before->last_event_at);
    if (change.reply_is_good && !change.reply.empty()) {
        static constexpr sql_literal upsert_proof = R"sql(
            INSERT INTO proofs VALUES (?, ?)
            ON CONFLICT (transaction_row) DO UPDATE SET body = excluded.body
        )sql";
        db.sql(upsert_proof).execute(before->row, blob_view{change.reply});
        parts.proof = change.reply;
    }
    if (change.is_history) {
        write_history(
            db, before->row,
            {.at = change.at,
             .from_state = change.from_state,
             .to_state = change.facts.state,
             .from_status = change.from_status,
             .to_status = change.facts.status,
             .request_id = change.request_id,
             .reply = change.reply});
    }
    recorded_transition recorded;
    if (has_event) recorded = write_event(db, *before, parts, change, *event_time);
    db.tell_owner(before->row);
    recorded.traceparent = before->traceparent;
    recorded.revision = row_revision{value_of(before->revision) + 1};
    return recorded;
}

} // namespace prooftrack::store
