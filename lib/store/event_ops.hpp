#pragma once

// The event log, its named readers, and the keys of session requests.

#include "store/database.hpp"

namespace prooftrack::store {

/// At most `limit` events and 8 MiB of bodies behind `after`.
op_result<event_page> read_events(database& db, event_seq after, std::size_t limit);
/// Those of a time, likewise.
op_result<event_page> search_events(database& db, const track::event_query& wanted);

/// Makes a consumer (at `seq`, or at the last event) or, with `seq`, moves it there, back too. True = new.
op_result<std::pair<bool, track::consumer_view>> put_named_consumer(
    database& db, const std::string& name, std::optional<event_seq> seq);
op_result<track::consumer_view> delete_named_consumer(database& db, const std::string& name);
/// Moves forward only: an older position changes nothing.
op_result<track::consumer_view> acknowledge_events(database& db, const std::string& name, event_seq seq);
op_result<std::vector<track::consumer_view>> list_consumers(database& db);

op_result<session_claim> claim_session_key(database& db, const digest& key, const digest& body, wall_time now);
/// Forgets a key whose session was not made; one that is done stays.
op_result<std::monostate> release_session_key(database& db, const digest& key);

} // namespace prooftrack::store
